"""The page of a report, part by part. What a report does not have is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgert.page.markup import (
    Column,
    Markup,
    details,
    facts,
    join,
    page,
    section,
    table,
    tag,
    tiles,
)
from edgert.quant.report.content import Report
from edgert.quant.report.figures import bytes_text, decibels, ratio
from edgert.quant.report.layers import audited, kept_layers, layer_table, searched
from edgert.quant.report.tensors import tensor_histograms

__all__ = ["report_page"]

# So many kinds of operators are shown at once.
_OPERATORS = 10

_Part = Callable[[Report], Markup]


def report_page(report: Report) -> str:
    """A report as one HTML page that needs nothing but itself."""
    parts: list[tuple[str, str, _Part, bool]] = [
        ("accuracy", "Accuracy", _accuracy, bool(report.accuracy or report.outputs)),
        ("speed", "Speed", _speed, report.speed is not None),
        ("kept", "Kept in float", kept_layers, bool(report.layers)),
        ("search", "Search", searched, len(report.search) > 1),
        ("layers", "Layers", layer_table, bool(report.layers)),
        ("tensors", "Tensors", tensor_histograms, bool(report.histograms)),
        ("calibration", "Calibration", _calibration, report.calibration is not None),
        ("audit", "Audit", audited, bool(report.audit)),
        ("made", "How it was made", _made, True),
    ]
    made = [(anchor, title, make(report)) for anchor, title, make, there in parts if there]
    anchor, title, first = made[0]
    made[0] = anchor, title, Markup(_tiles(report) + first)
    version = report.versions.get("edgert")
    return page(_title(report), _lead(report), made, f"edgert {version}" if version else "edgert")


def _title(report: Report) -> str:
    file = report.written or report.model
    return f"Quantization of {Path(file.path).name}" if file else "Quantization"


def _lead(report: Report) -> str:
    parts = []
    if report.model and report.written:
        parts.append(f"from {report.model.path}")
    if report.profile:
        parts.append(f"profile {report.profile}")
    if report.calibration:
        parts.append(f"calibrated on {report.calibration.images} images")
    return ", ".join(parts)


def _tiles(report: Report) -> Markup:
    made: list[tuple[str, str, str]] = []
    for row in report.accuracy[:1]:
        change = row.change
        if change is not None:
            made.append((row.name, f"{change:+.4f}", f"{row.before:.4f} → {row.after:.4f}"))
        elif row.after is not None:
            made.append((row.name, f"{row.after:.4f}", f"against the {row.against}"))
    if report.outputs:
        name, least = min(report.outputs.items(), key=lambda item: item[1])
        made.append(("Lowest output SQNR", f"{decibels(least)} dB", name))
    if report.layers:
        quantized = sum(row.action == "int8" for row in report.layers)
        remark = f"{len(report.kept)} kept in float by choice"
        made.append(("Layers in INT8", f"{quantized} of {len(report.layers)}", remark))
    if report.speed:
        speed = report.speed
        remark = f"{speed.before_ms:.2f} ms → {speed.after_ms:.2f} ms, {speed.device}"
        made.append(("Speed", ratio(speed.before_ms, speed.after_ms) or "–", remark))
    if report.model and report.written:
        before, after = report.model.size_bytes, report.written.size_bytes
        remark = f"{bytes_text(before)} → {bytes_text(after)}"
        made.append(("Size, times smaller", ratio(before, after) or "–", remark))
    if report.audit:
        matching = sum(row.matches for row in report.audit)
        made.append(("Built as planned", f"{matching} of {len(report.audit)}", "layers"))
    return tiles(made) if made else Markup("")


def _accuracy(report: Report) -> Markup:
    parts: list[str] = []
    if report.accuracy:
        columns = (
            Column("figure"),
            Column("float", "number"),
            Column("quantized", "number"),
            Column("change", "number"),
            Column("against"),
            Column("images", "number"),
        )
        rows = [
            (
                row.name,
                None if row.before is None else f"{row.before:.4f}",
                None if row.after is None else f"{row.after:.4f}",
                None if row.change is None else f"{row.change:+.4f}",
                row.against,
                None if row.images is None else f"{row.images:,}",
            )
            for row in report.accuracy
        ]
        parts.append(table(columns, rows))
        if any(row.against != "annotations" for row in report.accuracy):
            parts.append(
                tag(
                    "p",
                    "Agreement takes the float model's results for the truth: it says how much "
                    "quantization changes, not how good the model is.",
                    class_="note",
                )
            )
    if report.outputs:
        names = (Column("output", "code"), Column("SQNR, dB", "number"))
        worst = sorted(report.outputs.items(), key=lambda item: item[1])
        parts.append(table(names, [(name, decibels(value)) for name, value in worst]))
    return section(
        "accuracy",
        "Accuracy",
        *parts,
        note="SQNR is the power of the float model's output over the power of the difference.",
    )


def _speed(report: Report) -> Markup:
    speed = report.speed
    assert speed is not None
    parts: list[str] = [
        facts(
            [
                ("float", f"{speed.before_ms:.2f} ms"),
                ("quantized", f"{speed.after_ms:.2f} ms"),
                ("ratio", ratio(speed.before_ms, speed.after_ms)),
                ("runtime", f"{speed.runtime} on {speed.device}"),
                ("threads", "all cores" if speed.threads is None else str(speed.threads)),
                ("runs", f"{speed.runs} of each model in turns; medians"),
            ]
        )
    ]
    if speed.operators:
        columns = (
            Column("operator"),
            Column("float, ms", "number"),
            Column("quantized, ms", "number"),
            Column("difference, ms", "number"),
        )
        rows = [
            (
                row.op,
                None if row.before_ms is None else f"{row.before_ms:.2f}",
                None if row.after_ms is None else f"{row.after_ms:.2f}",
                f"{(row.after_ms or 0.0) - (row.before_ms or 0.0):+.2f}",
            )
            for row in speed.operators
        ]
        note = "Per run, by the runtime's profiler, which itself takes time."
        parts += [tag("h3", "Where the time goes"), table(columns, rows[:_OPERATORS], note)]
        if len(rows) > _OPERATORS:
            rest = table(columns, rows[_OPERATORS:])
            parts.append(details(f"{len(rows) - _OPERATORS} more that take less", rest))
    return section("speed", "Speed", *parts)


def _calibration(report: Report) -> Markup:
    found = report.calibration
    assert found is not None
    parts: list[str] = [
        facts(
            [
                ("images", f"{found.images:,}"),
                ("network inputs", f"{found.items:,}"),
                ("images for tuning", _count(found.tuned)),
                ("images for measuring", _count(found.measured)),
                ("equalized", f"{found.equalized} tensors" if found.equalized else None),
                ("biases corrected", f"{found.corrected} layers" if found.corrected else None),
                ("thresholds", found.method or None),
                ("preprocessing", found.preprocessing or None),
                ("data digest", tag("code", found.data_digest)),
                ("model digest", tag("code", found.model_digest)),
            ]
        )
    ]
    if found.warnings:
        parts += [tag("h3", "Warnings"), _items(found.warnings)]
    if found.skipped:
        summary = f"Images that could not be read: {len(found.skipped)}"
        parts.append(details(summary, _items(found.skipped)))
    return section("calibration", "Calibration", *parts)


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


def _made(report: Report) -> Markup:
    parts: list[str] = []
    if report.command:
        parts.append(tag("div", tag("code", report.command), class_="scroll"))
    for title, file in (("Float model", report.model), ("Quantized model", report.written)):
        if file is not None:
            parts += [
                tag("h3", title),
                facts(
                    [
                        ("file", file.path),
                        ("size", f"{bytes_text(file.size_bytes)} ({file.size_bytes:,} bytes)"),
                        ("SHA-256", tag("code", file.digest)),
                    ]
                ),
            ]
    if report.versions:
        parts += [tag("h3", "Versions"), facts(report.versions.items())]
    return section("made", "How it was made", *parts)


def _items(texts: tuple[str, ...]) -> Markup:
    return tag("ul", join(tag("li", text) for text in texts))
