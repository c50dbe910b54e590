"""From the objects of a run to a report."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgert.page.machine import versions
from edgert.quant.report.content import (
    Accuracy,
    AuditRow,
    Calibration,
    Histogram,
    LayerRow,
    ModelFile,
    Report,
    SearchStep,
    Speed,
)
from edgert.quant.report.histograms import make_histogram

if TYPE_CHECKING:
    from edgert.evaluation import Report as Evaluation
    from edgert.quant.rewrite.plan import Plan
    from edgert.quant.thresholds.scales import Scales
    from edgert.quant.trials.sensitivity import Row

__all__ = ["accuracy_rows", "make_report"]


def make_report(
    model: str | Path,
    written: str | Path | None = None,
    *,
    plan: Plan | None = None,
    rows: Sequence[Row] = (),
    metric: str | None = "sqnr",
    stats: Any = None,
    scales: Scales | None = None,
    others: Sequence[Scales] = (),
    accuracy: Sequence[Accuracy] = (),
    outputs: Mapping[str, float] | None = None,
    speed: Speed | None = None,
    warnings: Sequence[str] = (),
    skipped: Sequence[str] = (),
    audit: Any = None,
    command: str | None = None,
    search_metric: str | None = "sqnr",
    budget: float | None = None,
    preparation: Mapping[str, int] | None = None,
) -> Report:
    """Gather what a quantization has made. What is not given is not in the report.

    Args:
        model: The float model.
        written: The quantized one.
        plan: The layers, the reasons, the search's steps.
        rows: What `sensitivity` found.
        metric: Of the rows: "sqnr", or the name of another.
        stats: `CalibrationStats`.
        scales: Those in use.
        others: Those of other methods, for comparison.
        accuracy: Figures before and after.
        outputs: SQNR of the outputs in dB, by name.
        speed: Of both models.
        warnings: About the images.
        skipped: Images that could not be read.
        audit: What `audit` found.
        command: The command line.
        search_metric: Of the search's steps: "sqnr", or the name of another.
        budget: Of the search.
        preparation: `tuned`, `measured`, `equalized`, `corrected` of `Calibration`.
    """
    return Report(
        model=_file(model),
        written=None if written is None else _file(written),
        profile=None if plan is None else plan.profile,
        command=command,
        accuracy=tuple(accuracy),
        outputs=dict(outputs or {}),
        layers=_layers(plan, rows),
        mode=rows[0].mode if rows else None,
        metric=metric if rows else None,
        search=_steps(plan),
        search_metric=search_metric if plan is not None and plan.steps else None,
        budget=budget if plan is not None and plan.steps else None,
        histograms=_histograms(plan, stats, scales, others),
        speed=speed,
        calibration=_calibration(stats, scales, warnings, skipped, preparation or {}),
        audit=tuple(
            AuditRow(row.name, row.op, row.planned, row.built, row.matches, row.note)
            for row in audit or ()
        ),
        audit_target=None if audit is None else _target(audit),
        versions=versions(audited=audit is not None),
    )


def accuracy_rows(before: Evaluation, after: Evaluation) -> list[Accuracy]:
    """The figures of two evaluations on the same annotated images."""
    found = []
    tasks = (
        ("box", before.boxes, after.boxes),
        ("person box", before.person, after.person),
        ("keypoint", before.keypoints, after.keypoints),
    )
    for name, old, new in tasks:
        if old is None or new is None:
            continue
        for figure in ("ap", "ap50", "ap75", "ar"):
            title = f"{name} {figure.upper()}"
            values = getattr(old, figure), getattr(new, figure)
            found.append(Accuracy(title, *values, "annotations", after.images))
    return found


def _target(audit: Any) -> str:
    return f"{audit.builder}, built for compute capability {audit.compute_capability}"


def _file(path: str | Path) -> ModelFile:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return ModelFile(str(path), Path(path).stat().st_size, digest.hexdigest())


def _layers(plan: Plan | None, rows: Sequence[Row]) -> tuple[LayerRow, ...]:
    """All layers of the plan, or where there is none those measured; the ranked ones first."""
    measured = {row.layer: row for row in rows}
    if plan is None:
        found = [_layer(row.layer, row.op, row, row.action == "float", "") for row in rows]
    else:
        found = [
            _layer(
                layer.name,
                layer.op,
                measured.get(layer.name),
                layer.name in plan.kept,
                layer.reason or plan.kept.get(layer.name, ""),
            )
            for layer in plan.layers
        ]
    return tuple(sorted(found, key=lambda row: math.inf if row.rank is None else row.rank))


def _layer(name: str, op: str, row: Row | None, kept: bool, reason: str) -> LayerRow:
    action = "float" if kept or reason else "int8"
    found = LayerRow(name, op, action=action, reason=reason, kept=kept)
    if row is None:
        return found
    return replace(
        found, rank=row.rank, score=row.score, loss=row.loss, sqnr=row.sqnr, images=row.images
    )


def _steps(plan: Plan | None) -> tuple[SearchStep, ...]:
    steps = () if plan is None else plan.steps
    return tuple(SearchStep(tuple(s.kept), s.score, s.drop, s.sqnr) for s in steps)


def _histograms(
    plan: Plan | None, stats: Any, scales: Scales | None, others: Sequence[Scales]
) -> tuple[Histogram, ...]:
    if stats is None:
        return ()
    unsigned: Iterable[str] = () if plan is None else plan.unsigned
    found = []
    for name, tensor in stats.tensors.items():
        levels = 255 if name in unsigned else 127
        by_method: dict[str, tuple[str, float, int, bool]] = {}
        for chosen, each in ((True, scales), *((False, other) for other in others)):
            if each is not None and name in each.thresholds:
                method = each.methods[name]
                by_method.setdefault(method, (method, each.thresholds[name], levels, chosen))
        found.append(make_histogram(name, tensor, by_method.values()))
    return tuple(sorted(found, key=lambda h: math.inf if h.sqnr is None else h.sqnr))


def _calibration(
    stats: Any,
    scales: Scales | None,
    warnings: Sequence[str],
    skipped: Sequence[str],
    preparation: Mapping[str, int],
) -> Calibration | None:
    if stats is None:
        return None
    return Calibration(
        images=stats.images,
        items=len(stats.items),
        preprocessing=stats.preprocessing,
        data_digest=stats.data_digest,
        model_digest=stats.model_digest,
        method="" if scales is None else scales.method,
        warnings=tuple(warnings),
        skipped=tuple(skipped),
        **preparation,
    )
