"""All of it in one call: from a model and images to a quantized model and its report."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from edgert.availability import choose
from edgert.engine import Engine
from edgert.models import PoseModel
from edgert.quant.groundwork import Groundwork, OnProgress, Settings, groundwork
from edgert.quant.images.data import CalibrationData
from edgert.quant.outcome import outcome
from edgert.quant.report import Report, make_report
from edgert.quant.rewrite.plan import PROFILES, Plan
from edgert.quant.rewrite.write import write, write_half
from edgert.quant.speed import measure_speed
from edgert.quant.trials.reading import understand
from edgert.quant.trials.search import search
from edgert.quant.trials.sensitivity import Row, sensitivity
from edgert.quant.trials.task import make_task

__all__ = ["open_data", "pick_profile", "quantize"]

# AP of some 16 images is within half a point by chance: seen with YOLOv8n at 20.9 dB, which lost 3
# points on others. So the noise has to be as low as where there are no annotations, too.
_QUIET_DB = 23.0
# What FP16 is measured on: it needs no images otherwise.
_MEASURED = 64


def quantize(
    model: str | Path,
    data: CalibrationData | Any,
    path: str | Path,
    *,
    annotations: str | Path | None = None,
    detector: str | Path | None = None,
    method: str = "percentile",
    percentile: float = 99.99,
    keep: Literal["auto", "none"] | Sequence[str] = "auto",
    profile: str = "auto",
    max_drop: float = 0.005,
    max_keep: float = 0.05,
    equalize: bool = True,
    correct_biases: bool = True,
    cache: str | Path | None = None,
    audit: bool = False,
    speed: bool = True,
    threads: int | None = None,
    command: str | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Quantize a model, and say what it cost.

    The images are dealt out in three parts: a fifth to tune on, 16 at most (with annotations 32), a
    fifth to measure the result on, 64 at most, and the rest to calibrate on.

    Args:
        model: The float model.
        data: `CalibrationData`, or what it is made of.
        path: The quantized model, .onnx.
        annotations: COCO annotations of the images: the budget is AP then, and the report has AP
            before and after. For a pose network they have the people's boxes too.
        detector: What finds the people for a pose network, where `data` is not `CalibrationData`.
        method: See `solve`.
        percentile: For the method of that name.
        keep: "auto": the fewest layers in float that `max_drop` needs, by `search`; "none"; or
            names of layers or regular expressions. For FP16 see `write_half`; "auto" keeps none.
        profile: See `Plan`; "fp16" for a model in FP16 without INT8; "auto": what the runtimes
            that are here run, "tensorrt" where TensorRT is, else "onnxruntime".
        max_drop: Budget of "auto": with annotations what AP may lose (0.005 is half a point), the
            outputs having 23 dB besides; else the noise power over the signal power of the
            outputs (0.005 is 23 dB).
        max_keep: Share of layers that "auto" may keep.
        equalize: Bring channels to like ranges where that changes nothing in float: see `equalize`.
        correct_biases: Make up for the mean error of rounded weights: see `Rounding`.
        cache: See `collect`; the equalized model lies beside it.
        audit: Build the model with TensorRT-RTX and compare.
        speed: Time both models.
        threads: Threads within an operator; None: all cores.
        command: What the report says it was made by.
        on_progress: Is told how far the work is.

    Returns:
        The report; `Report.save` writes it.

    Raises:
        ModelError: The model cannot be read, is quantized already, or the file not be written.
        SourceError: The images cannot be used, or are not those that are annotated.
        CalibrationError: The cache does not fit.
        UnavailableError: What `audit` needs is not installed.
        ValueError: A parameter is out of its range.
    """
    profile = pick_profile(profile)
    tell = on_progress or (lambda part, done, total: None)
    if not isinstance(data, CalibrationData):
        data = open_data(model, data, detector=detector, annotations=annotations)
    if profile == "fp16":
        return _half(model, data, path, keep, annotations, speed, threads, command, tell)
    settings = Settings(
        method=method, percentile=percentile, annotations=annotations, equalize=equalize,
        correct_biases=correct_biases, cache=cache, threads=threads,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="edgert-") as folder:
        base = groundwork(model, data, profile, settings, folder, tell)
        plan, rows = _decide(base, keep, max_drop, max_keep, tell)
        write(base.model, base.scales, plan, path, weights=base.weights)
    audited = _audit(path, tell) if audit else None
    tell("measuring", 0, 2)
    outputs, accuracy = outcome(model, path, base.parts.measure, task=base.task, threads=threads)
    tell("measuring", 1, 2)
    measured = accuracy[-1].images or 0
    report = make_report(
        model, path, plan=plan, rows=rows, stats=base.stats, scales=base.scales,
        others=base.others, warnings=base.warnings, skipped=base.parts.skipped, audit=audited,
        command=command, outputs=outputs, accuracy=accuracy,
        search_metric=_metric_name(base), budget=max_drop, preparation=_preparation(base, measured),
    )  # fmt: skip
    feed = next(iter(base.parts.measure)).tensor
    timed = measure_speed(model, path, feed, threads=threads) if speed else None
    tell("measuring", 2, 2)
    return replace(report, speed=timed)


