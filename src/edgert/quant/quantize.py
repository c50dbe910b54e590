"""All of it in one call: from a model and images to a quantized model and its report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from edgert.availability import backends
from edgert.errors import CalibrationWarning, SourceError
from edgert.quant.collect import collect
from edgert.quant.data import CalibrationData
from edgert.quant.graph import Graph
from edgert.quant.outcome import outcome
from edgert.quant.plan import PROFILES, Plan
from edgert.quant.report import Report, make_report
from edgert.quant.scales import Scales
from edgert.quant.search import search
from edgert.quant.sensitivity import Row, sensitivity
from edgert.quant.solve import candidates, choose, solve
from edgert.quant.speed import measure_speed
from edgert.quant.stats import CalibrationStats
from edgert.quant.trial import Trial
from edgert.quant.write import write, write_half

__all__ = ["Groundwork", "OnProgress", "groundwork", "pick_profile", "quantize"]

OnProgress = Callable[[str, int, "int | None"], None]
"""Called with what is being done, how much of it is done, and of how much."""

# Which images decide on thresholds and which on layers is the same in every run.
_SEED = 7
# `Trial` holds its images and what the network makes of them.
_MOST_TRIED = 16
_LEAST_SPLIT = 4


@dataclass(frozen=True)
class Groundwork:
    """What sensitivity and search start from.

    Attributes:
        plan: Of the placement rules.
        stats: Of the images for calibration.
        scales: Solved from these.
        others: Those of the other methods.
        trial: The network on the images held out.
        data: All images, for what was skipped.
        warnings: What is wrong with the images.
    """

    plan: Plan
    stats: CalibrationStats
    scales: Scales
    others: tuple[Scales, ...]
    trial: Trial
    data: CalibrationData
    warnings: tuple[str, ...]


def quantize(
    model: str | Path,
    data: CalibrationData | Any,
    path: str | Path,
    *,
    method: str = "percentile",
    percentile: float = 99.99,
    keep: Literal["auto", "none"] | Sequence[str] = "auto",
    profile: str = "auto",
    max_drop: float = 0.005,
    max_keep: float = 0.05,
    cache: str | Path | None = None,
    audit: bool = False,
    speed: bool = True,
    threads: int | None = None,
    command: str | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Quantize a model, and say what it cost.

    A fifth of the images, at most 16, is held out: layers are chosen, and the result is measured,
    on images that the thresholds have not seen.

    Args:
        model: The float model.
        data: `CalibrationData`, or what it is made of.
        path: The quantized model, .onnx.
        method: See `solve`.
        percentile: For the method of that name.
        keep: "auto": the fewest layers in float that `max_drop` needs, by `search`; "none"; or
            names of layers or regular expressions.
        profile: See `Plan`; "fp16" for a model in FP16 without INT8; "auto": what the runtimes
            that are here run, "tensorrt" where TensorRT is, else "onnxruntime".
        max_drop: Budget of "auto": noise power over signal power of the outputs.
        max_keep: Share of layers that "auto" may keep.
        cache: See `collect`.
        audit: Build the model with TensorRT-RTX and compare.
        speed: Time both models.
        threads: Threads within an operator; None: all cores.
        command: What the report says it was made by.
        on_progress: Is told how far the work is.

    Returns:
        The report; `Report.save` writes it.

    Raises:
        ModelError: The model cannot be read, or the file not be written.
        SourceError: The images cannot be used.
        CalibrationError: The cache does not fit.
        UnavailableError: What `audit` needs is not installed.
        ValueError: A parameter is out of its range.
    """
    profile = pick_profile(profile)
    tell = on_progress or (lambda part, done, total: None)
    if not isinstance(data, CalibrationData):
        data = CalibrationData(model, data)
    if profile == "fp16":
        write_half(model, path)
        items = list(islice(data, _MOST_TRIED))
        report = make_report(model, path, command=command)
        report = replace(report, profile="fp16")
    else:
        base = groundwork(
            model, data, method=method, percentile=percentile, profile=profile, cache=cache,
            threads=threads, on_progress=on_progress,
        )  # fmt: skip
        plan, rows = _decide(base, model, keep, max_drop, max_keep, tell)
        write(model, base.scales, plan, path)
        items = base.trial.items
        report = make_report(
            model, path, plan=plan, rows=rows, stats=base.stats, scales=base.scales,
            others=base.others, warnings=base.warnings, skipped=base.data.skipped,
            audit=_audit(path, tell) if audit else None, command=command,
        )  # fmt: skip
    tell("measuring", 0, 2)
    outputs, accuracy = outcome(model, path, items, threads)
    tell("measuring", 1, 2)
    timed = measure_speed(model, path, items[0].tensor, threads=threads) if speed else None
    tell("measuring", 2, 2)
    return replace(report, outputs=outputs, accuracy=accuracy, speed=timed)


