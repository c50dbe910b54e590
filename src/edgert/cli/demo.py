"""`edgert demo`: a rendered street through the whole pipeline, held against its truth."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path

from edgert.cli.output import open_output
from edgert.work import Work

__all__ = ["add_parser", "run"]

_EXAMPLE = """example:
  edgert demo --seed 7 --output street
  edgert demo --int8 --json-report demo.json

Writes demo.mp4, demo.jsonl and demo.html, a page that needs nothing but itself. Runs on the CPU,
where the pure-Python path is too. People under 24 px or less than 30 % visible do not count.
The metrics and the pure-Python path need pip install 'edgert[demo]', --int8 'edgert[quant]'.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo` to the subcommands of edgert."""
    parser = subparsers.add_parser(
        "demo",
        help="run a rendered street through everything: speed, accuracy, a video and a page",
        description="Render a street, run the whole pipeline and a pure-Python one on it in turns, "
        "and hold what was found against the truth.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seed", metavar="N", type=int, default=1, help="which street (default: 1)")
    add("--frames", metavar="N", type=int, default=300, help="how many frames (default: 300)")
    add("--people", metavar="N", type=int, default=30, help="about how many (default: 30)")
    add("--int8", action="store_true", help="quantize both networks and run them too")
    add("--output", metavar="DIR", default="out", help="folder of the files (default: out)")
    add("--json-report", metavar="PATH", help="write the figures as JSON; - for standard output")
    add("--quiet", action="store_true", help="print no table and no progress")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Run `edgert demo`; 0 when all is written. Failures are exceptions of `edgert`."""
    if args.frames < 1:
        args.usage_error(f"--frames is {args.frames}, expected at least 1")
    from edgert.demo.show.show import show

    # Before the report, which may be meant to lie in it.
    Path(args.output).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        output = open_output(args.json_report or None, stack)
        work = stack.enter_context(Work(args.quiet))
        report = show(
            args.output,
            seed=args.seed,
            frames=args.frames,
            people=args.people,
            int8=args.int8,
            command=shlex.join(["edgert", *sys.argv[1:]]),
            work=work,
        )
        if output is not None:
            output.write((json.dumps(report.to_dict(), indent=2) + "\n").encode())
    if not args.quiet and args.json_report != "-":
        from rich.console import Console

        console = Console()
        console.print(report.table())
        for reason in report.reasons():
            console.print(f"not measured: {reason}", markup=False, highlight=False)
        files = ", ".join(
            str(Path(args.output, f"demo.{kind}")) for kind in ("html", "mp4", "jsonl")
        )
        console.print(f"written: {files}", markup=False, highlight=False)
    return 0
