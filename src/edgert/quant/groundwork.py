"""What sensitivity and search start from: images dealt out, ranges found, scales solved."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgert.errors import CalibrationError, CalibrationWarning
from edgert.quant.images.data import CalibrationData
from edgert.quant.images.parts import Parts, split, whole_images
from edgert.quant.model.graph import Graph
from edgert.quant.rewrite.equalize import chains, equalize
from edgert.quant.rewrite.plan import Plan
from edgert.quant.rewrite.rounding import Rounding
from edgert.quant.statistics.collect import collect
from edgert.quant.statistics.stats import CalibrationStats
from edgert.quant.thresholds.scales import Scales
from edgert.quant.thresholds.solve import candidates, choose, solve
from edgert.quant.trials.task import Task, make_task
from edgert.quant.trials.trial import Trial

__all__ = ["Groundwork", "OnProgress", "Settings", "groundwork"]

OnProgress = Callable[[str, int, "int | None"], None]
"""Called with what is being done, how much of it is done, and of how much."""

# `Trial` holds its items and what the network makes of them.
_MOST_TRIED = 128


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the groundwork is laid; see `quantize` for each."""

    method: str = "percentile"
    percentile: float = 99.99
    annotations: str | Path | None = None
    equalize: bool = True
    correct_biases: bool = True
    cache: str | Path | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Groundwork:
    """What sensitivity and search start from.

    Attributes:
        model: The file that is quantized: the model, or what equalization has made of it.
        plan: Of the placement rules.
        stats: Of the images for calibration.
        scales: Solved from these.
        others: Those of the other methods.
        weights: How weights are rounded.
        trial: The network on the images for tuning.
        parts: The images.
        task: The figure against annotations, where there are any.
        warnings: What is wrong with the images.
        equalized: How many tensors were.
    """

    model: Path
    plan: Plan
    stats: CalibrationStats
    scales: Scales
    others: tuple[Scales, ...]
    weights: Rounding
    trial: Trial
    parts: Parts
    task: Task | None
    warnings: tuple[str, ...]
    equalized: int


def groundwork(
    model: str | Path,
    data: CalibrationData,
    profile: str,
    settings: Settings,
    folder: str | Path,
    tell: OnProgress,
) -> Groundwork:
    """Deal the images out, equalize, correct biases, collect, solve.

    Args:
        model: The float model.
        data: All images.
        profile: See `Plan`.
        settings: See `Settings`.
        folder: For the equalized model, where there is no cache for it to lie beside; it has to
            last until the quantized model is written.
        tell: Is told how far the work is.
    """
    task = None if settings.annotations is None else make_task(model, settings.annotations)
    if task is not None:
        task.require(data)
    threads = settings.threads
    Plan.default(model, profile)  # what cannot be quantized is refused before any work
    parts = split(data, by_accuracy=task is not None)
    source, equalized = Path(model), 0
    if settings.equalize:
        source, equalized = _equalized(source, parts.calibrate, settings, Path(folder), tell)
    graph = Graph.load(source)
    plan = Plan.default(graph, profile)
    weights = Rounding()
    if settings.correct_biases:
        tell("correcting biases", 0, 1)
        weights = Rounding.fit(graph, parts.calibrate, plan, threads=threads)
        tell("correcting biases", 1, 1)
    stats, notes = _collected(source, plan, parts, settings, tell)
    placed: dict[str, Any] = {
        "groups": {*plan.groups.values()},
        "unsigned": plan.unsigned_sources,
        "bounds": plan.bounds,
    }
    every = candidates(stats, **placed)
    items = whole_images(parts.tune, _MOST_TRIED)
    trial = Trial(graph, items, plan, weights=weights, threads=threads)
    if settings.method == "auto":
        tell("choosing a method", 0, 1)
        scales = choose(every, lambda scales: trial.measure("sqnr", scales)[0])
        tell("choosing a method", 1, 1)
    else:
        scales = solve(stats, settings.method, percentile=settings.percentile, **placed)
    others = tuple(every.values())
    return Groundwork(
        source, plan, stats, scales, others, weights, trial, parts, task, notes, equalized
    )


def _equalized(
    model: Path, data: CalibrationData, settings: Settings, folder: Path, tell: OnProgress
) -> tuple[Path, int]:
    """The equalized model and in how many tensors it differs; the model itself with 0.

    Beside a cache it stays, and is what the cache is of: ranges that more images or another
    processor would have given compute the same, but their model would not be the cache's.
    """
    graph = Graph.load(model)
    count = len(chains(graph))
    if not count:
        return model, 0
    made = path = folder / "equalized.onnx"
    if settings.cache is not None:
        cache = Path(settings.cache)
        path = cache.with_name(f"{cache.name}.{graph.digest[:16]}.equalized.onnx")
        if path.exists():
            return path, count
    tell("equalizing", 0, 1)
    equalize(model, data, made, threads=settings.threads)
    if settings.cache is not None:
        if Path(settings.cache).exists():
            _require_the_model_of(settings.cache, made, path)
        shutil.copyfile(made, path)
    tell("equalizing", 1, 1)
    return path, count


def _require_the_model_of(cache: str | Path, made: Path, lost: Path) -> None:
    try:
        CalibrationStats.load(cache).require(cache, model_digest=Graph.load(made).digest)
    except CalibrationError as error:
        raise CalibrationError(
            f"{error}. Or, if this is the model: what it was collected of is {lost.name}, which "
            f"lay beside it and is missing. Put it back; another processor or other images make it "
            f"differ in the last bits"
        ) from error


def _collected(
    model: Path, plan: Plan, parts: Parts, settings: Settings, tell: OnProgress
) -> tuple[CalibrationStats, tuple[str, ...]]:
    """The statistics, and what is to be said of the images."""
    try:
        total = len(parts.calibrate)
    except TypeError:
        total = None
    done = iter(range(1, 1 << 62))
    notes = list(parts.notes)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CalibrationWarning)
        stats = collect(
            model,
            parts.calibrate,
            tensors=plan.tensors,
            cache=settings.cache,
            threads=settings.threads,
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
        warnings.warn(note, CalibrationWarning, stacklevel=4)
    return stats, tuple(notes)
