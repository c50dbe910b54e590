"""Names of layers and nodes, as people give them."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["matching", "some"]


def matching(wanted: str, known: Sequence[str], nothing: str) -> list[str]:
    """The name that is `wanted`, or else all in which it is found as a regular expression.

    Args:
        wanted: What somebody asked for.
        known: The names there are.
        nothing: How the error begins: "no node".

    Raises:
        ValueError: No name matches, or it is no regular expression.
    """
    try:
        found = [n for n in known if n == wanted] or [n for n in known if re.search(wanted, n)]
    except re.error as error:
        raise ValueError(f"{wanted!r} is no name and no regular expression: {error}") from error
    if not found:
        raise ValueError(f"{nothing} matches {wanted!r}; there are {some(known)}")
    return found


def some(names: Sequence[str]) -> str:
    """The first five, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
