"""The fewest layers in float that an accuracy budget needs, each step measured."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.engines.base import Array
from edgert.quant.rewrite.plan import Plan, Step
from edgert.quant.rewrite.rounding import Method, Rounding
from edgert.quant.thresholds.scales import Scales
from edgert.quant.trials.metrics import Metric
from edgert.quant.trials.sensitivity import OnStep, Row
from edgert.quant.trials.trial import Trial

if TYPE_CHECKING:
    from edgert.quant.images.data import CalibrationData

__all__ = ["search"]

_LEAST_GAIN_DB = 0.25


def search(
    model: str | Path,
    scales: Scales,
    data: CalibrationData | Sequence[Array] | str | Path,
    rows: Sequence[Row],
    max_drop: float = 0.005,
    max_keep: float = 0.05,
    *,
    metric: str | Metric = "sqnr",
    min_sqnr: float | None = None,
    plan: Plan | None = None,
    width: int = 4,
    images: int | None = None,
    weights: Method | Rounding = "minmax",
    threads: int | None = None,
    on_step: OnStep | None = None,
    trial: Trial | None = None,
) -> Plan:
    """Keep layers in float until the budget is met, or no more may be kept.

    Each step tries the `width` layers that cost most among those still in INT8, and keeps the one
    that raises the outputs' signal to noise most. The metric decides when it is enough: a task's
    figure on few images moves in jumps that say little of one layer. In the end every kept layer
    that is not needed goes back to INT8.

    Args:
        model: The float model.
        scales: What `solve` found for the plan's tensors.
        data: Images other than those that the scales come from; what `collect` takes.
        rows: What `sensitivity` found.
        max_drop: The budget. Of a callable metric: the float network's value minus the quantized
            one's (0.005 is half a point of AP). Of "sqnr": noise power over signal power
            (0.005 is 23 dB).
        max_keep: Share of the model's layers that may be kept beyond those that the placement
            rules leave in float.
        metric: "sqnr", or a callable (see `metrics.Metric`).
        min_sqnr: Signal to noise of the outputs in dB that is wanted besides, and first: AP on few
            images is within the budget by chance.
        plan: Where to start; None: `Plan.default(model)`.
        width: Layers that each step tries.
        images: At most so many images; None: all.
        weights: How weights are rounded: a method, or a `Rounding` with corrected biases.
        threads: Threads within an operator; None: all cores.
        on_step: Called with the layer kept, the layers kept so far and the most allowed.
        trial: Images and network, where there is one already; model, data, plan are not read then.

    Returns:
        The plan, with the states on the way from nothing kept in `steps`; the last one is the
        plan's. Where the budget cannot be met it is the best one found: `steps[-1].drop` tells.

    Raises:
        ModelError: The model cannot be read or run.
        SourceError: There are no images.
        ValueError: A parameter is out of its range.
    """
    if max_drop < 0 or not 0 <= max_keep <= 1 or width < 1:
        raise ValueError(
            f"max_drop is {max_drop}, max_keep {max_keep}, width {width}; "
            f"expected max_drop >= 0, 0 <= max_keep <= 1, width >= 1"
        )
    if trial is None:
        trial = Trial(model, data, plan, images=images, weights=weights, threads=threads)
    states = _States(trial, scales, metric)
    limit = int(max_keep * len(trial.plan.layers))
    ranked = [row.layer for row in sorted(rows, key=lambda row: row.rank)]
    steps = [states(())]
    wanted = -math.inf if min_sqnr is None else min_sqnr

    def met(step: Step) -> bool:
        return step.drop <= max_drop and step.sqnr >= wanted

    while not met(steps[-1]) and len(steps[-1].kept) < limit:
        kept = steps[-1].kept
        waiting = [name for name in ranked if name not in kept and name not in trial.plan.kept]
        if not waiting:
            break
        steps.append(max((states((*kept, n)) for n in waiting[:width]), key=lambda s: s.sqnr))
        if on_step is not None:
            on_step(steps[-1].kept[-1], len(steps[-1].kept), limit)
    best = steps[-1]
    if not met(best):
        best = min(steps, key=lambda s: (-min(s.sqnr, wanted), s.drop, len(s.kept)))
        # A layer in float costs time: what it hardly changes is not worth one.
        best = next(s for s in steps if s.sqnr >= best.sqnr - _LEAST_GAIN_DB)
    best = _without_the_needless(states, best, met)
    if best is not steps[-1]:
        steps.append(best)
    return replace(_explained(trial.plan, rows, steps), steps=tuple(steps))


class _States:
    """Measures sets of kept layers, each once."""

    def __init__(self, trial: Trial, scales: Scales, metric: str | Metric) -> None:
        self._trial = trial
        self._scales = scales
        self._metric = metric
        self._reference, _ = trial.measure(metric, None)
        self._known: dict[frozenset[str], Step] = {}

    def __call__(self, kept: tuple[str, ...]) -> Step:
        key = frozenset(kept)
        if key not in self._known:
            layers = {layer.name for layer in self._trial.plan.quantized} - key
            score, sqnr = self._trial.measure(self._metric, self._scales, layers)
            drop = 10 ** (-score / 10) if self._metric == "sqnr" else self._reference - score
            self._known[key] = Step(kept, score, drop, sqnr)
        return self._known[key]


def _without_the_needless(states: _States, best: Step, met: Callable[[Step], bool]) -> Step:
    if not met(best):
        return best
    for name in best.kept[:-1]:
        fewer = states(tuple(other for other in best.kept if other != name))
        if met(fewer):
            best = fewer
    return best


def _explained(plan: Plan, rows: Sequence[Row], steps: Sequence[Step]) -> Plan:
    by_name = {row.layer: row for row in rows}
    for name in steps[-1].kept:
        row = by_name[name]
        before, after = next(
            (a, b) for a, b in itertools.pairwise(steps) if name in b.kept and name not in a.kept
        )
        reason = (
            f"rank {row.rank} by sensitivity; in float it raises the outputs' SQNR from "
            f"{before.sqnr:.2f} to {after.sqnr:.2f} dB"
        )
        plan = plan.keep([name], reason)
    return plan
