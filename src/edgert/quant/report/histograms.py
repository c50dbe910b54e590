"""From the counts of calibration to what is drawn and said of a tensor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.quant.report.content import Histogram, Threshold

__all__ = ["clipped_share", "make_histogram", "rounding_sqnr"]

_BINS = 32768
# Of the 128 bins of an octave 16 become one: eight an octave are enough for the eye.
_MERGED = 16

# What is smaller than the largest value by more is drawn as nothing: 2 ** -15.
_DRAWN_BINS = 15 * 128 // _MERGED
_INFINITE = 0x7F80
_LARGEST = float(np.finfo(np.float32).max)

Counts = NDArray[np.uint64]
Thresholds = Iterable[tuple[str, float, int, bool]]
"""(method, value, levels above 0, chosen) each."""


def make_histogram(tensor: str, stats: Any, thresholds: Thresholds) -> Histogram:
    """What a report shows of a tensor.

    Args:
        tensor: Its name.
        stats: `TensorStats`: `counts`, `minimum`, `maximum`.
        thresholds: Of the methods.
    """
    counts: Counts = stats.counts
    total = float(counts.sum()) or 1.0
    merged = counts[:_INFINITE].reshape(-1, _MERGED).sum(axis=1)
    used = np.flatnonzero(merged[1:]) + 1  # the first merged bin is that of zero
    if len(used):
        first, end = max(int(used[0]), int(used[-1]) + 1 - _DRAWN_BINS), int(used[-1]) + 1
    else:
        first = end = len(merged)
    edges = _edges()[_MERGED * first : _MERGED * end + 1 : _MERGED] if end > first else np.zeros(0)
    largest = max(abs(stats.minimum), abs(stats.maximum))
    return Histogram(
        tensor=tensor,
        minimum=_finite(stats.minimum),
        maximum=_finite(stats.maximum),
        zeros=float(counts[0]) / total,
        below=float(merged[:first].sum()) / total,
        edges=tuple(np.minimum(edges, _LARGEST).tolist()),
        shares=tuple((merged[first:end] / total).tolist()),
        thresholds=tuple(
            Threshold(
                method,
                float(value),
                clipped_share(counts, value) if value < largest else 0.0,
                rounding_sqnr(counts, value, levels),
                chosen,
            )
            for method, value, levels, chosen in thresholds
        ),
    )


def clipped_share(counts: Counts, threshold: float) -> float:
    """Share of values beyond a threshold; the bin that it falls into counts in proportion."""
    total = float(counts.sum())
    if not total or not math.isfinite(threshold):
        return 0.0
    edges = _edges()
    index = int(np.searchsorted(edges, threshold, side="right")) - 1
    if index >= _INFINITE - 1:
        return 0.0
    low, high = edges[index], edges[index + 1]
    partly = float(counts[index]) * (high - threshold) / (high - low)
    # Bin 0 is zero itself, and no threshold clips zero.
    partly = 0.0 if index == 0 else partly
    return (float(counts[index + 1 : _INFINITE].sum()) + partly) / total


def rounding_sqnr(counts: Counts, threshold: float, levels: int = 127) -> float | None:
    """Signal to noise in dB of a tensor rounded to so many levels and clipped at a threshold.

    Estimated with every value at the middle of its bin, which is 0.8 % wide; where steps are finer
    than that the noise of rounding is taken as step ** 2 / 12.

    Returns:
        None for a tensor that is always 0, or of a threshold of 0.
    """
    bins = np.flatnonzero(counts[:_INFINITE])
    edges = _edges()
    low, high = edges[bins], np.minimum(edges[bins + 1], _LARGEST)
    low[bins == 0] = high[bins == 0] = 0.0
    x, share = (low + high) / 2, counts[bins].astype(np.float64)
    signal = float(share @ x**2)
    step = threshold / levels
    if signal == 0.0 or not step > 0.0:
        return None
    rounded = np.minimum(np.rint(x / step), levels) * step
    noise = (x - rounded) ** 2
    # A bin with several steps in it, all of it inside the threshold.
    wide = ((high - low) > step) & (high <= threshold)
    noise[wide] = step**2 / 12
    total = float(share @ noise)
    return 10 * math.log10(signal / total) if total > 0.0 else math.inf


@lru_cache(maxsize=1)
def _edges() -> NDArray[np.float64]:
    """Lower edges of all bins: the floats whose upper 16 bits are the bin's number."""
    bits = np.arange(_BINS, dtype=np.uint32) << np.uint32(16)
    with np.errstate(invalid="ignore"):
        edges: NDArray[np.float64] = bits.view(np.float32).astype(np.float64)
    return edges


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
