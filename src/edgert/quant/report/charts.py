"""Charts as SVG inside the page: its colours, its fonts, no script."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgert.page.markup import Markup, join, tag

__all__ = ["Bar", "Mark", "bars", "histogram", "profile", "steps"]

_WIDTH = 1030.0
_ROW = 20.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a ranking.

    Attributes:
        label: Its name.
        value: Its length; what is not finite has none.
        text: What is written behind it.
        strong: Whether it stands out.
    """

    label: str
    value: float
    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A value on a histogram's axis with its name."""

    name: str
    value: float
    chosen: bool = False


def bars(rows: Sequence[Bar], title: str) -> Markup:
    """A ranking: a bar a row, names on the left, values on the right."""
    labels = min(460.0, 14 + 6.9 * max((len(row.label) for row in rows), default=0))
    longest = max((abs(row.value) for row in rows if math.isfinite(row.value)), default=0.0) or 1.0
    room = _WIDTH - labels - 90
    parts: list[str] = []
    for index, row in enumerate(rows):
        y = index * _ROW
        length = room * max(row.value, 0.0) / longest if math.isfinite(row.value) else 0.0
        kind = "bar kept" if row.strong else "bar"
        parts.append(
            tag(
                "g",
                tag("title", f"{row.label}: {row.text}"),
                _text(labels - 8, y + 14, _middle_cut(row.label, 64), "label code", "end"),
                tag("rect", x=labels, y=y + 4, width=max(length, 1), height=_ROW - 8, class_=kind),
                _text(labels + length + 6, y + 14, row.text),
            )
        )
    return _svg(_WIDTH, _ROW * len(rows), title, parts)


def histogram(
    edges: Sequence[float], shares: Sequence[float], marks: Sequence[Mark], title: str
) -> Markup:
    """How often each magnitude occurs, both axes logarithmic.

    Args:
        edges: Of the bins, over 0, rising.
        shares: Of all values, one fewer than edges.
        marks: Thresholds, over 0.
        title: For those who cannot see it.
    """
    width, height, foot = 330.0, 118.0, 18.0
    if not any(share > 0 for share in shares):
        return Markup("")
    # Bins differ in width: what is drawn is the share per factor of e.
    bins = [
        (low, high, share / math.log(high / low))
        for low, high, share in zip(edges[:-1], edges[1:], shares, strict=True)
    ]
    low, high = edges[0], max(edges[-1], *(mark.value for mark in marks), 0.0)
    top = max(density for _, _, density in bins)
    floor = max(min(density for _, _, density in bins if density > 0), top * 1e-7) / 2

    def x(value: float) -> float:
        return max(0.0, width * math.log(max(value, low) / low) / math.log(high / low))

    def y(density: float) -> float:
        return height * (1 - math.log(max(density, floor) / floor) / math.log(top / floor))

    outline = " ".join(
        f"{x(left):.1f},{y(density):.1f} {x(right):.1f},{y(density):.1f}"
        for left, right, density in bins
    )
    area = f"M0,{height:g} L{outline} L{x(edges[-1]):.1f},{height:g} Z"
    parts: list[str] = [tag("path", d=area, class_="area"), _line(0, height, width, height, "axis")]
    for decade in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1):
        at = x(10.0**decade)
        parts.append(_line(at, height, at, height + 4, "axis"))
        if 12 < at < width - 12:
            parts.append(_text(at, height + 16, f"{10.0**decade:g}", None, "middle"))
    for mark in sorted(marks, key=lambda mark: mark.chosen):
        at = min(x(mark.value), width - 1)
        line = _line(at, 0, at, height, "mark chosen" if mark.chosen else "mark")
        parts.append(tag("g", tag("title", f"{mark.name}: {mark.value:.4g}"), line))
    return _svg(width, height + foot, title, parts)


def profile(
    values: Sequence[tuple[str, float | None]], limit: float | None, unit: str, title: str
) -> Markup:
    """A dot for each of a sequence, in order; those under `limit` stand out.

    Args:
        values: (name, value) each; None or not finite leaves a gap.
        limit: A line across.
        unit: Of the values.
        title: For those who cannot see it.
    """
    known = [v for _, v in values if v is not None and math.isfinite(v)]
    height, left, foot = 240.0, 46.0, 8.0
    y, parts = _vertical_axis([*known, *([] if limit is None else [limit])], left, height, unit)
    width = (_WIDTH - left - 14) / max(len(values) - 1, 1)
    for index, (name, value) in enumerate(values):
        if value is None or not math.isfinite(value):
            continue
        bad = limit is not None and value < limit
        parts.append(
            tag(
                "circle",
                tag("title", f"{name}: {value:.1f} {unit}"),
                cx=left + 8 + index * width,
                cy=y(value),
                r=3.0,
                class_="dot bad" if bad else "dot",
            )
        )
    if limit is not None:
        parts.append(_line(left, y(limit), _WIDTH, y(limit), "limit"))
        parts.append(_text(_WIDTH, y(limit) - 5, f"{limit:g} {unit}", "limit", "end"))
    return _svg(_WIDTH, height + foot, title, parts)


def steps(points: Sequence[tuple[str, float]], unit: str, title: str) -> Markup:
    """A line through a few named points in order; what is not finite is left out."""
    shown = [(name, value) for name, value in points if math.isfinite(value)]
    if not shown:
        return Markup("")
    height, left, foot = 200.0, 62.0, 24.0
    y, parts = _vertical_axis([value for _, value in shown], left, height, unit)
    width = min((_WIDTH - left - 40) / max(len(shown) - 1, 1), 90.0)
    places = [(left + 20 + i * width, y(value)) for i, (_, value) in enumerate(shown)]
    parts.append(
        tag("polyline", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in places), class_="curve")
    )
    every = max(1, math.ceil(34 / width))
    for index, ((at, level), (name, value)) in enumerate(zip(places, shown, strict=True)):
        note = tag("title", f"{name}: {value:.4g} {unit}")
        parts.append(tag("circle", note, cx=at, cy=level, r=3.5, class_="dot"))
        if index % every == 0:
            parts.append(_text(at, height + 18, name, None, "middle"))
    return _svg(_WIDTH, height + foot, title, parts)


def _vertical_axis(
    values: Sequence[float], left: float, height: float, unit: str
) -> tuple[Callable[[float], float], list[str]]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    low, high = low - margin, high + margin
    pad = 14.0

    def y(value: float) -> float:
        return pad + (height - pad) * (1 - (value - low) / (high - low))

    parts: list[str] = []
    for tick in _ticks(low, high):
        parts.append(_line(left, y(tick), _WIDTH, y(tick), "axis"))
        parts.append(_text(left - 8, y(tick) + 4, f"{tick:g}", None, "end"))
    parts.append(_text(0, 10, unit))
    return y, parts


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw)
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]


def _middle_cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[: most // 2 - 1]}…{text[-(most // 2) :]}"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def _text(
    x: float, y: float, text: str, kind: str | None = None, anchor: str | None = None
) -> Markup:
    return tag("text", text, x=x, y=y, class_=kind, text_anchor=anchor)


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> Markup:
    return tag(
        "div",
        tag(
            "svg",
            tag("title", title),
            join(parts),
            viewBox=f"0 0 {width:g} {height:g}",
            width=width,
            height=height,
            role="img",
            xmlns="http://www.w3.org/2000/svg",
        ),
        class_="scroll",
    )
