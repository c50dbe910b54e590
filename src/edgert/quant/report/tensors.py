"""The part of the page that is about the values of tensors."""

from __future__ import annotations

import math

from edgert.page.markup import Cell, Column, Markup, details, section, table, tag
from edgert.quant.report import charts
from edgert.quant.report.content import Histogram, Report, Threshold
from edgert.quant.report.figures import decibels, number, percent

__all__ = ["tensor_histograms"]

# So many are shown at once, the others on request.
_OPEN = 6

_SATURATED = "Not counted: it reaches the end of its own Clip, which is its threshold."


def tensor_histograms(report: Report) -> Markup:
    """Histograms with the thresholds of every method, those that suffer most first."""
    drawn = [_one(histogram) for histogram in report.histograms]
    parts: list[str] = [tag("div", *drawn[:_OPEN], class_="grid")]
    if len(drawn) > _OPEN:
        more = f"{len(drawn) - _OPEN} more"
        parts.append(details(more, tag("div", *drawn[_OPEN:], class_="grid")))
    columns = (
        Column("tensor", "code"),
        Column("minimum", "number"),
        Column("maximum", "number"),
        Column("zeros", "number"),
        Column("method"),
        Column("threshold", "number"),
        Column("clipped", "number"),
        Column("SQNR, dB", "number"),
    )
    parts.append(
        details("Chosen thresholds of all tensors", table(columns, map(_row, report.histograms)))
    )
    return section(
        "tensors",
        "Tensors",
        *parts,
        note="How often each magnitude occurs in calibration, both axes logarithmic; a line a "
        "method where it clips, the one in use in blue. SQNR is that of the tensor rounded so.",
    )


def _one(histogram: Histogram) -> Markup:
    marks = [
        charts.Mark(threshold.method, threshold.value, threshold.chosen)
        for threshold in histogram.thresholds
        if threshold.value > 0 and math.isfinite(threshold.value)
    ]
    title = f"Histogram of {histogram.tensor}"
    drawing = charts.histogram(histogram.edges, histogram.shares, marks, title)
    columns = (
        Column("method"),
        Column("clips at", "number"),
        Column("clipped", "number"),
        Column("SQNR, dB", "number"),
    )
    rows = [
        [tag("b", cell) if t.chosen and cell is not None else cell for cell in _cells(t)]
        for t in histogram.thresholds
    ]
    # A tensor with a maximum and no values is one that `collect` found saturated.
    empty = _SATURATED if histogram.maximum else "Always 0."
    parts = [drawing or tag("p", empty, class_="note")]
    if rows:
        parts.append(table(columns, rows))
    if histogram.below > 0:
        text = f"{percent(histogram.below)} lie left of it; {percent(histogram.zeros)} are 0."
        parts.append(tag("small", text))
    return tag("div", tag("h3", tag("code", histogram.tensor)), *parts)


def _cells(threshold: Threshold) -> list[Cell]:
    clipped = percent(threshold.clipped, 3)
    return [threshold.method, number(threshold.value), clipped, decibels(threshold.sqnr)]


def _row(histogram: Histogram) -> list[Cell]:
    chosen = next((t for t in histogram.thresholds if t.chosen), None)
    return [
        histogram.tensor,
        number(histogram.minimum),
        number(histogram.maximum),
        percent(histogram.zeros),
        *([None] * 4 if chosen is None else _cells(chosen)),
    ]
