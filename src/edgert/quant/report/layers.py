"""The parts of the page that are about layers."""

from __future__ import annotations

import math
from collections import Counter

from edgert.page.markup import Cell, Column, Markup, details, section, table, tag
from edgert.quant.report import charts
from edgert.quant.report.content import LayerRow, Report
from edgert.quant.report.figures import decibels, number

__all__ = [
    "audited",
    "bar_length",
    "kept_layers",
    "layer_table",
    "loss_text",
    "score_text",
    "searched",
]

# So many bars fit a screen; the table has all layers.
_BARS = 30


def loss_text(row: LayerRow, metric: str | None, mode: str | None) -> str:
    """What a layer costs, in words: of SQNR measured one at a time, that ratio itself."""
    if metric in (None, "sqnr") and mode == "one-in":
        return f"{decibels(row.sqnr) or '–'} dB"
    unit = " dB" if metric in (None, "sqnr") else ""
    return f"{number(row.loss) or '–'}{unit}"


def score_text(score: float | None, metric: str | None) -> str | None:
    """Digits that stand under one another: two of decibels, four of a share."""
    if score is None or not math.isfinite(score):
        return None
    return f"{score:.2f}" if metric in (None, "sqnr") else f"{score:.4f}"


def bar_length(row: LayerRow, metric: str | None, mode: str | None) -> float:
    """How long its bar is: the amplitude of its noise, or what it costs; never negative."""
    if metric in (None, "sqnr") and mode == "one-in":
        ratio = row.sqnr
        length = 0.0 if ratio is None else 10 ** (-ratio / 20)
    else:
        length = row.loss or 0.0
    return max(length, 0.0) if math.isfinite(length) else 0.0


def kept_layers(report: Report) -> Markup:
    """The keep-list and why; what the rules leave in float, by reason."""
    parts: list[str] = []
    if report.kept:
        columns = (Column("layer", "code"), Column("op"), Column("rank", "number"), Column("why"))
        rows = [
            (row.layer, row.op, None if row.rank is None else str(row.rank), row.reason or None)
            for row in report.kept
        ]
        share = len(report.kept) / len(report.layers)
        remark = f"{len(report.kept)} of {len(report.layers)} layers ({100 * share:.1f} %)"
        parts += [tag("p", f"Kept by choice: {remark}."), table(columns, rows)]
    else:
        parts.append(tag("p", "No layer is kept in float by choice."))
    ruled = [row for row in report.layers if row.action == "float" and not row.kept]
    if ruled:
        names = (Column("layer", "code"), Column("op"), Column("why"))
        reasons = Counter(row.reason for row in ruled)
        summary = f"{len(ruled)} more that cannot be quantized, or are not by rule"
        parts.append(
            details(
                summary,
                table(
                    (Column("why"), Column("layers", "number")),
                    [(reason or None, str(count)) for reason, count in reasons.most_common()],
                ),
                table(names, [(row.layer, row.op, row.reason or None) for row in ruled]),
            )
        )
    return section("kept", "Kept in float", *parts)


def searched(report: Report) -> Markup:
    """The search's way, step by step."""
    columns = (
        Column("layers kept", "number"),
        Column(_metric_title(report), "number"),
        Column("drop", "number"),
        Column("output SQNR, dB", "number"),
        Column("what changed"),
    )
    rows: list[list[Cell]] = []
    before: frozenset[str] = frozenset()
    for step in report.search:
        now = frozenset(step.kept)
        changes = [f"+ {name}" for name in step.kept if name not in before]
        changes += [f"− {name}" for name in sorted(before - now)]
        before = now
        rows.append(
            [
                str(len(step.kept)),
                score_text(step.score, report.search_metric),
                number(step.drop),
                decibels(step.sqnr),
                tag("span", ", ".join(changes), class_="code") if changes else None,
            ]
        )
    points = [(str(len(step.kept)), step.sqnr) for step in report.search]
    return section(
        "search",
        "Search",
        charts.steps(points, "dB", "Output SQNR by the number of layers kept"),
        table(columns, rows),
        note="Output SQNR by the number of layers kept in float, each state measured on the images "
        f"for tuning. The last one is what was written. {_budget_text(report)}",
    )


def _metric_title(report: Report) -> str:
    by_noise = report.search_metric in (None, "sqnr")
    return "SQNR, dB" if by_noise else str(report.search_metric)


def _budget_text(report: Report) -> str:
    if report.within_budget is None:
        return ""
    what = (
        "noise power over signal power of the outputs"
        if report.search_metric in (None, "sqnr")
        else f"{report.search_metric} lost"
    )
    met = "met" if report.within_budget else "not met"
    return f"Budget: {number(report.budget)} {what}; {met}."


def layer_table(report: Report) -> Markup:
    """The ranking as bars, and all layers as a table."""
    measured = [row for row in report.layers if row.rank is not None]
    measured.sort(key=lambda row: row.rank or 0)
    by_noise = report.metric in (None, "sqnr") and report.mode == "one-in"
    columns = (
        Column("rank", "number"),
        Column("layer", "code"),
        Column("op"),
        Column("score", "number"),
        Column("SQNR, dB", "number"),
        Column("images", "number"),
        Column("action"),
        Column("reason"),
    )
    rows: list[list[Cell]] = [
        [
            None if row.rank is None else str(row.rank),
            row.layer,
            row.op,
            score_text(row.score, report.metric),
            decibels(row.sqnr),
            None if row.images is None else str(row.images),
            tag("span", row.action, class_="float") if row.action == "float" else row.action,
            row.reason or None,
        ]
        for row in [*measured, *(row for row in report.layers if row.rank is None)]
    ]
    parts: list[str] = []
    bars = [
        charts.Bar(
            row.layer,
            bar_length(row, report.metric, report.mode),
            loss_text(row, report.metric, report.mode),
            row.action == "float",
        )
        for row in measured[:_BARS]
    ]
    if bars:
        parts.append(charts.bars(bars, "Layers by what they cost"))
    parts.append(details(f"All {len(rows)} layers", table(columns, rows)))
    how = {
        "one-in": "Each layer alone in INT8, all others in float. ",
        "one-out": "Each layer alone in float, all others in INT8. ",
    }.get(report.mode or "", "")
    length = (
        "A bar's length is the amplitude of the noise at the outputs, its figure the SQNR."
        if by_noise
        else "A bar is what the layer costs in the metric."
    )
    note = how + length + (" Orange stays in float." if report.kept else "")
    title = "Sensitivity" if bars else "Layers"
    return section("layers", title, *parts, note=note if bars else "")


def audited(report: Report) -> Markup:
    """Planned and built precision, first where they differ."""
    columns = (
        Column("layer", "code"),
        Column("op"),
        Column("planned"),
        Column("built"),
        Column("note"),
    )

    def cells(differs: bool) -> list[list[Cell]]:
        return [
            [
                row.layer,
                row.op,
                row.planned,
                tag("span", row.built, class_="bad") if differs else row.built,
                row.note or None,
            ]
            for row in report.audit
            if row.matches is not differs
        ]

    wrong, right = cells(True), cells(False)
    parts: list[str] = []
    if wrong:
        parts += [
            tag("p", f"Not built as planned: {len(wrong)} of {len(report.audit)} layers."),
            table(columns, wrong),
        ]
    else:
        parts.append(tag("p", f"All {len(report.audit)} layers are built as planned."))
    if right:
        parts.append(details(f"{len(right)} as planned", table(columns, right)))
    return section("audit", "Audit", *parts, note=report.audit_target or "")
