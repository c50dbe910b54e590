"""The whole way of `edgert demo`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edgert.demo import networks
from edgert.demo.show.figures import Missing
from edgert.demo.show.footage import SIZE, Footage, Shot
from edgert.demo.show.page import make_page
from edgert.demo.show.quantized import quantize_pair
from edgert.demo.show.recording import Recording
from edgert.demo.show.report import Report
from edgert.demo.show.rival import Rival
from edgert.demo.show.side import Side
from edgert.demo.show.timeline import make_timeline
from edgert.errors import ModelError
from edgert.evaluation.truth import Truth
from edgert.page.machine import versions
from edgert.work import Work

__all__ = ["show"]

_BLOCK = 30


def show(
    folder: str | os.PathLike[str],
    *,
    seed: int,
    frames: int,
    people: int,
    int8: bool,
    command: str,
    work: Work,
) -> Report:
    """Run a scene through the pipeline; leave a video, JSON lines and a page.

    Frames are rendered block by block, and each block goes through the pipeline and the pure-Python
    path in turns, in either order, while nothing else is at work.

    Args:
        folder: Where the files go, an existing folder.
        seed: Of the scene.
        frames: How many.
        people: About how many are in the scene at any time.
        int8: Run the networks in INT8 too.
        command: What the page says it was made by.
        work: Is told how far the work is.

    Raises:
        ModelError: The demo's networks are not there.
        SinkError: A file cannot be written.
        UnavailableError: `int8` needs the package onnx.
        ValueError: An argument is out of range.
    """
    detector, pose, reid = _networks()
    output = Path(folder)
    footage = Footage(seed, people, frames, _BLOCK)
    missing: Missing = {}
    truths: list[Truth] = []
    with ExitStack() as stack:
        recording = stack.enter_context(Recording(output / "demo.mp4", output / "demo.jsonl"))
        sides = [stack.enter_context(Side(detector, pose, reid, footage.frame_rate))]
        if int8:
            pair = quantize_pair(detector, pose, output, seed, work)
            sides.append(stack.enter_context(Side(*pair, reid, footage.frame_rate)))
        rival = Rival.if_installed(detector, pose, reid, missing)
        for number, block in enumerate(footage):
            _play(block, number, sides, rival)
            recording.write([shot.image for shot in block], sides[0].results[-len(block) :])
            truths += [shot.truth for shot in block]
            work.update("frames", len(truths), frames)
        video = recording.finish()
        figures = []
        for number, side in enumerate(sides):
            work.update("accuracy", number, len(sides))
            figures.append(side.figures(truths, missing))
        work.update("accuracy", len(sides), len(sides))
        python_fps, matched = (None, None) if rival is None else rival.verdict(missing)
        report = Report(
            seed=seed, people=people, frames=frames, size=SIZE,
            fp32=figures[0], int8=figures[1] if int8 else None,
            python_fps=python_fps, boxes_matched=matched,
            people_counted=sum(int((~truth.ignored).sum()) for truth in truths),
            people_ignored=sum(int(truth.ignored.sum()) for truth in truths),
            stages=_per_frame(sides[0].stats()), missing=missing, command=command,
            machine=versions(),
        )  # fmt: skip
        timeline = [] if "hota" in missing else make_timeline(truths, sides[0].results)
        page = make_page(report, timeline, video, footage.frame_rate)
        (output / "demo.html").write_text(page, encoding="utf-8")
    return report


def _networks() -> tuple[Path, Path, Path]:
    paths = networks.DETECTOR, networks.POSE, networks.APPEARANCE
    for path in paths:
        if not path.is_file():
            raise ModelError(
                f"the demo's network {path} is not there; install edgert from its wheel or from a "
                f"clone that has it (git lfs and partial clones may have left it out)"
            )
    return paths


def _play(block: Sequence[Shot], number: int, sides: Sequence[Side], rival: Rival | None) -> None:
    images = [shot.image for shot in block]
    theirs: list[Any] = []
    # Whoever begins has it one way or the other: they take turns in that too.
    if rival is not None and number % 2:
        theirs = rival.run(images)
    for side in sides:
        side.run(images)
    if rival is not None:
        theirs = theirs or rival.run(images)
        rival.compare(sides[0].results[-len(images) :], theirs)
    for side in sides:
        side.look(images)


def _per_frame(stats: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Of each stage its milliseconds a frame, whatever number of times it runs, and the tail."""
    return {
        name: {"ms": row["count"] * row["mean"] / max(stats["frames"], 1), "p95": row["p95"]}
        for name, row in stats["stages"].items()
    }
