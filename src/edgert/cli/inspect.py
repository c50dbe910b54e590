"""`edgert inspect`: what is in a model file or an engine."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack

from edgert.cli.output import open_output

__all__ = ["add_parser", "run"]

_EXAMPLE = """example:
  edgert inspect yolov8s.engine
  edgert inspect yolov8s.int8.onnx --layers --json-report layers.json

An engine is loaded where its TensorRT and its GPU are here. Elsewhere what the file itself and the
manifest beside it say is shown, and why the rest is not known.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `inspect` to the subcommands of edgert."""
    parser = subparsers.add_parser(
        "inspect",
        help="show what is in a model file or an engine",
        description="Inputs, outputs, sizes, memory, precision by layer, and what fell to FP32.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help=".onnx, .engine or .plan file")
    add("--layers", action="store_true", help="print every layer")
    add("--json-report", metavar="PATH", help="write the report as JSON; - for standard output")
    add("--quiet", action="store_true", help="print nothing")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Run `edgert inspect`; 0 when the file could be read."""
    from edgert.inspection import inspect

    with ExitStack() as stack:
        output = open_output(args.json_report or None, stack)
        found = inspect(args.model)
        if output is not None:
            output.write((json.dumps(found.to_dict(), indent=2) + "\n").encode())
    if not args.quiet and args.json_report != "-":
        from edgert.inspection.show import show

        show(found, every=args.layers)
    return 0
