"""What the demo found: figures, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgert.demo.show.figures import DROPS, GOALS, MOST_DROP, Figures, Missing

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["SPEED_GOAL", "Line", "Report"]

SPEED_GOAL = 3.0
"""How many times as fast as the pure-Python path."""

_NAMES = {
    "ap50": "AP50, boxes",
    "ap": "AP, boxes",
    "oks_ap": "OKS-AP, skeletons",
    "hota": "HOTA, ids",
    "idf1": "IDF1, ids",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table, as text.

    Attributes:
        name: What it is.
        fp32: The figure; None: not measured.
        int8: In INT8; None: not asked for, or not measured.
        drop: What INT8 costs.
        goal: What it should be.
        met: Whether it is; None: there is no goal or no figure.
    """

    name: str
    fp32: str | None
    int8: str | None = None
    drop: str | None = None
    goal: str | None = None
    met: bool | None = None


@dataclass(frozen=True)
class Report:
    """One run of the demo.

    Attributes:
        seed: Of the scene.
        people: Asked for at any time.
        frames: How many.
        size: Their height and width in pixels.
        fp32: The networks as they are.
        int8: The networks in INT8, if asked for.
        python_fps: Frames a second of the pure-Python path with the networks as they are.
        boxes_matched: The share of its surer boxes that edgert has too.
        people_counted: People in all frames together that count.
        people_ignored: Those that are too small or too hidden.
        stages: Milliseconds a frame of each of the pipeline's stages, and the 95th percentile of
            one run of it.
        missing: What could not be measured, and what to type for it.
        command: What it was made by.
        machine: Versions and the machine.
    """

    seed: int
    people: int
    frames: int
    size: tuple[int, int]
    fp32: Figures
    int8: Figures | None
    python_fps: float | None
    boxes_matched: float | None
    people_counted: int
    people_ignored: int
    stages: dict[str, dict[str, float]]
    missing: Missing
    command: str
    machine: dict[str, str]

    @property
    def speedup(self) -> float | None:
        """How many times as fast as the pure-Python path."""
        return None if self.python_fps is None else self.fp32.fps / self.python_fps

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; the figures of the networks as they are at the top."""
        content = asdict(self)
        return {**content.pop("fp32"), **content}

    def lines(self) -> list[Line]:
        """The table's lines."""
        speed, quick = self.speedup, self.int8
        lines = [
            Line(
                "frames a second",
                f"{self.fp32.fps:.1f}",
                _number(None if quick is None else quick.fps, ".1f"),
            ),
            Line("pure Python", _number(self.python_fps, ".1f")),
            Line(
                "times as fast",
                _number(speed, ".2f"),
                goal=f"{SPEED_GOAL:g}",
                met=None if speed is None else speed >= SPEED_GOAL,
            ),
        ]
        lines += [self._accuracy(key, name) for key, name in _NAMES.items()]
        switches = None if quick is None else quick.id_switches
        lines.append(
            Line("id switches", _number(self.fp32.id_switches, "d"), _number(switches, "d"))
        )
        return lines

    def _accuracy(self, key: str, name: str) -> Line:
        exact: float | None = getattr(self.fp32, key)
        quick: float | None = None if self.int8 is None else getattr(self.int8, key)
        drop = None if exact is None or quick is None else exact - quick
        goal = GOALS.get(key)
        met = None if goal is None or exact is None else exact >= goal
        if met and drop is not None and key in DROPS:
            met = drop <= MOST_DROP
        return Line(
            name,
            _number(exact, ".3f"),
            _number(quick, ".3f"),
            None if drop is None else f"{100 * drop:+.2f}",
            None if goal is None else f"{goal:.2f}",
            met,
        )

    def table(self) -> Table:
        """The lines for a terminal."""
        from rich.table import Table
        from rich.text import Text

        height, width = self.size
        title = f"{self.frames} frames of {width}x{height}, {self.people} people, seed {self.seed}"
        table = Table(title=title, title_justify="left")
        table.add_column("")
        for column in ("FP32", "INT8", "points lost") if self.int8 else ("edgert",):
            table.add_column(column, justify="right")
        table.add_column("goal", justify="right")
        for line in self.lines():
            goal = Text(line.goal or "", {True: "green", False: "yellow", None: ""}[line.met])
            cells = [line.fp32 or "–"]
            if self.int8:
                cells += [line.int8 or "", line.drop or ""]
            table.add_row(line.name, *cells, goal)
        return table

    def reasons(self) -> list[str]:
        """Why something was not measured and what to type for it, each once."""
        return list(dict.fromkeys(self.missing.values()))


def _number(value: float | None, form: str) -> str | None:
    return None if value is None else format(value, form)
