"""What was tried, step by step: a step that fails is told, and those after it are skipped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any, TypeVar

__all__ = ["Record", "Step", "Trial"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried.

    Attributes:
        subject: Of what, such as "tensorrt int8".
        name: Such as "build".
        state: "passed", "failed" or "skipped".
        ms: Wall time, of "replay" the device's; None where it was skipped.
        detail: What came out, what went wrong, or why it was skipped.
    """

    subject: str
    name: str
    state: str
    ms: float | None = None
    detail: str = ""


class Record:
    """All steps.

    Args:
        on_step: Called with the subject and the name of each step before it is taken: a runtime
            that ends the process takes its reason along.
    """

    def __init__(self, on_step: Callable[[str, str], None] | None = None) -> None:
        self.steps: list[Step] = []
        self._on_step = on_step

    def trial(self, subject: str, names: Sequence[str]) -> Trial:
        """Takes the steps of one subject, in this order, within a `with` block."""
        return Trial(self, subject, list(names))

    def of(self, subject: str) -> dict[str, Step]:
        """The steps of a subject by name."""
        return {step.name: step for step in self.steps if step.subject == subject}

    @property
    def subjects(self) -> list[str]:
        """In the order in which they were tried."""
        return list(dict.fromkeys(step.subject for step in self.steps))

    def count(self, state: str) -> int:
        """How many steps ended so."""
        return sum(step.state == state for step in self.steps)

    def begin(self, subject: str, name: str) -> None:
        """Tell that a step is about to be taken."""
        if self._on_step is not None:
            self._on_step(subject, name)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        counts = {state: self.count(state) for state in ("passed", "failed", "skipped")}
        return {**counts, "steps": [asdict(step) for step in self.steps]}


class _EndOfTrialError(Exception):
    """No further step of the subject makes sense."""


class Trial:
    """The steps of one subject. Whatever was not taken at the end of its block is skipped."""

    def __init__(self, record: Record, subject: str, names: list[str]) -> None:
        self._record = record
        self._subject = subject
        self._left = names
        self._reason = ""

    def __enter__(self) -> Trial:
        return self

    def step(self, name: str, work: Callable[[], T]) -> T:
        """Take a step; where it raises, the trial ends here."""
        assert name == self._left[0], f"{name} is not the next step, {self._left[0]} is"
        self._record.begin(self._subject, name)
        started = time.perf_counter()
        try:
            result = work()
        except Exception as error:
            text = str(error) or type(error).__name__
            self._add(name, "failed", 1e3 * (time.perf_counter() - started), text)
            self._reason = f"{name} failed"
            raise _EndOfTrialError from error
        self._add(name, "passed", 1e3 * (time.perf_counter() - started))
        return result

    def say(self, detail: str, ms: float | None = None) -> None:
        """What came out of the step that was taken last, and a better measure of its time."""
        last = self._record.steps[-1]
        self._record.steps[-1] = replace(last, detail=detail, ms=last.ms if ms is None else ms)

    def skip(self, reason: str) -> None:
        """End the trial: its other steps cannot be taken here."""
        self._reason = reason
        raise _EndOfTrialError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        for name in list(self._left):
            self._add(name, "skipped", None, self._reason)
        return isinstance(error, _EndOfTrialError)

    def _add(self, name: str, state: str, ms: float | None, detail: str = "") -> None:
        self._left.remove(name)
        self._record.steps.append(Step(self._subject, name, state, ms, detail))
