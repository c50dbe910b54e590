"""`edgert eval`: COCO accuracy of a detector and a pose network."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from edgert.cli.output import open_output

if TYPE_CHECKING:
    from edgert.evaluation import Report

__all__ = ["add_parser", "run"]

_EXAMPLE = """example:
  edgert eval --detector yolov8n.onnx --pose hrnet_w32_256x192.onnx --images coco/val2017 \\
      --instances coco/annotations/instances_val2017.json \\
      --keypoints coco/annotations/person_keypoints_val2017.json --json-report accuracy.json

Box AP counts every detection over 0.001 of every class, 300 per image; keypoint AP the best 20
people per image, or the annotated boxes with --boxes annotated (then no detector is needed).
Needs pycocotools: pip install 'edgert[eval]'
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `eval` to the subcommands of edgert."""
    parser = subparsers.add_parser(
        "eval",
        help="measure box AP and keypoint AP on annotated images",
        description="Measure COCO box AP and keypoint AP of models, as the pipeline runs them.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--detector", metavar="MODEL", help="detector, .onnx or built engine")
    add("--pose", metavar="MODEL", help="pose network, .onnx or built engine")
    add("--images", metavar="DIR", required=True, help="folder of the annotated images")
    add("--instances", metavar="JSON", help="COCO box annotations: measure box AP")
    add("--keypoints", metavar="JSON", help="COCO keypoint annotations: measure keypoint AP")
    add(
        "--boxes",
        choices=("detector", "annotated"),
        default="detector",
        help="people of the keypoint AP: as detected (default), or the annotated boxes",
    )
    add("--runtime", default="auto", help="runtime of the networks (default: auto)")
    add("--device", default="auto", help='"cpu", "cuda:0" or "auto" (default)')
    add("--threads", metavar="N", type=int, help="threads within a network (default: all cores)")
    add("--json-report", metavar="PATH", help="write the report as JSON; - for standard output")
    add("--quiet", action="store_true", help="print no table and no progress")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Run `edgert eval`; 0 when the report is complete. Failures are exceptions of `edgert`."""
    _check_usage(args)

    with ExitStack() as stack:
        output = open_output(args.json_report or None, stack)
        report = _evaluate(args)
        if output is not None:
            output.write((json.dumps(report.to_dict(), indent=2) + "\n").encode())
    if not args.quiet and args.json_report != "-":
        from rich.console import Console

        Console().print(report.table())
    return 0


def _check_usage(args: argparse.Namespace) -> None:
    """Refuse what cannot work before minutes of inference are spent on it."""
    if not args.instances and not args.keypoints:
        args.usage_error("give --instances for box AP, --keypoints for keypoint AP, or both")
    if args.keypoints and not args.pose:
        args.usage_error("--keypoints needs a pose network: add --pose MODEL")
    if args.boxes == "annotated" and not args.keypoints:
        args.usage_error("--boxes annotated is about keypoint AP: add --keypoints JSON")
    if not args.detector and (args.instances or args.boxes == "detector"):
        args.usage_error("add --detector MODEL (only --boxes annotated alone does without)")


def _evaluate(args: argparse.Namespace) -> Report:
    from rich.console import Console
    from rich.progress import Progress

    from edgert.engine import Engine
    from edgert.evaluation import CropPose, coco
    from edgert.pipeline import Pipeline

    def load(path: str) -> Engine:
        return Engine(path, runtime=args.runtime, device=args.device, threads=args.threads)

    settings: dict[str, Any] = {
        "tracker": None,
        "score_threshold": 0.001,
        "nms_threshold": 0.7,
    }
    silent = args.quiet or not sys.stderr.isatty()
    reports: list[Report] = []
    with Progress(console=Console(stderr=True), transient=True, disable=silent) as progress:
        bars: dict[str, Any] = {}

        def on_image(task: str, done: int, total: int) -> None:
            bar = bars.setdefault(task, None)
            if bar is None:
                bar = bars[task] = progress.add_task(task, total=total)
            progress.update(bar, completed=done)

        if args.instances:
            with Pipeline(
                load(args.detector), classes=None, max_detections=300, **settings
            ) as pipe:
                reports.append(
                    coco(
                        pipe,
                        args.images,
                        args.instances,
                        class_names=pipe.class_names,
                        on_image=on_image,
                    )
                )
        if args.keypoints and args.boxes == "annotated":
            reports.append(
                coco(
                    CropPose(load(args.pose)),
                    args.images,
                    keypoints_json=args.keypoints,
                    boxes="annotated",
                    on_image=on_image,
                )
            )
        elif args.keypoints:
            with Pipeline(
                load(args.detector),
                load(args.pose),
                classes=("person",),
                max_detections=20,
                **settings,
            ) as pipe:
                reports.append(
                    coco(
                        pipe,
                        args.images,
                        keypoints_json=args.keypoints,
                        class_names=pipe.class_names,
                        on_image=on_image,
                    )
                )
    return reports[0] if len(reports) == 1 else reports[0].merged(reports[1])
