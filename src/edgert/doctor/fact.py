"""One thing that is so, or is not, on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Fact", "State"]

State = Literal["ok", "absent", "warning", "missing"]


@dataclass(frozen=True, slots=True)
class Fact:
    """What was found.

    Attributes:
        name: Of the thing.
        found: What it is here, in words.
        state: "ok". "absent": not there, and nothing here would use it. "warning": it works, but
            not as well as it could. "missing": not there, and this machine has a use for it.
        fix: What to type or change; empty where there is nothing to do or no one command for it.
    """

    name: str
    found: str
    state: State = "ok"
    fix: str = ""
