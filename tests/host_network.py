"""A network "on the GPU" of tests/fake: ONNX Runtime on the CPU, enqueued as a host function."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence

import numpy as np

from edgert.engine import Engine
from edgert.engines.base import Array, DeviceTensor, Run
from edgert.engines.device_binding import check_memory, items_of_run
from edgert.engines.onnxruntime import OnnxRuntimeNetwork

_HostFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _array(tensor: DeviceTensor) -> np.ndarray:
    """The fake's device memory is the host's."""
    count = int(np.prod(tensor.shape)) * tensor.dtype.itemsize
    memory = (ctypes.c_uint8 * count).from_address(tensor.address)
    return np.frombuffer(memory, tensor.dtype).reshape(tensor.shape)


class HostNetwork:
    """`DeviceNetwork` over the fake driver; `fail` raises while enqueuing, as a runtime may."""

    runtime = "onnxruntime"
    device = "cuda:0"

    def __init__(self, path, *, capturable: bool = True) -> None:
        self._network = OnnxRuntimeNetwork(path, threads=1)
        self.path = self._network.path
        self.inputs, self.outputs = self._network.inputs, self._network.outputs
        self.metadata = self._network.metadata
        self._driver = ctypes.CDLL(os.environ["EDGERT_LIBCUDA"])
        self._capturable = capturable
        self.enqueued = 0
        self.failing: BaseException | None = None

    def infer(self, feed: Array) -> list[Array]:
        return self._network.infer(feed)

    def bind(self, feed: Array, outputs: Mapping[str, Array]) -> Run:
        return self._network.bind(feed, outputs)

    def bind_device(
        self, stream: int, feed: DeviceTensor, outputs: Sequence[tuple[str, DeviceTensor]]
    ) -> Run:
        check_memory(self, feed, outputs)
        run = self._network.bind(_array(feed), {name: _array(t) for name, t in outputs})
        kept = {}

        def enqueue(batch: int) -> None:
            if self.failing is not None:
                raise self.failing
            items = items_of_run(self, feed, batch)
            if items not in kept:
                kept[items] = _HostFunction(lambda _: run(items))
            if not self._capturable:
                # What a runtime does that waits for its own work: not allowed while recording.
                status = self._driver.cuStreamSynchronize(ctypes.c_void_p(stream))
                if status != 0:
                    raise RuntimeError(f"the stream cannot be waited for: status {status}")
            status = self._driver.cuLaunchHostFunc(ctypes.c_void_p(stream), kept[items], None)
            assert status == 0, status
            self.enqueued += 1

        return enqueue


def host_engine(path, **options) -> Engine:
    """An `Engine` on the fake's device."""
    made = Engine(path, device="cpu", max_batch=options.pop("max_batch", 4))
    made.network = HostNetwork(path, **options)
    return made
