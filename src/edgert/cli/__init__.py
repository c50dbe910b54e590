"""The command line: `edgert COMMAND`.

Exit status: 0 done, 1 failed while working, 2 wrong use, 130 interrupted by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import FrameType

from edgert.errors import Error

__all__ = ["main"]

_FAILED, _WRONG_USE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status.

    Args:
        arguments: Without the program's name; None: the process's own.
    """
    parser = _parser()
    args = parser.parse_args(arguments)
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", UserWarning)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return int(args.run(args))
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        return 128 + int(number)
    except Error as error:
        return _report(error, _FAILED)
    except ValueError as error:
        return _report(error, _WRONG_USE)
    except Exception as error:
        if os.environ.get("EDGERT_DEBUG"):
            traceback.print_exc()
        return _report(f"{type(error).__name__}: {error} (EDGERT_DEBUG=1 shows where)", _FAILED)


def _parser() -> argparse.ArgumentParser:
    from edgert import __version__
    from edgert.cli import audit as audit_command
    from edgert.cli import build as build_command
    from edgert.cli import debug as debug_command
    from edgert.cli import demo as demo_command
    from edgert.cli import doctor as doctor_command
    from edgert.cli import eval as eval_command
    from edgert.cli import export as export_command
    from edgert.cli import inspect as inspect_command
    from edgert.cli import quantize as quantize_command
    from edgert.cli import run as run_command
    from edgert.cli import sensitivity as sensitivity_command

    parser = argparse.ArgumentParser(
        prog="edgert",
        description="Find people in video, follow them, and give each a skeleton, in real time.",
        epilog="edgert COMMAND --help tells more, with an example.",
    )
    parser.add_argument("--version", action="version", version=f"edgert {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    demo_command.add_parser(commands)
    run_command.add_parser(commands)
    eval_command.add_parser(commands)
    export_command.add_parser(commands)
    build_command.add_parser(commands)
    quantize_command.add_parser(commands)
    sensitivity_command.add_parser(commands)
    audit_command.add_parser(commands)
    debug_command.add_parser(commands)
    doctor_command.add_parser(commands)
    inspect_command.add_parser(commands)
    return parser


def _report(error: object, status: int) -> int:
    print(f"edgert: error: {error}", file=sys.stderr)
    return status


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"edgert: warning: {message}", file=sys.stderr)


def _terminate(number: int, _: FrameType | None) -> None:
    # The way Ctrl-C goes: whoever is at work closes its files.
    raise KeyboardInterrupt(number)
