"""The little of the CUDA driver that a test of device networks needs: streams, recording, memory.

By ctypes, so that the same tests run on a real GPU with nothing but edgert and a runtime there.
"""

from __future__ import annotations

import ctypes
import os
import threading

import numpy as np

from edgert.engines.base import DeviceTensor

HostFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_RELAXED = 2  # CU_STREAM_CAPTURE_MODE_RELAXED
_NON_BLOCKING = 1
_GUARD_BYTES = 512
_PATIENCE_S = 20


def is_fake() -> bool:
    return os.environ.get("EDGERT_LIBCUDA", "").endswith("libfakecuda.so")


class Driver:
    """The driver that edgert uses in this process, its device 0 current on this thread."""

    def __init__(self) -> None:
        from edgert.devices import context

        self.gpu = context(0)
        self._library = ctypes.CDLL(os.environ.get("EDGERT_LIBCUDA") or "libcuda.so.1")
        self.make_current()

    def make_current(self) -> None:
        """Threads of a test call it before they bind anything, as those of the pipeline do."""
        primary = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(primary), 0)
        self.call("cuCtxSetCurrent", primary)

    def call(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        assert status == 0, f"{function}: status {status}"

    def place(self, shape, dtype, fill=None) -> Placed:
        return Placed(self.gpu, tuple(shape), np.dtype(dtype), fill)

    def stream(self) -> Stream:
        return Stream(self)


class _View:
    def __init__(self, address, shape, dtype) -> None:
        self.__cuda_array_interface__ = {
            "data": (address, False),
            "shape": tuple(shape),
            "typestr": dtype.str,
            "version": 3,
        }


class Placed:
    """Memory within a larger piece, so that what is written beside it is seen.

    Nothing that is written there leaves the poison as it is: floats of it are no numbers.
    """

    def __init__(self, gpu, shape, dtype, fill) -> None:
        self._gpu, self._shape, self._dtype = gpu, shape, dtype
        self._bytes = int(np.prod(shape)) * dtype.itemsize
        self._whole = gpu.empty([self._bytes + 2 * _GUARD_BYTES], np.dtype(np.uint8))
        start = self._whole.__cuda_array_interface__["data"][0]
        self.tensor = DeviceTensor(dtype, shape, start + _GUARD_BYTES)
        self._view = gpu.from_interface(_View(self.tensor.address, shape, dtype))
        self.poison()
        if fill is not None:
            self.write(fill)

    def poison(self) -> None:
        self._gpu.copy_from(self._whole, np.full(self._whole.shape, 0xFF, np.uint8))

    def write(self, array) -> None:
        self._gpu.copy_from(self._view, np.ascontiguousarray(array, self._dtype))

    def read(self) -> np.ndarray:
        whole = self._whole.numpy()
        before, content, after = np.split(whole, [_GUARD_BYTES, _GUARD_BYTES + self._bytes])
        assert np.all(before == 0xFF), "memory before the tensor was written"
        assert np.all(after == 0xFF), "memory behind the tensor was written"
        return content.view(self._dtype).reshape(self._shape)

    def untouched(self, first: int = 0) -> bool:
        """Whether nothing has been written to the items from `first` on."""
        items = np.ascontiguousarray(self.read()[first:])
        return bool(np.all(items.view(np.uint8) == 0xFF))


class Stream:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._handle = ctypes.c_void_p()
        driver.call("cuStreamCreate", ctypes.byref(self._handle), _NON_BLOCKING)
        self.address = self._handle.value
        self._gates: list[Gate] = []

    def synchronize(self) -> None:
        self._driver.call("cuStreamSynchronize", self._handle)

    def gate(self) -> Gate:
        """What is enqueued from now on waits until it is opened."""
        gate = Gate()
        self._driver.call("cuLaunchHostFunc", self._handle, gate.function, None)
        self._gates.append(gate)
        return gate

    def record(self, work) -> Graph:
        self._driver.call("cuStreamBeginCapture_v2", self._handle, _RELAXED)
        graph = ctypes.c_void_p()
        try:
            work()
        finally:
            self._driver.call("cuStreamEndCapture", self._handle, ctypes.byref(graph))
        return Graph(self._driver, graph, self._handle)

    def close(self) -> None:
        for gate in self._gates:
            gate.open()
        self.synchronize()
        self._driver.call("cuStreamDestroy_v2", self._handle)


class Gate:
    """Holds a stream. It gives way by itself, so that what waits for it fails and does not hang."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.gave_way = False
        self.function = HostFunction(self._wait)

    def _wait(self, _) -> None:
        self.gave_way = not self._event.wait(_PATIENCE_S)

    def open(self) -> None:
        self._event.set()


class Graph:
    def __init__(self, driver: Driver, graph, stream) -> None:
        self._driver, self._stream = driver, stream
        self._exec = ctypes.c_void_p()
        zero = ctypes.c_uint64(0)
        driver.call("cuGraphInstantiateWithFlags", ctypes.byref(self._exec), graph, zero)
        driver.call("cuGraphDestroy", graph)

    def replay(self) -> None:
        self._driver.call("cuGraphLaunch", self._exec, self._stream)

    def close(self) -> None:
        self._driver.call("cuGraphExecDestroy", self._exec)
