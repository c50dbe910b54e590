"""`edgert quantize`: a model in INT8, and a report of what it cost."""

from __future__ import annotations

import argparse
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.cli.output import open_output
from edgert.work import Work

if TYPE_CHECKING:
    from edgert.quant.images.data import CalibrationData

__all__ = ["add_data_options", "add_parser", "open_data", "run"]

_EXAMPLE = """example:
  edgert quantize yolov8s.onnx --data images/ --method percentile --keep auto \\
      --report yolov8s.int8.html -o yolov8s.int8.onnx
  edgert quantize hrnet_w32_256x192.onnx --data street.mp4 --stride 25 --detector yolov8s.onnx \\
      -o hrnet_w32_256x192.int8.onnx
  edgert quantize hrnet_w32_256x192.onnx --data coco/val2017 --limit 1000 \\
      --annotations coco/annotations/person_keypoints_val2017.json -o hrnet_w32_256x192.int8.onnx

Take 600 to 1000 images from where the model will work. A fifth, at most 16 (with --annotations 32),
is for choosing the layers that stay in float, another fifth, at most 64, for measuring the result.
Profiles: tensorrt (INT8 and FP16), portable (INT8 and FP32), onnxruntime (for its CPU kernels),
fp16 (no INT8); auto takes what the runtimes here run.
Needs the package onnx: pip install 'edgert[quant]'
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `quantize` to the subcommands of edgert."""
    parser = subparsers.add_parser(
        "quantize",
        help="write a model in INT8, keep the layers that hurt in float, report what it cost",
        description="Calibrate a model on images, find the layers that suffer from INT8, keep the "
        "fewest of them in float, and write it with explicit quantization.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(parser)
    add = parser.add_argument
    add(
        "--keep",
        metavar="WHAT",
        default="auto",
        help="layers to keep in float: auto (default), none, or names or patterns, with commas",
    )
    add(
        "--max-drop",
        metavar="X",
        type=float,
        default=0.005,
        help="budget of --keep auto (default: 0.005): with --annotations what AP may lose, half a "
        "point; else noise power over signal power of the outputs, 23 dB",
    )
    add(
        "--max-keep",
        metavar="X",
        type=float,
        default=0.05,
        help="share of the layers that --keep auto may keep (default: 0.05)",
    )
    add("--audit", action="store_true", help="build it with TensorRT-RTX and compare (no GPU)")
    outputs = parser.add_argument_group("outputs")
    add = outputs.add_argument
    add("-o", "--output", metavar="OUT", required=True, help="the quantized model, .onnx")
    add("--report", metavar="PATH", help="an HTML page, with its JSON beside it; or a folder")
    add("--json-report", metavar="PATH", help="the report as JSON; - for standard output")
    add("--quiet", action="store_true", help="print no summary and no progress")
    parser.set_defaults(run=run, usage_error=parser.error)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The options of a model and the images that it is calibrated on."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="detector or pose network in FP32, .onnx")
    add("--data", metavar="SOURCE", required=True, help="folder, quoted glob, or video of images")
    add("--stride", metavar="N", type=int, default=1, help="of a video, every N-th frame")
    add("--limit", metavar="N", type=int, help="at most N images, a random choice")
    add("--detector", metavar="MODEL", help="finds the people for a pose network")
    add(
        "--annotations",
        metavar="JSON",
        help="COCO annotations of the images: accuracy is AP; of a pose network its people too",
    )
    add(
        "--method",
        choices=("minmax", "entropy", "percentile", "mse", "auto"),
        default="percentile",
        help="how thresholds are found (default: percentile)",
    )
    add("--percentile", metavar="P", type=float, default=99.99, help="default: 99.99")
    add(
        "--profile",
        choices=("auto", "tensorrt", "portable", "onnxruntime", "fp16"),
        default="auto",
        help="what the file is for (default: auto)",
    )
    add("--no-equalize", action="store_true", help="leave the ranges of channels as they are")
    add("--no-bias-correction", action="store_true", help="leave biases as they are")
    add("--cache", metavar="FILE", help="calibration is resumed from and saved into it")
    add("--threads", metavar="N", type=int, help="threads within a network (default: all cores)")


def open_data(args: argparse.Namespace) -> CalibrationData:
    """The images that the options name."""
    from edgert.quant.quantize import open_data as open_for

    return open_for(
        args.model,
        args.data,
        detector=args.detector,
        annotations=args.annotations,
        stride=args.stride,
        limit=args.limit,
        seed=None if args.limit is None else 0,
    )


def run(args: argparse.Namespace) -> int:
    """Run `edgert quantize`; 0 when the model is written. Failures are exceptions of `edgert`."""
    _check_usage(args)
    from edgert.quant.quantize import quantize

    keep = args.keep if args.keep in ("auto", "none") else args.keep.split(",")
    with ExitStack() as stack:
        output = open_output(args.json_report or None, stack)
        work = stack.enter_context(Work(args.quiet))
        report = quantize(
            args.model,
            open_data(args),
            args.output,
            annotations=args.annotations,
            method=args.method,
            percentile=args.percentile,
            keep=keep,
            profile=args.profile,
            max_drop=args.max_drop,
            max_keep=args.max_keep,
            equalize=not args.no_equalize,
            correct_biases=not args.no_bias_correction,
            cache=args.cache,
            audit=args.audit,
            threads=args.threads,
            command=shlex.join(["edgert", *sys.argv[1:]]),
            on_progress=work.update,
        )
        page = report.save(args.report)[0] if args.report else None
        if output is not None:
            output.write(report.to_json().encode())
    if not args.quiet and args.json_report != "-":
        from rich.console import Console

        from edgert.quant.report.terminal import sensitivity_table, summary

        console = Console()
        if any(row.rank is not None for row in report.layers):
            console.print(sensitivity_table(report.layers, top=10))
        console.print(summary(report))
        if page is not None:
            console.print(f"report: {page}", markup=False, highlight=False)
    return 0


def _check_usage(args: argparse.Namespace) -> None:
    for option in ("max_drop", "max_keep"):
        value = getattr(args, option)
        if not 0 <= value <= 1:
            args.usage_error(f"--{option.replace('_', '-')} is {value}, expected 0 to 1")
    if args.audit and args.profile not in ("tensorrt", "portable", "fp16"):
        args.usage_error("--audit is about TensorRT: add --profile tensorrt")
    target = Path(args.output)
    if target.exists() and target.samefile(args.model):
        args.usage_error(f"-o {args.output} is the model itself; name another file")
    if not target.parent.is_dir():
        args.usage_error(f"-o {args.output}: there is no folder {target.parent}")
