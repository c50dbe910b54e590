"""`edgert doctor`: what this machine has, what edgert makes of it, what is missing."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from contextlib import ExitStack
from typing import TYPE_CHECKING

from edgert.cli.output import open_output
from edgert.cli.selftest import run_selftest, show_selftest

if TYPE_CHECKING:
    from rich.console import Console

    from edgert.doctor import Examination, Fact

__all__ = ["add_parser", "run"]

_EXAMPLE = """example:
  edgert doctor
  edgert doctor --require tensorrt cuda --json-report doctor.json
  edgert doctor --selftest

Looks at the board, driver, TensorRT, Python packages, power mode, memory and temperature, and says
what edgert will use and what to type for what is missing. Changes nothing. --selftest builds small
networks, runs them on every runtime that is here, compares with ONNX Runtime on the CPU, and tells
of each step whether it works: what to run on a new machine, and to send with a report of a bug.
Exit status 1: no model can be run here, something of --require is not there, or a step failed.
"""
_STYLES = {"ok": "green", "absent": "dim", "warning": "yellow", "missing": "red"}
_NAME_WIDTH = 25
_INDENT = 9 + _NAME_WIDTH


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doctor` to the subcommands of edgert."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what this machine has, what edgert uses of it, and what is missing",
        description="Examine this machine.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--require",
        metavar="NAME",
        nargs="+",
        default=[],
        help="fail unless these can be used: onnxruntime, cuda, tensorrt, tensorrt-rtx, "
        "or any name of edgert.backends()",
    )
    add("--selftest", action="store_true", help="also try every runtime with small networks")
    add("--json-report", metavar="PATH", help="write all of it as JSON; - for standard output")
    add("--quiet", action="store_true", help="print no facts, only what fails")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run `edgert doctor`; 0 when models can be run and nothing that was asked for is missing."""
    from edgert.doctor import examine

    with ExitStack() as stack:
        output = open_output(args.json_report or None, stack)
        found = examine(require=args.require)
        shown = not args.quiet and args.json_report != "-"
        if shown:
            from rich.console import Console

            console = Console(highlight=False, soft_wrap=True)
            show(found, console)
        record = run_selftest(args.quiet) if args.selftest else None
        if output is not None:
            report = found.to_dict()
            if record is not None:
                report["selftest"] = record.to_dict()
            output.write((json.dumps(report, indent=2) + "\n").encode())
    if record is not None and shown:
        show_selftest(record, console)
    for name, reason in found.lacking.items():
        print(f"edgert: {name} is asked for, but: {reason}", file=sys.stderr)
    if not found.can_run:
        print("edgert: no runtime here can run a model", file=sys.stderr)
    failed = 0 if record is None else record.count("failed")
    if failed:
        print(f"edgert: selftest: {failed} steps failed", file=sys.stderr)
    return 1 if found.lacking or not found.can_run or failed else 0


def show(found: Examination, console: Console) -> None:
    """Print all facts: as wide as a terminal is, or, in a pipe, one line a fact and a fix."""
    for name, facts in found.sections.items():
        if facts:
            console.print(name, style="bold", markup=False)
        for fact in facts:
            _show_fact(fact, console)
    to_do = found.to_do
    missing = sum(fact.state == "missing" for fact in to_do)
    verdict = "edgert can run models here" if found.can_run else "edgert cannot run models here"
    warnings = len(to_do) - missing
    counts = f"{missing} missing, {warnings} warning{'' if warnings == 1 else 's'}"
    console.print(f"{verdict}; {counts}.", markup=False)


def _show_fact(fact: Fact, console: Console) -> None:
    from rich.text import Text

    room = max(console.width - _INDENT, 30) if console.is_terminal else 1 << 16
    lines = textwrap.wrap(fact.found, room, break_on_hyphens=False, break_long_words=False)
    head = Text.assemble(
        (f"{fact.state:<8} ", _STYLES[fact.state]), f"{fact.name:<{_NAME_WIDTH - 1}} "
    )
    console.print(head + Text("\n".join(lines).replace("\n", "\n" + " " * _INDENT)))
    if fact.fix:
        # Never wrapped: it is there to be copied.
        console.print(Text(" " * _INDENT + fact.fix, style="cyan"))
