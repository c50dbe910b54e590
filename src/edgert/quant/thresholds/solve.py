"""From histograms of activations to their scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from edgert.quant.thresholds.method import METHODS, Method
from edgert.quant.thresholds.problem import Overrides, Problem, Statistics
from edgert.quant.thresholds.scales import Scales

__all__ = ["candidates", "choose", "solve"]

_CANDIDATES = (
    Method("minmax"),
    Method("entropy"),
    Method("percentile", 99.9),
    Method("percentile", 99.99),
    Method("percentile", 99.999),
    Method("mse"),
)


def solve(
    stats: Statistics,
    method: str = "percentile",
    *,
    percentile: float = 99.99,
    overrides: Overrides | None = None,
    groups: Iterable[Sequence[str]] = (),
    unsigned: Collection[str] = (),
    bounds: Mapping[str, float] | None = None,
    evaluate: Callable[[Scales], float] | None = None,
) -> Scales:
    """Find the threshold of every tensor: the |x| that the last level of 8 bits stands for.

    All methods work on the log histogram and the exact maximum, and none exceeds that maximum:

    - "minmax": the largest magnitude. Nothing is clipped.
    - "percentile": the magnitude below which so many percent of all values lie, interpolated inside
      its bin (at most 0.8 % wide). Zeros count, as they do in ONNX Runtime, modelopt and
      pytorch-quantization, so that 99.99 means the same. But a tensor made of them would lose all
      else: of the nonzero values at most 1 % are clipped, or the share asked for if it is more.
    - "entropy": the smallest Kullback-Leibler divergence between the clipped distribution and its
      quantized version, after S. Migacz, "8-bit inference with TensorRT" (GTC 2017): 2048 equal
      bins, every threshold from the 128th bin's upper edge to the last's, 128 levels (256 and from
      the 256th for unsigned tensors), the clipped tail added to P's last bin and not to Q's, each
      level of Q spread over those of its bins where P is not zero. Left open there and chosen here:
      the first bin, which holds the zeros, is given the count of the second one (zero is exact
      at any threshold; pytorch-quantization does the same); level j of i kept bins takes the bins
      whose `floor(bin * 128 / i)` is j; where Q is zero and P is not, which only the clipped tail
      can cause, Q gets a share of 1e-4 (as in MXNet and ONNX Runtime), so that a lonely outlier can
      be clipped at all; of equal divergences the largest threshold wins; the threshold is the upper
      edge of the last kept bin. The log bins are spread over the equal ones in proportion.
    - "mse": the smallest expected squared error of rounding and clipping together, from the exact
      integral over each bin with uniform density, not from step**2 / 12: most values of a layer lie
      within a few steps of zero, where that approximation is wrong by the amount that decides.
      Thresholds are scanned in eighths of an octave over 24 octaves, then refined to 0.1 %.
    - "auto": the best of `candidates` under `evaluate`.

    A tensor that `collect` found saturated (it reaches the end of its own Clip) has that end as its
    threshold by all of them, unless an override names a threshold.

    Args:
        stats: Histograms, from `collect`.
        method: One of the above.
        percentile: For the method of that name, in (0, 100].
        overrides: By regular expression, searched for in the tensors' names: a method's name, a
            threshold, or `{"method": ..., "percentile": ...}`. The last one that matches counts.
        groups: Names that share one threshold, solved on their merged histogram. An override of
            one of them holds for all.
        unsigned: Names that are stored in 255 levels above 0; the others have 127 on both sides.
        bounds: Thresholds that follow from an operator (a sigmoid ends at 1), by tensor; these need
            no statistics and have no override.
        evaluate: For "auto": how good a network is with these scales; more is better.

    Returns:
        Thresholds in the tensors' units. They scale with the values: twice the values, exactly
        twice the threshold. A tensor that is always zero has threshold 0.

    Raises:
        ValueError: An unknown method, name or pattern; a group at odds with itself; an unsigned
            tensor with values below zero; statistics at odds with themselves.

    Warns:
        DamagedInputWarning: Tensors with values that are not finite (they are left out), that are
            always zero, or whose scale would be under 2**-14. Names are in the message.
    """
    if method != "auto":
        if method not in METHODS:
            known = ", ".join((*METHODS, "auto"))
            raise ValueError(f"unknown method {method!r}: choose one of {known}")
        wanted = Method.parse(method, percentile=percentile)
        problem = Problem.of(stats, overrides or {}, groups, unsigned, bounds or {}, percentile)
        problem.warn()
        return problem.solve(wanted)
    if evaluate is None:
        raise ValueError(
            "method 'auto' chooses by measurement: give it evaluate=, or another method"
        )
    found = candidates(stats, overrides=overrides, groups=groups, unsigned=unsigned, bounds=bounds)
    return choose(found, evaluate)


def candidates(
    stats: Statistics,
    *,
    overrides: Overrides | None = None,
    groups: Iterable[Sequence[str]] = (),
    unsigned: Collection[str] = (),
    bounds: Mapping[str, float] | None = None,
) -> dict[str, Scales]:
    """The scales of every method worth trying, by name. All else is as in `solve`."""
    problem = Problem.of(stats, overrides or {}, groups, unsigned, bounds or {})
    problem.warn()
    return {str(method): problem.solve(method) for method in _CANDIDATES}


def choose(candidates: Mapping[str, Scales], evaluate: Callable[[Scales], float]) -> Scales:
    """The candidate with the largest value; the first of equals. One that is NaN is out.

    Args:
        candidates: From the function of that name.
        evaluate: Measures a network with these scales on images that the statistics are not from,
            e.g. its signal to noise ratio or average precision. More is better.

    Returns:
        The best one, whose `method` is now "auto: " and its name.

    Raises:
        ValueError: No candidate has a value.
    """
    values = {name: evaluate(scales) for name, scales in candidates.items()}
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    if not known:
        raise ValueError(
            f"no candidate has a value: {values}. Does the network give numbers at all?"
        )
    best = max(known, key=known.__getitem__)
    return replace(candidates[best], method=f"auto: {best}")