def groundwork(
    model: str | Path,
    data: CalibrationData,
    *,
    method: str,
    percentile: float,
    profile: str,
    cache: str | Path | None,
    threads: int | None,
    on_progress: OnProgress | None,
) -> Groundwork:
    """Split the images, collect, solve. See `quantize`."""
    tell = on_progress or (lambda part, done, total: None)
    graph = Graph.load(model)
    plan = Plan.default(graph, profile)
    calibration, held_out, notes = _split(data)
    total = _length(calibration)
    done = iter(range(1, 1 << 62))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CalibrationWarning)
        stats = collect(
            model,
            calibration,
            tensors=plan.tensors,
            cache=cache,
            threads=threads,
            on_item=lambda _: tell("calibration", next(done), total),
        )
    for warning in caught:
        if issubclass(warning.category, CalibrationWarning):
            notes.append(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    for note in notes:
        warnings.warn(note, CalibrationWarning, stacklevel=3)
    placed: dict[str, Any] = {
        "groups": {*plan.groups.values()},
        "unsigned": plan.unsigned,
        "bounds": plan.bounds,
    }
    every = candidates(stats, **placed)
    trial = Trial(model, held_out, plan, images=_MOST_TRIED, threads=threads)
    if method == "auto":
        tell("choosing a method", 0, len(every))
        scales = choose(every, lambda scales: trial.measure("sqnr", scales)[0])
    else:
        scales = solve(stats, method, percentile=percentile, **placed)
    return Groundwork(plan, stats, scales, tuple(every.values()), trial, data, tuple(notes))


def pick_profile(profile: str) -> str:
    """What "auto" stands for here.

    Raises:
        ValueError: There is no such profile.
    """
    known = ("auto", "fp16", *PROFILES)
    if profile not in known:
        raise ValueError(f"profile is {profile!r}, expected one of {', '.join(known)}")
    if profile != "auto":
        return profile
    here = backends()
    return "tensorrt" if "ok" in (here["tensorrt"], here["tensorrt-rtx"]) else "onnxruntime"


def _decide(
    base: Groundwork,
    model: str | Path,
    keep: str | Sequence[str],
    max_drop: float,
    max_keep: float,
    tell: OnProgress,
) -> tuple[Plan, list[Row]]:
    plan = base.plan
    if keep == "none":
        return plan, []
    if keep != "auto":
        for name in [keep] if isinstance(keep, str) else keep:
            plan = plan.keep(name)
        return plan, []
    rows = sensitivity(
        model, base.scales, base.data, trial=base.trial,
        on_step=lambda _, done, total: tell("sensitivity", done, total),
    )  # fmt: skip
    plan = search(
        model, base.scales, base.data, rows, max_drop, max_keep, trial=base.trial,
        on_step=lambda _, done, total: tell("search", done, total),
    )  # fmt: skip
    return plan, rows


def _split(data: CalibrationData) -> tuple[CalibrationData, CalibrationData, list[str]]:
    count = len(data.pictures)
    if count < _LEAST_SPLIT:
        note = (
            f"{count} images: too few to hold some out, so what is measured is measured on images "
            f"that the thresholds are from; give at least {_LEAST_SPLIT}"
        )
        return data, data, [note]
    held_out = min(max(count // 5, 1), _MOST_TRIED)
    try:
        return *data.split(1 - held_out / count, _SEED), []
    except SourceError as error:
        return data, data, [f"{error}; measured on the images of calibration"]


def _length(data: CalibrationData) -> int | None:
    try:
        return len(data)
    except TypeError:
        return None


def _audit(path: str | Path, tell: OnProgress) -> Any:
    from edgert.quant.audit import audit

    tell("audit", 0, 1)
    found = audit(path)
    tell("audit", 1, 1)
    return found
