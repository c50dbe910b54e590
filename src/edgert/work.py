"""Progress of work that has several parts, each with a count. In a pipe: nothing."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

__all__ = ["Work"]


class Work:
    """A bar for each part, on standard error.

    Args:
        quiet: Show nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> Work:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
            from rich.progress import TimeRemainingColumn as Remaining

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                Remaining(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        return self

    def update(self, part: str, done: int, total: int | None) -> None:
        """So much of a part is done."""
        if not self._shown:
            return
        if part not in self._bars:
            self._bars[part] = self._progress.add_task(part, total=total)
        self._progress.update(self._bars[part], completed=done, total=total)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._progress.stop()
