"""The selftest of `edgert doctor` as a person sees it: a line a network, a column a step."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from edgert.doctor.selftest import Record, Step

__all__ = ["run_selftest", "show_selftest"]

_STEPS = ("build", "load", "bind", "run", "result", "replay")
_SUBJECT_WIDTH, _WIDTH = 26, 9


def run_selftest(quiet: bool) -> Record:
    """Run it; a terminal shows the step that is under way."""
    from edgert.doctor.selftest import selftest

    if quiet or not sys.stderr.isatty():
        return selftest()
    from rich.console import Console

    with Console(stderr=True).status("selftest") as status:
        return selftest(lambda subject, name: status.update(f"{subject}: {name}"))


def show_selftest(record: Record, console: Console) -> None:
    """Print a table of the steps, then what is to be said of them."""
    from rich.text import Text

    head = f"{'selftest, against the CPU':<{_SUBJECT_WIDTH}}" + "".join(
        f"{name:>{_WIDTH}}" for name in _STEPS
    )
    console.print(Text(head, style="bold"))
    for subject in record.subjects:
        steps = record.of(subject)
        line = Text(f"{subject:<{_SUBJECT_WIDTH}}")
        if all(step.state == "skipped" for step in steps.values()):
            # One word wide: the reason follows below.
            line.append(f"{'not tried':>{_WIDTH + 3}}", style="dim")
        else:
            for name in _STEPS:
                line.append(*_cell(steps.get(name)))
        line.rstrip()
        console.print(line)
    for text in _remarks(record):
        console.print(Text(text))
    console.print(
        f"selftest: {record.count('passed')} steps passed, {record.count('failed')} failed, "
        f"{record.count('skipped')} not tried.",
        markup=False,
    )


def _cell(step: Step | None) -> tuple[str, str]:
    if step is None:
        return f"{'':>{_WIDTH}}", ""
    if step.state == "failed":
        return f"{'FAILED':>{_WIDTH}}", "red"
    if step.state == "skipped" or step.ms is None:
        return f"{'-':>{_WIDTH}}", "dim"
    if step.name == "result":
        return f"{'equal':>{_WIDTH}}", "green"
    ms = step.ms
    text = f"{ms / 1e3:.1f} s" if ms >= 1e3 else f"{ms:.0f} ms" if ms >= 10 else f"{ms:.2f} ms"
    return f"{text:>{_WIDTH}}", ""


def _remarks(record: Record) -> list[str]:
    """Failures first; what was said of steps; why others were not tried, each reason once."""
    failed = [s for s in record.steps if s.state == "failed"]
    said = [s for s in record.steps if s.state == "passed" and s.detail]
    reasons: dict[str, list[str]] = {}
    for step in record.steps:
        if step.state == "skipped":
            subjects = reasons.setdefault(step.detail, [])
            if step.subject not in subjects:
                subjects.append(step.subject)
    return [
        *(f"FAILED {s.subject}, {s.name}: {s.detail}" for s in failed),
        *(f"{s.subject}, {s.name}: {s.detail}" for s in said),
        *(
            f"not tried: {', '.join(subjects)}: {reason}"
            for reason, subjects in reasons.items()
            if not reason.endswith(" failed")
        ),
    ]
