"""Which layers suffer from INT8: one layer at a time, measured at the network's outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgert.engines.base import Array
from edgert.quant.rewrite.plan import Plan
from edgert.quant.rewrite.rounding import Method, Rounding
from edgert.quant.thresholds.scales import Scales
from edgert.quant.trials.metrics import Metric
from edgert.quant.trials.trial import Trial

if TYPE_CHECKING:
    from edgert.quant.images.data import CalibrationData

__all__ = ["OnStep", "Row", "rows_to_json", "sensitivity"]

OnStep = Callable[[str, int, int], None]
Mode = Literal["one-in", "one-out"]


@dataclass(frozen=True, slots=True)
class Row:
    """What one layer costs.

    Attributes:
        layer: The node's name.
        op: Its operator.
        score: The metric with this layer alone in INT8, or alone in float.
        loss: How much lower that is than the float network's (one-in), or how much the metric
            gains when the layer is in float (one-out). In dB only one-out has such a difference;
            one-in's loss is then the noise, minus the SQNR. More is worse in every case.
        sqnr: Signal to noise of the outputs in the same state, in dB.
        images: How many images it was measured on.
        rank: 1 is the layer that costs most.
        action: "int8", or "float" where the plan keeps the layer.
        mode: "one-in" or "one-out".
    """

    layer: str
    op: str
    score: float
    loss: float
    sqnr: float
    images: int
    rank: int
    action: str
    mode: str


def sensitivity(
    model: str | Path,
    scales: Scales,
    data: CalibrationData | Sequence[Array] | str | Path,
    metric: str | Metric = "sqnr",
    *,
    mode: Mode = "one-in",
    plan: Plan | None = None,
    screen: int = 2,
    refine: int = 8,
    top: int | None = 16,
    weights: Method | Rounding = "minmax",
    threads: int | None = None,
    on_step: OnStep | None = None,
    trial: Trial | None = None,
) -> list[Row]:
    """Rank the layers of a network by what their INT8 form costs.

    All layers are screened on a few images, then the worst are measured again on more. Noise of
    several layers does not add up, so a choice of layers wants to be measured as a whole: `search`.

    Args:
        model: The float model.
        scales: What `solve` found for the plan's tensors.
        data: Images other than those that the scales come from; what `collect` takes.
        metric: "sqnr", or a callable (see `metrics.Metric`), e.g. AP on annotated images.
        mode: "one-in": this layer in INT8 and every other in float, as sensitivity is usually
            defined; "one-out": every layer in INT8 but this one.
        plan: The layers; None: `Plan.default(model)`.
        screen: Images for the first round.
        refine: Images for the second round.
        top: How many layers the second round measures; None: all of them, in one round.
        weights: How weights are rounded: a method, or a `Rounding` with corrected biases.
        threads: Threads within an operator; None: all cores.
        on_step: Called with the layer, the layers done and the layers in all.
        trial: Images and network, where there is one already; model, data, plan are not read then.

    Returns:
        A row for each layer that can be quantized, the one that costs most first.

    Raises:
        ModelError: The model cannot be read or run.
        SourceError: There are no images.
        ValueError: A parameter is out of its range.
    """
    if mode not in ("one-in", "one-out"):
        raise ValueError(f"mode is {mode!r}, expected 'one-in' or 'one-out'")
    if not 1 <= screen <= refine:
        raise ValueError(f"screen is {screen} and refine {refine}, expected 1 <= screen <= refine")
    if trial is None:
        trial = Trial(model, data, plan, images=refine, weights=weights, threads=threads)
    names = [layer.name for layer in trial.plan.candidates]
    first = refine if top is None else screen
    again = 0 if top is None else min(top, len(names))
    total = len(names) + again
    measured = _Measurement(trial, scales, metric, mode)
    found: dict[str, _Found] = {}
    for name in names:
        found[name] = measured(name, first)
        if on_step is not None:
            on_step(name, len(found), total)
    order = sorted(names, key=lambda name: found[name].loss, reverse=True)
    for number, name in enumerate(order[:again], start=1):
        found[name] = measured(name, refine)
        if on_step is not None:
            on_step(name, len(names) + number, total)
    worst = sorted(order[:again], key=lambda name: found[name].loss, reverse=True)
    ops = {layer.name: layer.op for layer in trial.plan.candidates}
    return [
        Row(
            layer=name,
            op=ops[name],
            score=found[name].score,
            loss=found[name].loss,
            sqnr=found[name].sqnr,
            images=found[name].images,
            rank=rank,
            action="float" if name in trial.plan.kept else "int8",
            mode=mode,
        )
        for rank, name in enumerate([*worst, *order[again:]], start=1)
    ]


@dataclass(frozen=True, slots=True)
class _Found:
    score: float
    loss: float
    sqnr: float
    images: int


class _Measurement:
    """One layer against the state that it is compared with, which is measured once."""

    def __init__(self, trial: Trial, scales: Scales, metric: str | Metric, mode: str) -> None:
        self._trial = trial
        self._scales = scales
        self._metric = metric
        self._one_in = mode == "one-in"
        self._base: dict[int, float] = {}

    def __call__(self, name: str, images: int) -> _Found:
        quantized = {layer.name for layer in self._trial.plan.quantized}
        layers = {name} if self._one_in else quantized - {name}
        score, sqnr = self._trial.measure(self._metric, self._scales, layers, images)
        if self._one_in and self._metric == "sqnr":
            loss = -score
        elif images in self._base:
            loss = self._base[images] - score
        else:
            against = None if self._one_in else self._scales
            base, _ = self._trial.measure(self._metric, against, None, images)
            self._base[images] = base
            loss = base - score
        return _Found(
            score, loss if self._one_in else -loss, sqnr, min(images, len(self._trial.items))
        )


def rows_to_json(rows: Sequence[Row]) -> str:
    """The rows as a JSON list of objects with the attributes of `Row`."""
    content: list[dict[str, Any]] = [asdict(row) for row in rows]
    return json.dumps(content, indent=1) + "\n"
