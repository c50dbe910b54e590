"""The demo's page: video, ids over time, stages, accuracy, in one file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from edgert.demo.show.figures import MOST_DROP
from edgert.demo.show.report import SPEED_GOAL, Report
from edgert.demo.show.timeline import Row
from edgert.draw.palette import id_colour
from edgert.page.markup import Cell, Column, Markup, facts, join, page, section, table, tag, tiles

__all__ = ["make_page"]

_ROW_PX = 9
# In it besides the stages, and not one of them: from the first to the last, and waiting.
_NO_STAGE = frozenset({"total"})


def make_page(report: Report, timeline: Sequence[Row], video: bytes, frame_rate: float) -> str:
    """The page as HTML.

    Args:
        report: The figures.
        timeline: A row a person; none where tracks could not be measured.
        video: The MP4 that it shows.
        frame_rate: The video's.
    """
    sections = [
        ("video", "Video", _video(video)),
        ("ids", "Ids", _ids(report, timeline, frame_rate)),
        ("accuracy", "Accuracy", _accuracy(report)),
        ("stages", "Stages", _stages(report)),
        ("machine", "Machine", _machine(report)),
    ]
    height, width = report.size
    lead = (
        f"{report.frames} rendered frames of {width}x{height} with about {report.people} people, "
        f"seed {report.seed}: detected, tracked, given skeletons, and held against the truth."
    )
    sections[0] = ("video", "Video", join([_tiles(report), sections[0][2]]))
    return page("edgert demo", lead, sections, report.command)


def _tiles(report: Report) -> Markup:
    fp32, speed = report.fp32, report.speedup
    rival = report.python_fps
    return tiles(
        [
            ("Frames a second", f"{fp32.fps:.1f}", "detection, tracks, skeletons"),
            (
                "Times pure Python",
                "–" if speed is None else f"{speed:.1f}",
                "not installed" if rival is None else f"which has {rival:.1f} a second",
            ),
            ("Boxes, AP50", _share(fp32.ap50), f"AP {_share(fp32.ap)}"),
            ("Skeletons, OKS-AP", _share(fp32.oks_ap), "COCO's 17 joints"),
            ("Ids, HOTA", _share(fp32.hota), f"IDF1 {_share(fp32.idf1)}"),
            ("Id switches", _count(fp32.id_switches), f"in {report.people_counted} sightings"),
        ]
    )


def _video(video: bytes) -> Markup:
    data = base64.b64encode(video).decode()
    shown = tag(
        "video",
        "",
        src=f"data:video/mp4;base64,{data}",
        controls="",
        muted="",
        loop="",
        autoplay="",
        playsinline="",
        id="film",
    )
    note = "A quarter of the pixels; demo.mp4 beside this page has all of them."
    return section("video", "Video", shown, note=note)


def _ids(report: Report, timeline: Sequence[Row], frame_rate: float) -> Markup:
    if not timeline:
        return section("ids", "Ids over time", tag("p", report.missing.get("hota", "Nobody.")))
    switches = sum(len(row.switches) for row in timeline)
    note = (
        f"A row is a person of the truth, its colour the id that the tracker gave, as in the "
        f"video; pale: there, but not followed; nothing: away, too small or too hidden. "
        f"{_several(switches, 'change')} of id, marked by a dark line. "
        f"Click to go there in the video."
    )
    height = _ROW_PX * len(timeline)
    parts = [_row(number, row) for number, row in enumerate(timeline)]
    now = tag("line", x1=0.0, x2=0.0, y1=0.0, y2=float(height), class_="now", id="now")
    chart = tag(
        "svg",
        tag("title", f"Ids of {len(timeline)} people over {report.frames} frames"),
        join([*parts, now]),
        viewBox=f"0 0 {report.frames} {height}",
        preserveAspectRatio="none",
        style=f"height: {height}px",
        role="img",
        id="timeline",
        class_="timeline",
        xmlns="http://www.w3.org/2000/svg",
    )
    seconds = report.frames / frame_rate
    scale = tag("p", tag("span", "0 s"), tag("span", f"{seconds:.1f} s"), class_="ends")
    script = tag("script", Markup(_script()), data_frame_rate=frame_rate)
    return section("ids", "Ids over time", chart, scale, script, note=note)


def _row(number: int, row: Row) -> Markup:
    top = _ROW_PX * number + 1.0
    parts: list[str] = []
    for stretch in row.stretches:
        followed = stretch.track >= 0
        blue, green, red = id_colour(stretch.track)
        who = f"track {stretch.track}" if followed else "not followed"
        parts.append(
            tag(
                "rect",
                tag(
                    "title",
                    f"person {row.person}, {who}, frames {stretch.start} to {stretch.stop - 1}",
                ),
                x=stretch.start,
                y=top,
                width=stretch.stop - stretch.start,
                height=_ROW_PX - 2.0,
                fill=f"#{red:02x}{green:02x}{blue:02x}" if followed else None,
                class_=None if followed else "lost",
            )
        )
    parts += [
        tag("line", x1=at, x2=at, y1=top - 1, y2=top + _ROW_PX - 1, class_="switch")
        for at in row.switches
    ]
    return join(parts)


def _accuracy(report: Report) -> Markup:
    with_int8 = report.int8 is not None
    columns = [Column(""), Column("FP32" if with_int8 else "edgert", "number")]
    if with_int8:
        columns += [Column("INT8", "number"), Column("points lost", "number")]
    columns.append(Column("goal", "number"))
    rows: list[list[Cell]] = []
    for line in report.lines():
        cells: list[Cell] = [line.name, line.fp32]
        if with_int8:
            cells += [line.int8 or "", line.drop or ""]
        kind = {True: "good", False: "bad", None: None}[line.met]
        sign = {True: " ✓", False: " ✗", None: ""}[line.met]
        cells.append("" if line.goal is None else tag("span", line.goal + sign, class_=kind))
        rows.append(cells)
    parts: list[str] = [table(columns, rows)]
    parts += [tag("p", text, class_="note") for text in report.reasons()]
    total = report.people_counted + report.people_ignored
    note = (
        f"{report.people_counted} of {total} sightings count: people at least 24 px tall of whom "
        f"at least 30 % is seen. Boxes: every detection, as COCO has it; skeletons and ids: what "
        f"the pipeline puts out. Goals: for 30 people in 300 frames, and {SPEED_GOAL:g} times the "
        f"speed of the pure-Python path"
        + (
            f"; INT8 may cost {100 * MOST_DROP:g} points of AP (noise moves ids by more)."
            if with_int8
            else "."
        )
    )
    if report.boxes_matched is not None:
        note += (
            f" Both paths run the same networks on the same frames in turns, with all cores; "
            f"{100 * report.boxes_matched:.1f} % of the boxes over 0.5 are the same."
        )
    return section("accuracy", "Speed and accuracy", *parts, note=note)


def _stages(report: Report) -> Markup:
    stages = {name: row for name, row in report.stages.items() if name not in _NO_STAGE}
    longest = max((row["ms"] for row in stages.values()), default=0.0) or 1.0
    bars = [
        tag(
            "li",
            tag("span", name, class_="name"),
            tag("span", "", class_="bar", style=f"--share: {100 * row['ms'] / longest:.1f}%"),
            tag("span", f"{row['ms']:.2f} ms", class_="ms"),
        )
        for name, row in stages.items()
    ]
    total = sum(row["ms"] for row in stages.values())
    note = (
        f"Milliseconds a frame that each stage is at work, {total:.1f} in sum; while one frame is "
        f"in the pose network, the next one is detected and tracked."
    )
    return section("stages", "Where the time goes", tag("ol", *bars, class_="bars"), note=note)


def _machine(report: Report) -> Markup:
    return section("machine", "Machine", facts(report.machine.items()))


def _script() -> str:
    return Path(__file__).with_name("page.js").read_text(encoding="utf-8")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _count(value: int | None) -> str:
    return "–" if value is None else str(value)


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