def open_data(
    model: str | Path,
    source: Any,
    *,
    detector: str | Path | None = None,
    annotations: str | Path | None = None,
    **options: Any,
) -> CalibrationData:
    """The images for a network, whichever kind it is.

    Args:
        model: A detector, whose annotations are no matter here, or a pose network.
        source: See `CalibrationData`.
        detector: Likewise.
        annotations: Likewise.
        options: Likewise.
    """
    is_pose = isinstance(understand(Engine(model, device="cpu")), PoseModel)
    boxes = annotations if is_pose else None
    return CalibrationData(model, source, detector=detector, annotations=boxes, **options)


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
    return "tensorrt" if choose().runtime != "onnxruntime" else "onnxruntime"


def _half(
    model: str | Path,
    data: CalibrationData,
    path: str | Path,
    keep: str | Sequence[str],
    annotations: str | Path | None,
    speed: bool,
    threads: int | None,
    command: str | None,
    tell: OnProgress,
) -> Report:
    task = None if annotations is None else make_task(model, annotations)
    if task is not None:
        task.require(data)
    write_half(model, path, keep=() if keep in ("auto", "none") else _names(keep))
    tell("measuring", 0, 2)
    outputs, accuracy = outcome(model, path, islice(data, _MEASURED), task=task, threads=threads)
    tell("measuring", 1, 2)
    feed = next(iter(data)).tensor
    timed = measure_speed(model, path, feed, threads=threads) if speed else None
    tell("measuring", 2, 2)
    report = make_report(model, path, command=command, outputs=outputs, accuracy=accuracy)
    return replace(report, profile="fp16", speed=timed)


def _decide(
    base: Groundwork,
    keep: str | Sequence[str],
    max_drop: float,
    max_keep: float,
    tell: OnProgress,
) -> tuple[Plan, list[Row]]:
    plan = base.plan
    if keep == "none":
        return plan, []
    if keep != "auto":
        for name in _names(keep):
            plan = plan.keep(name)
        return plan, []
    # AP of a few images with one layer in INT8 is that of the float network, or jumps: noise ranks.
    rows = sensitivity(
        base.model, base.scales, base.parts.tune, trial=base.trial,
        on_step=lambda _, done, total: tell("sensitivity", done, total),
    )  # fmt: skip
    plan = search(
        base.model, base.scales, base.parts.tune, rows, max_drop, max_keep, trial=base.trial,
        metric="sqnr" if base.task is None else base.task,
        min_sqnr=None if base.task is None else _QUIET_DB,
        on_step=lambda _, done, total: tell("search", done, total),
    )  # fmt: skip
    return plan, rows


def _names(keep: str | Sequence[str]) -> Sequence[str]:
    return [keep] if isinstance(keep, str) else keep


def _metric_name(base: Groundwork) -> str:
    return "sqnr" if base.task is None else base.task.name


def _preparation(base: Groundwork, measured: int) -> dict[str, int]:
    """What the report says of the images' parts and of the network before its scales."""
    return {
        "tuned": len({item.source for item in base.trial.items}),
        "measured": measured,
        "equalized": base.equalized,
        "corrected": len(base.weights.shifts),
    }


def _audit(path: str | Path, tell: OnProgress) -> Any:
    from edgert.quant.builds.audit import audit

    tell("audit", 0, 1)
    found = audit(path)
    tell("audit", 1, 1)
    return found
