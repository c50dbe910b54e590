"""Thresholds the slow way: numpy, one candidate at a time, straight from the definitions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from edgert.quant.statistics.stats import TensorStats
from edgert.quant.thresholds.solve import solve

EDGES = (np.arange(0x7F80, dtype=np.uint32) << 16).view(np.float32).astype(np.float64)


def histogram(values) -> TensorStats:
    """Statistics of one tensor, from its values."""
    values = np.asarray(values, np.float32).ravel()
    finite = values[np.isfinite(values)]
    bins = (finite.view(np.uint32) & 0x7FFFFFFF) >> 16
    return TensorStats(
        counts=np.bincount(bins, minlength=32768).astype(np.uint64),
        minimum=float(finite.min()) if finite.size else np.inf,
        maximum=float(finite.max()) if finite.size else -np.inf,
        nonfinite=values.size - finite.size,
    )


def statistics(tensors) -> SimpleNamespace:
    return SimpleNamespace(tensors={name: histogram(v) for name, v in tensors.items()})


def draw(kind: str, seed: int = 0, size: int = 30_000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 2, size)
    if kind == "relu":
        x = np.maximum(x, 0)
    elif kind == "silu":
        x = x / (1 + np.exp(-x))
    elif kind == "long tail":
        x = rng.standard_t(3, size)
    elif kind == "outlier":
        x[0] = 400
    elif kind == "uniform":
        x = rng.uniform(-1, 1, size)
    elif kind == "few":
        x = rng.choice([-3.0, 0.0, 0.5, 1.7], size)
    return x.astype(np.float32)


def threshold(values, method: str, **options) -> float:
    return solve(statistics({"x": values}), method, **options).thresholds["x"]


def absmax(tensor) -> float:
    return max(abs(tensor.minimum), abs(tensor.maximum))


def cumulative(tensor):
    """Edges of the bins up to the maximum, and how many values lie below each."""
    last = int(np.flatnonzero(tensor.counts)[-1])
    edges = np.append(EDGES[: last + 1], absmax(tensor))
    return edges, np.append(0.0, np.cumsum(tensor.counts[: last + 1].astype(np.float64)))


def percentile(tensor, percent: float) -> float:
    edges, below = cumulative(tensor)
    low, high = 0.0, edges[-1]
    for _ in range(200):  # bisection: no formula for the inverse to share a mistake with
        middle = (low + high) / 2
        if np.interp(middle, edges, below) < percent / 100 * below[-1]:
            low = middle
        else:
            high = middle
    return high


def entropy(tensor, levels: int, bins: int = 2048) -> float:
    """Migacz's loop. Of divergences equal but for rounding, the largest threshold."""
    edges, below = cumulative(tensor)
    grid = absmax(tensor) * np.arange(bins + 1) / bins
    linear = np.diff(np.interp(grid, edges, below))
    linear[0] = linear[1]
    divergences = np.full(bins + 1, np.inf)
    for kept in range(levels, bins + 1):
        p = linear[:kept].copy()
        p[-1] += linear[kept:].sum()
        level = np.arange(kept) * levels // kept
        used = np.bincount(level, p > 0, levels)
        mean = np.bincount(level, linear[:kept], levels) / np.maximum(used, 1)
        q = np.where(p > 0, mean[level], 0)
        if not q.any():
            continue
        p, q = p[p > 0] / p.sum(), q[p > 0] / q.sum()
        if not q.all():
            q = np.where(q == 0, 1e-4, q * (1 - 1e-4))
        divergences[kept] = np.sum(p * np.log(p / q))
    best = np.flatnonzero(divergences <= divergences.min() + 1e-11)[-1]
    return grid[best]


def squared_error(values, threshold: float, levels: int) -> float:
    """Of the values themselves, rounded and clipped."""
    x = np.abs(np.asarray(values, np.float64))
    step = threshold / levels
    return float(np.mean((x - step * np.minimum(np.rint(x / step), levels)) ** 2))


def spread_error(tensor, threshold: float, levels: int, points: int = 400) -> float:
    """Of values spread evenly over every bin, by sampling it."""
    edges, _ = cumulative(tensor)
    at = (np.arange(points) + 0.5) / points
    total = 0.0
    for b in np.flatnonzero(tensor.counts):
        if b > 0:
            values = edges[b] + (edges[b + 1] - edges[b]) * at
            total += float(tensor.counts[b]) * squared_error(values, threshold, levels)
    return total / float(tensor.counts.sum())
