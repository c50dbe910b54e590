"""How fast a model and its quantized form run on the runtime at hand."""

from __future__ import annotations

import statistics
import time
from importlib import metadata
from pathlib import Path

from edgert.engine import Engine
from edgert.engines.base import Array
from edgert.engines.onnxruntime_graph import operator_times
from edgert.quant.report.content import Operator, Speed

__all__ = ["measure_speed"]

_WARM_UP = 3


def measure_speed(
    model: str | Path,
    other: str | Path,
    feed: Array,
    *,
    runs: int = 20,
    threads: int | None = None,
) -> Speed:
    """Time both models in turns, so that what else the machine does hits both.

    Args:
        model: The float model.
        other: The quantized one, with the same input.
        feed: (N, 3, H, W) of the input's dtype.
        runs: Of each model.
        threads: Threads within an operator; None: all cores.

    Returns:
        Medians, and where the time goes by kind of operator.

    Raises:
        ModelError: A model cannot be loaded or run.
    """
    engines = [Engine(path, device="cpu", threads=threads) for path in (model, other)]
    times: list[list[float]] = [[], []]
    for run in range(_WARM_UP + runs):
        for engine, found in zip(engines, times, strict=True):
            start = time.perf_counter()
            engine(feed)
            if run >= _WARM_UP:
                found.append(1e3 * (time.perf_counter() - start))
    before, after = (operator_times(path, feed, threads=threads) for path in (model, other))
    ops = sorted({*before, *after}, key=lambda op: -max(before.get(op, 0), after.get(op, 0)))
    network = engines[0].network
    return Speed(
        runtime=f"{network.runtime} {metadata.version('onnxruntime')}",
        device=network.device,
        threads=threads,
        runs=runs,
        before_ms=statistics.median(times[0]),
        after_ms=statistics.median(times[1]),
        operators=tuple(Operator(op, before.get(op), after.get(op)) for op in ops),
    )
