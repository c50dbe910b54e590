"""`edgert debug`: two models of different precision, frame by frame."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

from edgert.cli.output import open_output
from edgert.work import Work

if TYPE_CHECKING:
    from rich.table import Table

    from edgert.quant.debugging.comparison import Comparison

__all__ = ["add_parser", "run"]

_EXAMPLE = """example:
  edgert debug street.mp4 --model yolov8s.onnx --against yolov8s.int8.onnx --max-frames 50 \\
      -o debug.html

SOURCE is whatever `edgert run` reads. A pose network needs --detector, which finds its people.
Needs the package onnx: pip install 'edgert[quant]'
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `debug` to the subcommands of edgert."""
    parser = subparsers.add_parser(
        "debug",
        help="show where two models of different precision part",
        description="Compare two models of one network frame by frame: the layers where they part, "
        "the frames that suffer.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", help="video, image, folder or glob of images")
    add("--model", metavar="MODEL", required=True, help="the reference, usually FP32, .onnx")
    add("--against", metavar="MODEL", required=True, help="the same in INT8 or FP16, .onnx")
    add("--detector", metavar="MODEL", help="finds the people for a pose network")
    add("--max-frames", metavar="N", type=int, help="stop after N frames")
    add(
        "--threshold",
        metavar="DB",
        type=float,
        default=20.0,
        help="signal to noise ratio under which a layer has parted (default: 20)",
    )
    add("--worst", metavar="N", type=int, default=3, help="frames to show (default: 3)")
    add("--threads", metavar="N", type=int, help="threads within a network (default: all cores)")
    add("-o", "--output", metavar="HTML", help="write a page with the pictures of the worst frames")
    add("--json-report", metavar="PATH", help="write the comparison as JSON; - for standard output")
    add("--quiet", action="store_true", help="print no table and no progress")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Run `edgert debug`; 0 when the source is done. Failures are exceptions of `edgert`."""
    from edgert.quant.debugging.debug import debug
    from edgert.quant.report.debug_page import debug_page

    if args.output == "-" == args.json_report:
        args.usage_error("-o and --json-report cannot both go to standard output")
    with ExitStack() as stack:
        # Opened before minutes of inference are spent on what could not be written.
        page, report = (open_output(path, stack) for path in (args.output, args.json_report))
        work = stack.enter_context(Work(args.quiet))
        comparison = debug(
            args.model,
            args.against,
            args.source,
            detector=args.detector,
            max_frames=args.max_frames,
            threshold_db=args.threshold,
            worst=args.worst,
            threads=args.threads,
            on_frame=lambda done, total: work.update("frames", done, total),
        )
        if page is not None:
            page.write(debug_page(comparison).encode())
        if report is not None:
            report.write((json.dumps(comparison.to_dict(), indent=2) + "\n").encode())
    if not args.quiet and "-" not in (args.output, args.json_report):
        from rich.console import Console

        console = Console()
        console.print(_table(comparison))
        console.print(_summary(comparison), highlight=False, markup=False)
    return 0


def _table(comparison: Comparison) -> Table:
    from rich.table import Table
    from rich.text import Text

    from edgert.quant.report.figures import decibels

    table = Table(title="largest drops", title_justify="left")
    table.add_column("layer", overflow="fold")
    table.add_column("op")
    table.add_column("SQNR dB", justify="right")
    table.add_column("drop dB", justify="right")
    for layer in comparison.largest_drops(8):
        table.add_row(
            Text(layer.name),
            layer.op,
            decibels(layer.signal_to_noise_db),
            decibels(layer.drop_db),
        )
    return table


def _summary(comparison: Comparison) -> str:
    from edgert.quant.report.figures import decibels

    first, frames = comparison.first_parted, comparison.frames
    limit = f"{comparison.threshold_db:g} dB"
    lines = [f"{len(comparison.layers)} layers compared over {len(frames)} frames"]
    if comparison.missing:
        lines[0] += f", {len(comparison.missing)} could not be (they have no common name or form)"
    if first is None:
        lines.append(f"every layer is over {limit}")
    elif first.nonfinite:
        lines.append(f"first parted: {first.name}, {first.nonfinite} elements NaN or infinite")
    else:
        lines.append(f"first under {limit}: {first.name}, {decibels(first.signal_to_noise_db)} dB")
    by_name = {layer.name: layer for layer in comparison.layers}
    lines += [
        f"output {name}: {decibels(by_name[name].signal_to_noise_db)} dB"
        for name in comparison.outputs
        if name in by_name
    ]
    lost = sum(frame.agreement.lost for frame in frames)
    added = sum(frame.agreement.added for frame in frames)
    found = sum(frame.people[0] for frame in frames)
    lines.append(f"of {found} detections {lost} lost, {added} added")
    moved = [frame.agreement.most_px for frame in frames if frame.agreement.most_px is not None]
    if moved:
        lines.append(f"farthest joint: {max(moved):.1f} px")
    if comparison.worst_seen:
        worst = ", ".join(str(frames[i].index) for i in comparison.worst_seen)
        lines.append(f"worst frames: {worst}")
    return "\n".join(lines)
