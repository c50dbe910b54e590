"""A model bound to memory: what the native pipeline runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgert.engine import Engine
from edgert.engines.base import Array, Run

__all__ = ["Bound", "bind", "probe"]


@dataclass(frozen=True, slots=True)
class Bound:
    """`run(n)` takes the first n items of `input` to `outputs`."""

    run: Run
    input: Array
    outputs: list[Array]


def probe(engine: Engine, size: tuple[int, int]) -> list[tuple[int, ...]]:
    """The true shapes of all outputs for one item, or a model's fixed batch, found by a run."""
    feed = np.zeros((engine.inputs[0].shape[0] or 1, 3, *size), engine.inputs[0].dtype)
    return [output.shape for output in engine(feed)]


def bind(
    engine: Engine,
    size: tuple[int, int],
    shapes: Sequence[tuple[int, ...]],
    wanted: Sequence[int],
    max_batch: int,
) -> Bound:
    """Allocate input and wanted outputs for `max_batch` items, and run once so that all is warm.

    A model of fixed batch keeps that batch.
    """
    batch = engine.inputs[0].shape[0] or max_batch
    feed = np.zeros((batch, 3, *size), engine.inputs[0].dtype)
    outputs = {
        engine.outputs[index].name: np.empty(
            (batch, *shapes[index][1:]), engine.outputs[index].dtype
        )
        for index in wanted
    }
    run = engine.network.bind(feed, outputs)
    run(batch)
    return Bound(run, feed, list(outputs.values()))
