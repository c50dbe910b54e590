"""What a builder tells while it works, and how it is told to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from edgert.engines.tensorrt import Binding

__all__ = ["Monitor", "OnProgress", "interruptible", "monitor_of"]

OnProgress = Callable[[str, int, "int | None"], None]
"""Called with what is being done, how much of it is done, and of how much."""


class Monitor:
    """Passes on what the builder does, phase by phase, and asks it to stop.

    Args:
        on_progress: What it raises stops the build, and is raised again by `check`.
    """

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self.stop = threading.Event()
        self._on_progress = on_progress
        self._steps: dict[str, int] = {}
        self._error: BaseException | None = None

    def start(self, phase: str, steps: int) -> None:
        """A phase begins, which has so many steps."""
        self._steps[phase] = steps
        self._tell(phase, 0)

    def step(self, phase: str, step: int) -> bool:
        """A step is done; whether to go on."""
        self._tell(phase, step + 1)
        return not self.stop.is_set()

    def finish(self, phase: str) -> None:
        """A phase is over."""
        self._tell(phase, self._steps.get(phase, 1))

    def check(self) -> None:
        """Raise what `on_progress` has raised."""
        if self._error is not None:
            raise self._error

    def _tell(self, phase: str, done: int) -> None:
        if self._on_progress is None or self.stop.is_set():
            return
        try:
            self._on_progress(phase, done, self._steps.get(phase))
        except BaseException as error:
            # It would have to pass through TensorRT's own frames, which know no Python.
            self._error = error
            self.stop.set()


def monitor_of(bound: Binding, monitor: Monitor) -> Any:
    """The monitor as an object of TensorRT's class."""

    class ProgressMonitor(bound.api.IProgressMonitor):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            bound.api.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
            monitor.start(phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return monitor.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            monitor.finish(phase_name)

    return ProgressMonitor()


@contextmanager
def interruptible(monitor: Monitor) -> Iterator[None]:
    """Within: Ctrl-C stops the build at its next step; after it, the signal is as it was.

    Python would raise KeyboardInterrupt in whatever callback TensorRT is in, and TensorRT ends the
    process over that. A second Ctrl-C ends the process at once. Where no handler of Python's is
    set, or in another thread than the main one, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        if caught:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        caught.append(number)
        monitor.stop.set()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handled = {number: handler for number, handler in before.items() if callable(handler)}
    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
    if caught:
        handled[signal.Signals(caught[0])](caught[0], None)
