"""`edgert run`: a source through the pipeline, into files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgert.cli.output import open_output
from edgert.cli.progress import Progress
from edgert.monitor.address import parse_address

if TYPE_CHECKING:
    from edgert.io.sinks import Sink
    from edgert.io.source import Source
    from edgert.pipeline import Pipeline

__all__ = ["add_parser", "run"]

_EXAMPLE = """example:
  edgert run street.mp4 --detector yolov8s.onnx --pose hrnet_w32_384x288.onnx \\
      --video out.mp4 --json out.jsonl

SOURCE is a video, an image, a folder or a quoted glob of images, a camera (0, v4l2:///dev/video0,
csi://0) or a stream (rtsp://...). Several sources are read side by side, each with its own tracks.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `run` to the subcommands of edgert."""
    parser = subparsers.add_parser(
        "run",
        help="detect, track and pose people in a video or camera",
        description="Detect, track and pose the people of a source.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", nargs="+", help="video, images, camera or stream")
    add("--detector", metavar="MODEL", required=True, help="detector, .onnx or built engine")
    add("--pose", metavar="MODEL", help="top-down pose network, .onnx or built engine")
    add("--tracker", choices=("bytetrack", "none"), default="bytetrack", help="default: bytetrack")
    add("--reid", metavar="MODEL", help="appearance network, .onnx or built engine")
    add(
        "--classes",
        metavar="NAME",
        nargs="+",
        default=["person"],
        help="default: person; 'all' for all",
    )
    add("--score-threshold", metavar="S", type=float, help="default: 0.1 with a tracker, else 0.25")
    add("--nms-threshold", metavar="IOU", type=float, default=0.7, help="default: 0.7")
    add("--untracked", action="store_true", help="also people that no track took, with id -1")
    add("--max-frames", metavar="N", type=int, help="stop after N frames")
    add("--runtime", metavar="R", default="auto", help="runtime of the networks (default: auto)")
    add(
        "--precision",
        choices=("auto", "fp32", "fp16", "int8"),
        default="auto",
        help="what TensorRT builds an .onnx file with (default: what the file says)",
    )
    add("--device", metavar="D", default="auto", help="'cpu', 'cuda:0' or 'auto' (default)")
    add("--threads", metavar="N", type=int, help="threads within a network (default: all cores)")
    add("--lanes", metavar="N", type=int, default=2, help="frames in flight (default: 2)")
    outputs = parser.add_argument_group("outputs ('-' is standard output, for text)")
    add = outputs.add_argument
    add("--json", metavar="PATH", help="JSON lines, one a frame")
    add("--mot", metavar="PATH", help="MOTChallenge rows, one a tracked person and frame")
    add("--coco", metavar="PATH", help="COCO results, boxes and keypoints")
    add("--video", metavar="PATH", help="the video with boxes, ids and skeletons, .mp4")
    add("--show", action="store_true", help="show it in a window; q closes it")
    add(
        "--serve",
        metavar="ADDR",
        help="live page and metrics over HTTP: 8000 for this machine only, 0.0.0.0:8000 for the "
        "network (no password), port 0 for any free port",
    )
    add("--json-report", metavar="PATH", help="counts and times per stage as JSON")
    add("--quiet", action="store_true", help="no progress and no summary")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Run `edgert run`; 0 when the source is done. Failures are exceptions of `edgert`."""
    if args.max_frames is not None and args.max_frames < 1:
        args.usage_error(f"--max-frames is {args.max_frames}, expected at least 1")
    _check_outputs(args)
    if args.serve is not None:
        parse_address(args.serve)
    from edgert.io import open_source

    with ExitStack() as stack:
        source = stack.enter_context(open_source(_source(args.source)))
        pipe = stack.enter_context(_pipeline(args))
        progress = stack.enter_context(Progress(args.quiet, _frame_count(args, source)))
        sinks = [stack.enter_context(sink) for sink in _sinks(args, pipe)]
        report = open_output(args.json_report, stack)
        try:
            _work(args, pipe, source, sinks, progress)
        finally:
            progress.finish(pipe.stats())
            if report is not None:
                report.write((json.dumps(pipe.stats(), indent=2) + "\n").encode())
    return 0


def _work(
    args: argparse.Namespace,
    pipe: Pipeline,
    source: Source,
    sinks: list[Sink],
    progress: Progress,
) -> None:
    from edgert.io.sinks import WindowClosed

    with closing(pipe.run(source, frames=True)) as results:
        for count, (image, result) in enumerate(results, 1):
            try:
                for sink in sinks:
                    sink.write(result, image)
            except WindowClosed:
                return
            progress.advance(len(result))
            if count == args.max_frames:
                return


def _check_outputs(args: argparse.Namespace) -> None:
    """An output empties its file when it opens it: no file may be named twice."""
    named = {f"SOURCE {text}": text for text in args.source}
    named |= {"--detector": args.detector, "--pose": args.pose, "--reid": args.reid}
    seen: dict[Path, str] = {}
    for option in ("json", "mot", "coco", "video", "json_report"):
        named[f"--{option.replace('_', '-')}"] = getattr(args, option)
    for name, text in named.items():
        if text is None or text == "-" or not (name.startswith("--") or Path(text).is_file()):
            continue
        path = Path(text).resolve()
        if path in seen and not name.startswith("SOURCE"):
            args.usage_error(f"{name} {text} is the same file as {seen[path]}")
        seen.setdefault(path, name)


def _source(texts: list[str]) -> Any:
    return texts[0] if len(texts) == 1 else texts


def _frame_count(args: argparse.Namespace, source: Source) -> int | None:
    known = [n for n in (source.frame_count, args.max_frames) if n is not None]
    return min(known) if known else None


def _pipeline(args: argparse.Namespace) -> Pipeline:
    from edgert.engine import Engine
    from edgert.pipeline import Pipeline

    def load(path: str) -> Engine:
        return Engine(
            path,
            runtime=args.runtime,
            device=args.device,
            precision=args.precision,
            threads=args.threads,
        )

    classes = (
        None if args.classes == ["all"] else [int(c) if c.isdigit() else c for c in args.classes]
    )
    return Pipeline(
        load(args.detector),
        None if args.pose is None else load(args.pose),
        None if args.tracker == "none" else args.tracker,
        None if args.reid is None else load(args.reid),
        precision=args.precision,
        classes=classes,
        score_threshold=args.score_threshold,
        nms_threshold=args.nms_threshold,
        untracked=args.untracked,
        lanes=args.lanes,
    )


def _sinks(args: argparse.Namespace, pipe: Pipeline) -> Iterator[Sink]:
    from edgert.io import sinks

    if args.json:
        yield sinks.JsonLines(args.json)
    if args.mot:
        yield sinks.Mot(args.mot)
    if args.coco:
        yield sinks.Coco(args.coco)
    if args.video:
        yield sinks.Video(args.video)
    if args.show:
        yield sinks.Window()
    if args.serve is not None:
        serve = sinks.Serve(args.serve, pipe.stats)
        # In a pipe nobody asked where, except for a port that only we know.
        if parse_address(args.serve).port == 0 or (sys.stderr.isatty() and not args.quiet):
            print(f"edgert: live page at {serve.url}", file=sys.stderr, flush=True)
        yield serve
