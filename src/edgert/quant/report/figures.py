"""Numbers as people read them, and as JSON can hold them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["bytes_text", "decibels", "number", "percent", "plain", "ratio"]


def number(value: float | None, digits: int = 3) -> str | None:
    """So many significant digits; None where there is no number."""
    if value is None or not math.isfinite(value):
        return None
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e+" in text else text


def decibels(value: float | None) -> str | None:
    """One digit after the point; two equal signals have no noise between them."""
    if value is None or math.isnan(value):
        return None
    return "equal" if value == math.inf else f"{value:.1f}" if math.isfinite(value) else "−∞"


def percent(share: float | None, digits: int = 1) -> str | None:
    """A share of 1 in percent; what is not 0 is not shown as 0."""
    if share is None or not math.isfinite(share):
        return None
    least = 10.0**-digits
    if 0 < 100 * share < least:
        return f"< {least:.{digits}f} %"
    return f"{100 * share:.{digits}f} %"


def ratio(before: float | None, after: float | None) -> str | None:
    """How many times smaller the second is."""
    if not before or not after:
        return None
    return f"{before / after:.2f}×"


def bytes_text(size: float | None) -> str | None:
    """In decimal megabytes, or kilobytes where it is less than one."""
    if size is None:
        return None
    return f"{size / 1e6:.2f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def plain(value: Any) -> Any:
    """What JSON has: a float that is not finite is None, a dataclass a dict in its own order."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value))
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if hasattr(value, "item"):  # a NumPy scalar
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
