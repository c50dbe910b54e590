"""A model bound to memory: what the native pipeline runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgert.engine import Engine
from edgert.engines.base import Array, DeviceNetwork, DeviceTensor, Run

__all__ = ["Bound", "DeviceBound", "bind", "bind_on_host", "probe"]


@dataclass(frozen=True, slots=True)
class Bound:
    """`run(n)` takes the first n items of `input` to `outputs`."""

    run: Run
    input: Array
    outputs: list[Array]


@dataclass(frozen=True, slots=True)
class DeviceBound:
    """What the native pipeline allocates for each lane, and how it ties the network to that.

    `bind(stream, input, outputs)` takes addresses and gives a function that enqueues a run of one
    of `batches`, ascending, of which the last is that of the shapes.
    """

    input: DeviceTensor
    outputs: list[DeviceTensor]
    batches: list[int]
    bind: Callable[[int, int, list[int]], Run]


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
) -> Bound | DeviceBound:
    """Tie input and wanted outputs to memory for `max_batch` items, where the engine works.

    A model of fixed batch keeps that batch.
    """
    if isinstance(engine.network, DeviceNetwork):
        return _bind_on_device(engine, engine.network, size, shapes, wanted, max_batch)
    return bind_on_host(engine, size, shapes, wanted, max_batch)


def bind_on_host(
    engine: Engine,
    size: tuple[int, int],
    shapes: Sequence[tuple[int, ...]],
    wanted: Sequence[int],
    max_batch: int,
) -> Bound:
    """Allocate input and wanted outputs, and run once so that all is warm."""
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


def batches(most: int) -> list[int]:
    """The sizes that a network of open batch runs in: of a run at most half is for nobody."""
    return [*(1 << i for i in range(most.bit_length()) if 1 << i < most), most]


def _bind_on_device(
    engine: Engine,
    network: DeviceNetwork,
    size: tuple[int, int],
    shapes: Sequence[tuple[int, ...]],
    wanted: Sequence[int],
    max_batch: int,
) -> DeviceBound:
    fixed = engine.inputs[0].shape[0]
    batch = fixed or max_batch
    feed = DeviceTensor(engine.inputs[0].dtype, (batch, 3, *size))
    specs = [engine.outputs[index] for index in wanted]
    outputs = [
        DeviceTensor(spec.dtype, (batch, *shapes[index][1:]))
        for spec, index in zip(specs, wanted, strict=True)
    ]

    def bind(stream: int, address: int, addresses: list[int]) -> Run:
        placed = [
            (spec.name, DeviceTensor(tensor.dtype, tensor.shape, at))
            for spec, tensor, at in zip(specs, outputs, addresses, strict=True)
        ]
        return network.bind_device(stream, DeviceTensor(feed.dtype, feed.shape, address), placed)

    return DeviceBound(feed, outputs, [batch] if fixed is not None else batches(batch), bind)
