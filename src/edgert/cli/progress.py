"""What a person at a terminal sees of long work. In a pipe: nothing."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

__all__ = ["Progress"]


class Progress:
    """A bar with frames, frames a second and people, on standard error.

    Args:
        quiet: Show nothing.
        total: Number of frames, if known.
    """

    def __init__(self, quiet: bool, total: int | None) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._total = total
        self._frames = 0

    def __enter__(self) -> Progress:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                BarColumn(),
                TextColumn("{task.completed}/{task.fields[of]} frames"),
                TextColumn("{task.fields[fps]:.1f} FPS"),
                TextColumn("{task.fields[people]} people"),
                TimeRemainingColumn(),
            )
            self._console = Console(stderr=True)
            self._bar = Progress(*columns, console=self._console, transient=True)
            of = "?" if self._total is None else str(self._total)
            self._task = self._bar.add_task("", total=self._total, of=of, fps=0.0, people=0)
            self._bar.start()
            self._started = time.perf_counter()
        return self

    def advance(self, people: int) -> None:
        """One more frame is done, with so many people in it."""
        self._frames += 1
        if self._shown:
            fps = self._frames / (time.perf_counter() - self._started)
            self._bar.update(self._task, advance=1, fps=fps, people=people)

    def finish(self, stats: dict[str, Any]) -> None:
        """Replace the bar by a summary: `Pipeline.stats()` as a table."""
        if not self._shown:
            return
        self._bar.stop()
        from rich.table import Table

        table = Table(
            title=f"{stats['frames']} frames, {stats['fps']:.1f} FPS", title_justify="left"
        )
        table.add_column("stage")
        for column in ("mean ms", "p50", "p95", "p99"):
            table.add_column(column, justify="right")
        for name, times in stats["stages"].items():
            table.add_row(name, *(f"{times[key]:.2f}" for key in ("mean", "p50", "p95", "p99")))
        self._console.print(table)
        lost = [
            f"{stats[key]} {what}"
            for key, what in (
                ("dropped_frames", "frames dropped, the source was faster"),
                ("skipped_frames", "frames or images unreadable"),
                ("dropped_rows", "detector rows not finite"),
                ("dropped_heatmaps", "heatmaps not finite"),
            )
            if stats[key]
        ]
        if lost:
            self._console.print("; ".join(lost))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._bar.stop()
