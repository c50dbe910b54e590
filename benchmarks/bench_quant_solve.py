"""Time to find the thresholds of 100 tensors by each method, and the same in numpy.

    python benchmarks/bench_quant_solve.py [--seconds S] [--json-report PATH]

The numpy side follows the same definitions, vectorised over bins; its thresholds must be equal
before anything is timed.
"""

import argparse
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from types import SimpleNamespace

import numpy as np

from edgert.quant.statistics.stats import TensorStats
from edgert.quant.thresholds.solve import candidates, solve
from edgert.quant.thresholds.weights import quantize_weight

from timing import add_report_option, describe, environment, interleaved, write_report

TENSORS = 100
GOAL_S = 0.5
EDGES = (np.arange(0x7F80, dtype=np.uint32) << 16).view(np.float32).astype(np.float64)
METHODS = {
    "minmax": {},
    "percentile 99.99": {"method": "percentile"},
    "entropy": {"method": "entropy"},
    "entropy, unsigned": {"method": "entropy"},
    "mse": {"method": "mse"},
}


def activations(kind, rng, size=200_000):
    """Values as networks have them: the tails of products of normals, scales over two octaves."""
    x = rng.standard_t(rng.uniform(3, 12), size) * 2 ** rng.uniform(-1, 3)
    if kind == "relu":
        return np.maximum(x - rng.uniform(0, 1), 0)
    if kind == "silu":
        return x / (1 + np.exp(-x))
    if kind == "outliers":
        x[: size // 20_000] *= 30
    return x


def histogram(values):
    values = values.astype(np.float32)
    bins = (values.view(np.uint32) & 0x7FFFFFFF) >> 16
    return TensorStats(
        counts=np.bincount(bins, minlength=32768).astype(np.uint64),
        minimum=float(values.min()),
        maximum=float(values.max()),
        nonfinite=0,
    )


def network(seed=0):
    rng = np.random.default_rng(seed)
    kinds = ("silu", "relu", "long tail", "outliers")
    return {
        f"{kind}/{i}": histogram(activations(kind, rng))
        for i in range(TENSORS // len(kinds))
        for kind in kinds
    }


# The same in numpy ------------------------------------------------------------------------------


def density(tensor):
    """Edges, counts of the bins that can hold something, without the zeros; and the zeros."""
    used = np.flatnonzero(tensor.counts[1:]) + 1
    first, last = used[0], used[-1]
    top = max(-tensor.minimum, tensor.maximum)
    edges = np.append(EDGES[first : last + 1], top)
    return edges, tensor.counts[first : last + 1].astype(np.float64), float(tensor.counts[0])


def numpy_percentile(tensor, percent=99.99):
    edges, counts, zeros = density(tensor)
    above = np.cumsum(counts[::-1])
    share = 1 - percent / 100
    clipped = min(share * (above[-1] + zeros), max(share, 0.01) * above[-1])
    return np.interp(clipped, np.append(0, above), edges[::-1])


def numpy_entropy(tensor, levels=128):
    edges, counts, _ = density(tensor)
    below = np.append(0, np.cumsum(counts))
    grid = edges[-1] * np.arange(2049) / 2048
    linear = np.diff(np.interp(grid, edges, below))
    linear[0] = linear[1]
    best, smallest = 2048, np.inf
    for kept in range(2048, levels - 1, -1):
        p = linear[:kept].copy()
        p[-1] += linear[kept:].sum()
        level = np.arange(kept) * levels // kept
        used = np.bincount(level, p > 0, levels)
        q = (np.bincount(level, linear[:kept], levels) / np.maximum(used, 1))[level]
        positive = p > 0
        p, q = p[positive] / p.sum(), q[positive] / q[positive].sum()
        if not q.all():
            q = np.where(q == 0, 1e-4, q * (1 - 1e-4))
        found = np.sum(p * np.log(p / q))
        if found < smallest - 1e-12:
            best, smallest = kept, found
    return grid[best]


def numpy_mse(tensor, levels=127):
    edges, counts, _ = density(tensor)
    per_width = counts / np.diff(edges)
    top = edges[-1]

    def error(threshold):
        step = threshold / levels
        x = edges / step
        level = np.minimum(np.floor(x + 0.5), levels)
        rest = x - level
        # No np.dot: its threads wait for each other on a busy machine.
        return np.sum(per_width * np.diff(level / 12 + rest * rest * rest / 3)) * step**3

    def best_of(thresholds, best):
        errors = [error(threshold) for threshold in thresholds]
        least = int(np.argmin(errors))
        return min(best, (errors[least], thresholds[least]), key=lambda pair: pair[0])

    scan = top * 2.0 ** (-np.arange(193) / 8)
    best = best_of(scan[scan >= edges[0]], (np.inf, top))
    low, high = best[1] * 2 ** (-1 / 8), min(best[1] * 2 ** (1 / 8), top)
    for _ in range(2):
        best = best_of(low + (high - low) * np.arange(17) / 16, best)
        reach = (high - low) / 16
        low, high = best[1] - reach, min(best[1] + reach, top)
    return best[1]


def numpy_weights_mse(weight):
    """Per channel, the same 51 thresholds."""
    rows = weight.reshape(len(weight), -1)
    magnitude = np.abs(rows)
    largest = magnitude.max(axis=1).astype(np.float64)

    def errors(thresholds):
        step = (thresholds / 127).astype(np.float32)[:, None]
        x = magnitude * (1 / step)
        x -= np.floor(np.minimum(x, 127) + np.float32(0.5))
        return np.einsum("ij,ij->i", x, x, dtype=np.float64) * step[:, 0].astype(np.float64) ** 2

    best, smallest = largest.copy(), np.full(len(rows), np.inf)
    base = largest
    offsets = [-0.02 * k for k in range(36)]
    for again in range(2):
        for offset in offsets:
            thresholds = np.minimum(base + offset * largest, largest)
            found = errors(thresholds)
            better = found < smallest
            best[better], smallest[better] = thresholds[better], found[better]
        if not again:
            base, offsets = best - 0.02 * largest, [0.0025 * k for k in range(1, 16)]
    return (best / 127).astype(np.float32)


IN_NUMPY = {
    "percentile 99.99": (numpy_percentile, TENSORS, 1e-9),
    "entropy": (numpy_entropy, 4, 1e-9),
    "mse": (numpy_mse, TENSORS, 1e-3),
}


# Measuring --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Total:
    """Time for all tensors, in seconds."""

    method: str
    median_s: float
    worst_s: float


def options_of(name, tensors):
    options = {"method": "minmax", **METHODS[name]}
    if "unsigned" in name:
        options["unsigned"] = [n for n in tensors if n.startswith("relu")]
    return options


def timed(name, call, repeats):
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return Total(name, statistics.median(times), max(times))


def totals(tensors, repeats=15):
    stats = SimpleNamespace(tensors=tensors)
    rows = []
    for name in METHODS:
        options = options_of(name, tensors)
        rows.append(timed(name, lambda options=options: solve(stats, **options), repeats))
    rows.append(timed("candidates (all six)", lambda: candidates(stats), repeats))
    return rows


def comparisons(tensors, seconds):
    rows = []
    for name, (in_numpy, count, tolerance) in IN_NUMPY.items():
        part = dict(list(tensors.items())[:count])
        stats, options = SimpleNamespace(tensors=part), options_of(name, part)
        found = solve(stats, **options).thresholds
        for tensor, threshold in found.items():
            expected = in_numpy(part[tensor])
            if abs(threshold - expected) > tolerance * expected:
                sys.exit(f"{name} of {tensor}: {threshold}, numpy has {expected}")
        rows.append(
            interleaved(
                f"{name}, {count} tensors",
                lambda stats=stats, options=options: solve(stats, **options),
                lambda in_numpy=in_numpy, part=part: [in_numpy(t) for t in part.values()],
                seconds=seconds,
                warmup=1,
            )
        )
    weight = np.random.default_rng(1).standard_t(5, (256, 128, 3, 3)).astype(np.float32)
    scale = quantize_weight(weight, 0, "mse")[1]
    if not np.allclose(scale, numpy_weights_mse(weight), rtol=1e-3):
        sys.exit("weights: the scales differ from numpy's")
    rows.append(
        interleaved(
            "weight (256, 128, 3, 3), mse",
            lambda: quantize_weight(weight, 0, "mse"),
            lambda: numpy_weights_mse(weight),
            seconds=seconds,
            warmup=1,
        )
    )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="a comparison, at least")
    add_report_option(parser)
    options = parser.parse_args()
    tensors = network()
    compared, total = comparisons(tensors, options.seconds), totals(tensors)
    print(f"{describe(environment())}\n")
    print(
        f"| {TENSORS} tensors | median, ms | slowest of 15, ms | goal, ms |\n|---|---:|---:|---:|"
    )
    for row in total:
        goal = "" if "candidates" in row.method else f"{1e3 * GOAL_S:g}"
        print(f"| {row.method} | {1e3 * row.median_s:.1f} | {1e3 * row.worst_s:.1f} | {goal} |")
    print("\n| same thresholds | edgert, ms | numpy, ms | faster by (quartiles) |")
    print("|---|---:|---:|---:|")
    for row in compared:
        print(
            f"| {row.name} | {row.edgert_ms:.2f} | {row.baseline_ms:.1f} "
            f"| {row.ratio:.1f}x ({row.ratio_low:.1f} to {row.ratio_high:.1f}) |"
        )
    write_report(
        options.json_report,
        {"totals": [asdict(row) for row in total], "compared": [asdict(row) for row in compared]},
    )
    slow = [row.method for row in total if row.method in METHODS and row.median_s > GOAL_S]
    if slow:
        sys.exit(f"over the goal: {', '.join(slow)}")


if __name__ == "__main__":
    main()
