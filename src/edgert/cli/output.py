"""A command's output file, opened before the work."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgert.io.sinks.base import OutputFile

__all__ = ["open_output"]


def open_output(path: str | None, stack: ExitStack) -> OutputFile | None:
    """The file at a path ("-": standard output), closed with the stack; None for no path.

    It is opened before minutes of work are spent on what could not be written.

    Raises:
        SinkError: It cannot be opened.
    """
    if path is None:
        return None
    from edgert.io.sinks.base import OutputFile

    output = OutputFile(path)
    stack.callback(output.close)
    return output
