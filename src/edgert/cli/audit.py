"""`edgert audit`: whether a model is built in the precision that its file plans."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from edgert.cli.output import open_output
from edgert.cli.shape import add_shape, shapes_of

if TYPE_CHECKING:
    from edgert.quant.builds.audit import Audit

__all__ = ["add_parser", "run"]

_EXAMPLE = """example:
  edgert audit yolov8s.int8.onnx --compute-capability 8.6 8.9 --json-report audit.json

Builds the model with TensorRT-RTX's ahead-of-time builder, which needs no GPU, and compares each
layer's precision in the file with that of the kernel that was built for it. Exit status 1: a layer
was built otherwise than planned. Needs the builder: pip install 'edgert[audit]'
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `audit` to the subcommands of edgert."""
    parser = subparsers.add_parser(
        "audit",
        help="compare the planned precision of a model's layers with the built one",
        description="Build a model for a GPU that need not be here, and compare each layer's "
        "precision with the file's.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help=".onnx file")
    add(
        "--compute-capability",
        metavar="CC",
        nargs="+",
        default=["8.6"],
        help="of the GPUs to build for (default: 8.6, the nearest to a Jetson Orin)",
    )
    add("--batch", metavar="N", type=int, default=1, help="largest batch (default: 1)")
    add_shape(parser)
    add("--all", action="store_true", help="print every layer, not only those with a remark")
    add("--json-report", metavar="PATH", help="write the report as JSON; - for standard output")
    add("--quiet", action="store_true", help="print no table")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Run `edgert audit`; 0 when every layer is built as planned, else 1."""
    shapes = shapes_of(args)
    from edgert.quant.builds.audit import audit

    with ExitStack() as stack:
        output = open_output(args.json_report or None, stack)
        audits = [
            audit(args.model, capability, batch=args.batch, shapes=shapes)
            for capability in args.compute_capability
        ]
        if output is not None:
            report = {"audits": [done.to_dict() for done in audits]}
            output.write((json.dumps(report, indent=2) + "\n").encode())
    for done in audits:
        if not args.quiet and args.json_report != "-":
            _show(done, args.all)
        if done.mismatches:
            print(
                f"edgert: {args.model}: {len(done.mismatches)} of {len(done)} layers are not built "
                f"as planned for {done.compute_capability}",
                file=sys.stderr,
            )
    return 1 if any(done.mismatches for done in audits) else 0


def _show(done: Audit, every: bool) -> None:
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    counts = Counter(row.built for row in done)
    built = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    console = Console()
    rows = [row for row in done if every or row.note or not row.matches]
    if rows:
        table = Table("layer", "op", "planned", "built", "remark")
        for row in rows:
            style = None if row.matches else "red"
            table.add_row(row.name, row.op, row.planned, row.built, row.note, style=style)
        console.print(table)
    console.print(
        f"{done.path} for compute capability {done.compute_capability}: {len(done)} layers built "
        f"as {built}; {len(done.mismatches)} not as planned. {done.kernels} kernels, of which "
        f"{done.conversions} only convert types and {done.reformats} only layouts; engine "
        f"{done.engine_bytes / 1e6:.1f} MB in {done.seconds:.1f} s by {done.builder}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
