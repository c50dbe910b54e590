"""`edgert sensitivity`: which layers suffer from INT8."""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.cli.output import open_output
from edgert.cli.quantize import add_data_options, open_data
from edgert.work import Work

if TYPE_CHECKING:
    from edgert.quant.report.content import Report

__all__ = ["add_parser", "run"]

_EXAMPLE = """example:
  edgert sensitivity yolov8s.onnx --data images/ --picture sensitivity.png

Each layer is measured alone in INT8 with all others in float: at first on two images, the worst
again on eight. The score is the signal to noise ratio of the outputs in dB; less is worse. With
--annotations the score is AP, on all images for tuning (a fifth, 32 at most).
Needs the package onnx: pip install 'edgert[quant]'
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `sensitivity` to the subcommands of edgert."""
    parser = subparsers.add_parser(
        "sensitivity",
        help="rank the layers of a model by what INT8 costs them",
        description="Rank the layers of a model by what their INT8 form costs at its outputs.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(parser)
    add = parser.add_argument
    add("--one-out", action="store_true", help="all layers in INT8 but one, instead of one alone")
    add("--top", metavar="N", type=int, default=20, help="layers to print (default: 20; 0: all)")
    add("--picture", metavar="PATH", help="the ranking as a picture, .png")
    add("--json-report", metavar="PATH", help="the ranking as JSON; - for standard output")
    add("--quiet", action="store_true", help="print no table and no progress")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Run `edgert sensitivity`; 0 when it is ranked. Failures are exceptions of `edgert`."""
    if args.profile == "fp16":
        args.usage_error("--profile fp16 has no INT8 layers to rank")
    if args.picture and not Path(args.picture).resolve().parent.is_dir():
        args.usage_error(f"--picture {args.picture}: there is no such folder")

    with ExitStack() as stack:
        output = open_output(args.json_report or None, stack)
        work = stack.enter_context(Work(args.quiet))
        report = _measure(args, work)
        if output is not None:
            rows = [row for row in report.to_dict()["layers"] if row["rank"] is not None]
            content = {
                "model": args.model,
                "mode": report.mode,
                "metric": report.metric,
                "layers": rows,
            }
            output.write((json.dumps(content, indent=1) + "\n").encode())
        if args.picture:
            from edgert.quant.report import ranking_picture

            ranking_picture(
                report.layers,
                args.picture,
                metric=report.metric,
                mode=report.mode,
                title=f"Sensitivity of {Path(args.model).name}",
            )
    if not args.quiet and args.json_report != "-":
        from rich.console import Console

        from edgert.quant.report.terminal import sensitivity_table

        Console().print(
            sensitivity_table(report.layers, metric=report.metric, top=args.top or None)
        )
    return 0


def _measure(args: argparse.Namespace, work: Work) -> Report:
    from edgert.quant.groundwork import Settings, groundwork
    from edgert.quant.quantize import pick_profile
    from edgert.quant.report import make_report
    from edgert.quant.trials.sensitivity import sensitivity

    settings = Settings(
        method=args.method,
        percentile=args.percentile,
        annotations=args.annotations,
        equalize=not args.no_equalize,
        correct_biases=not args.no_bias_correction,
        cache=args.cache,
        threads=args.threads,
    )
    profile = pick_profile(args.profile)
    with tempfile.TemporaryDirectory(prefix="edgert-") as folder:
        base = groundwork(args.model, open_data(args), profile, settings, folder, work.update)
    rank = partial(
        sensitivity,
        base.model,
        base.scales,
        base.parts.tune,
        mode="one-out" if args.one_out else "one-in",
        trial=base.trial,
        on_step=lambda _, done, total: work.update("sensitivity", done, total),
    )
    if base.task is None:
        return make_report(args.model, plan=base.plan, rows=rank())
    # AP wants all the images that there are for it; noise is seen on a few.
    images = len(base.trial.items)
    rows = rank(metric=base.task, screen=images, refine=images, top=None)
    return make_report(args.model, plan=base.plan, rows=rows, metric=base.task.name)
