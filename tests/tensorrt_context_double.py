"""An execution context on the fake driver: what the true one refuses it refuses, and more it notes.

The work is done by ONNX Runtime, enqueued as a host function.
"""

from __future__ import annotations

import ctypes
import threading

import numpy as np

from device_driver import HostFunction
from tensorrt_runtime_names import DTYPES

_ALIGNMENT = 256


class IExecutionContext:
    def __init__(self, world, engine) -> None:
        self._world, self._engine = world, engine
        self._profile = -1 if self._dynamic() else 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._memory = (0, 0)
        self._changes = 0  # of shapes, addresses, memory
        self._ran: set[int] = set()  # changes at which it has run, other than recorded
        self._kept: list = []  # functions that the driver may still call
        self._thread: int | None = None

    def _dynamic(self) -> bool:
        return any(-1 in self._engine.get_tensor_shape(name) for name in self._engine._inputs)

    def set_optimization_profile_async(self, profile_index, stream_handle) -> bool:
        self._changes += 1
        if not 0 <= profile_index < self._engine.num_optimization_profiles:
            return self._world.error(f"profile {profile_index} is not there")
        self._profile, self._shapes = profile_index, {}
        return True

    def set_input_shape(self, name, shape) -> bool:
        self._changes += 1
        if name not in self._engine._inputs:
            return self._world.error(f"{name} is no input")
        if self._profile < 0:
            return self._world.error("IExecutionContext::setInputShape: no profile is chosen")
        least, _, most = self._engine.get_tensor_profile_shape(name, self._profile)
        if not all(a <= b <= c for a, b, c in zip(least, shape, most, strict=True)):
            return self._world.error(
                "IExecutionContext::setInputShape: Error Code 3: API Usage Error (Parameter check "
                f"failed: {shape} is not within {least} and {most})"
            )
        self._shapes[name] = tuple(shape)
        return True

    def set_device_memory(self, memory, size) -> None:
        self._changes += 1
        needed = self._engine.get_device_memory_size_for_profile_v2(max(self._profile, 0))
        if memory % _ALIGNMENT or size < needed:
            self._world.error(f"device memory of {size} bytes at {memory:#x}, {needed} needed")
            return
        self._memory = (memory, needed)

    def set_tensor_address(self, name, memory) -> bool:
        self._changes += 1
        if name not in self._engine._names:
            return self._world.error(f"{name} is no tensor")
        self._addresses[name] = memory
        return True

    def get_tensor_shape(self, name):
        shape = self._shapes.get(name)
        if shape is not None:
            return shape
        declared = self._engine.get_tensor_shape(name)
        if name in self._engine._inputs or not self._shapes:
            return declared
        batch = next(iter(self._shapes.values()))[0]
        return (batch if declared[0] == -1 else declared[0], *declared[1:])

    def get_tensor_strides(self, name):
        shape = self.get_tensor_shape(name)
        strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
        return tuple(reversed(strides) if "format" in self._engine._said else strides)

    def execute_async_v3(self, stream_handle) -> bool:
        world = self._world
        me = threading.get_ident()
        if self._thread not in (None, me):
            world.violate("a context used by two threads at once")
        self._thread = me
        try:
            return self._execute(stream_handle)
        finally:
            self._thread = None

    def _execute(self, stream: int) -> bool:
        world = self._world
        if world.failing:
            return world.error(world.failing)
        if self._profile < 0 or any(-1 in self.get_tensor_shape(n) for n in self._engine._inputs):
            return world.error("IExecutionContext::enqueueV3: Error Code 3: not all shapes are set")
        missing = [name for name in self._engine._names if not self._addresses.get(name)]
        if missing:
            return world.error(f"IExecutionContext::enqueueV3: no address of {missing}")
        if not self._memory[0] and self._engine.get_device_memory_size_for_profile_v2(0):
            return world.error("IExecutionContext::enqueueV3: no device memory is set")
        recorded = world.capturing(stream)
        if recorded and self._changes not in self._ran:
            # TensorRT-RTX compiles in the first run; TensorRT loads what it did not need before.
            return world.error("operation not permitted when stream is capturing")
        if not recorded:
            self._ran.add(self._changes)
        work = _Work(self, stream, self._changes, recorded)
        self._kept.append(work)
        status = world.driver.cuLaunchHostFunc(ctypes.c_void_p(stream), work.function, None)
        return status == 0 or world.error(f"cuLaunchHostFunc: {status}")


class _Work:
    """A run, with all that it was enqueued with."""

    def __init__(self, context: IExecutionContext, stream: int, changes: int, recorded) -> None:
        self._context, self._stream = context, stream
        self._changes, self._recorded = changes, recorded
        engine = context._engine
        self._session, self._world = engine._session, engine._world
        self._memory = context._memory
        self._feeds = {name: self._view(name) for name in engine._inputs}
        self._results = {name: self._view(name) for name in engine._outputs}
        self.function = HostFunction(self._run)

    def _view(self, name: str) -> np.ndarray:
        """The fake's device memory is the host's."""
        context = self._context
        dtype = np.dtype(DTYPES[context._engine._value(name).type][1])
        shape = context.get_tensor_shape(name)
        count = int(np.prod(shape)) * dtype.itemsize
        memory = (ctypes.c_uint8 * count).from_address(context._addresses[name])
        return np.frombuffer(memory, dtype).reshape(shape)

    def _run(self, _) -> None:
        try:
            self._work()
        except Exception as error:
            self._world.violate(f"a run failed: {error!r}")

    def _work(self) -> None:
        world, (first, size) = self._world, self._memory
        if self._recorded and self._context._changes != self._changes:
            world.violate("what was recorded of a context was replayed after it was changed")
        mine = (self._context, self._stream, first, first + size)
        with world.lock:
            for context, stream, low, high in world.busy:
                if context is self._context and stream != self._stream:
                    world.violations.append("a context on two streams at once")
                elif max(low, first) < min(high, first + size):
                    world.violations.append("device memory shared by what runs at once")
            world.busy.append(mine)
        try:
            scratch = self._scribble(first, size)
            found = self._session.run(list(self._results), dict(self._feeds))
            for name, array in zip(self._results, found, strict=True):
                self._results[name][...] = array
            if size and bytes(scratch) != bytes([id(self) % 251]) * size:
                world.violate("device memory was written by others while it was used")
        finally:
            with world.lock:
                world.busy.remove(mine)

    def _scribble(self, first: int, size: int):
        scratch = (ctypes.c_uint8 * size).from_address(first) if size else b""
        if size:
            ctypes.memset(first, id(self) % 251, size)
        return scratch
