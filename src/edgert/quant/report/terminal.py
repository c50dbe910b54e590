"""What a terminal shows of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgert.quant.report.content import LayerRow, Report
from edgert.quant.report.figures import bytes_text, decibels, number, ratio
from edgert.quant.report.layers import score_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["sensitivity_table", "summary"]


def sensitivity_table(
    rows: Sequence[LayerRow], *, metric: str | None = "sqnr", top: int | None = 20
) -> Table:
    """The layers that cost most: layer, score, action.

    Args:
        rows: `Report.layers`; those without a rank are left out.
        metric: Of the scores; "sqnr" is in dB.
        top: At most so many; None: all.
    """
    from rich.table import Table
    from rich.text import Text

    ranked = sorted((r for r in rows if r.rank is not None), key=lambda r: r.rank or 0)
    shown = ranked[:top]
    by_noise = metric in (None, "sqnr")
    table = Table(title="sensitivity, the layer that costs most first", title_justify="left")
    table.add_column("", justify="right")
    table.add_column("layer", overflow="fold")
    table.add_column("op")
    table.add_column("score, dB" if by_noise else f"score ({metric})", justify="right")
    if not by_noise:
        table.add_column("SQNR, dB", justify="right")
    table.add_column("action")
    for row in shown:
        action = Text(row.action, "yellow" if row.action == "float" else "")
        score = score_text(row.score, metric) or "–"
        noise = [] if by_noise else [decibels(row.sqnr) or "–"]
        table.add_row(str(row.rank), Text(row.layer), row.op, score, *noise, action)
    if len(ranked) > len(shown):
        table.caption = f"and {len(ranked) - len(shown)} more that cost less"
        table.caption_justify = "left"
    return table


def summary(report: Report) -> RenderableType:
    """What was written, what is kept in float, what it cost."""
    from rich.table import Table
    from rich.text import Text

    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")

    def add(name: str, text: str) -> None:
        lines.add_row(name, Text(text))

    if report.written:
        size = bytes_text(report.written.size_bytes)
        smaller = ""
        if report.model:
            times = ratio(report.model.size_bytes, report.written.size_bytes)
            smaller = f", {times} smaller" if times else ""
        add("written", f"{report.written.path}, {size}{smaller}")
    if report.profile:
        add("profile", report.profile)
    if report.layers:
        quantized = sum(row.action == "int8" for row in report.layers)
        add("layers", f"{quantized} of {len(report.layers)} in INT8")
    for place, row in enumerate(report.kept):
        add("" if place else "kept in float", f"{row.layer}: {row.reason}")
    if report.within_budget is False:
        step = report.search[-1]
        add(
            "budget",
            f"not met: {number(step.drop)} on the images for tuning, {report.budget} asked",
        )
    if report.calibration and report.calibration.measured is not None:
        found = report.calibration
        parts = f"{found.images} for calibration, {found.tuned} tuning, {found.measured} measuring"
        add("images", parts)
    for figure in report.accuracy:
        if figure.after is not None:
            before = "" if figure.before is None else f"{figure.before:.4f} → "
            change = "" if figure.change is None else f" ({figure.change:+.4f})"
            add(figure.name, f"{before}{figure.after:.4f}{change}, against {figure.against}")
    for name, value in sorted(report.outputs.items(), key=lambda item: item[1]):
        add("output SQNR", f"{decibels(value)} dB, {name}")
    if report.speed:
        speed = report.speed
        times = ratio(speed.before_ms, speed.after_ms)
        add(
            "speed",
            f"{speed.before_ms:.2f} → {speed.after_ms:.2f} ms ({times}), {speed.runtime} "
            f"on {speed.device}",
        )
    if report.audit:
        matching = sum(row.matches for row in report.audit)
        add("audit", f"{matching} of {len(report.audit)} layers built as planned")
        for layer in [row for row in report.audit if not row.matches][:5]:
            add("", f"{layer.layer}: planned {layer.planned}, built {layer.built}")
    return lines
