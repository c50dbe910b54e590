"""The execution contexts of one binding of an engine: one for each batch size, on one stream."""

from __future__ import annotations

from collections.abc import Mapping

from edgert import _core
from edgert.devices import address_of
from edgert.engines.base import DeviceTensor, TensorSpec
from edgert.engines.tensorrt import Record, sizes, trt
from edgert.engines.tensorrt_engine import Loaded, Shape
from edgert.engines.tensorrt_memory import take
from edgert.errors import ModelError

__all__ = ["Contexts"]


class Contexts:
    """A stream, memory, and an execution context for each batch size that is met.

    A context serves one size for good: what is recorded of it stays right whatever the others do.
    They run one after another on the stream, as other engines there do, and so they share the
    memory for what lies between the layers, which is taken at once.

    Args:
        loaded: The engine.
        stream: The stream's address.
        feed: The input's memory.
        outputs: Memory for outputs, by name.

    Attributes:
        own: Memory for the outputs that none was given for, once a run has shown their size:
            TensorRT writes them all.

    Raises:
        ModelError: The device has not the memory.
    """

    def __init__(
        self, loaded: Loaded, stream: int, feed: DeviceTensor, outputs: Mapping[str, DeviceTensor]
    ) -> None:
        self._loaded = loaded
        self._stream = stream
        self._feed = feed
        self._outputs = outputs
        self.own: dict[str, _core.DeviceArray] = {}
        self._contexts: dict[int, trt.IExecutionContext] = {}
        needed = loaded.memory_bytes(feed.shape)
        self._memory = (
            take(loaded.path, loaded.gpu, stream, needed, loaded.reserved_bytes) if needed else None
        )

    def enqueue(self, items: int) -> None:
        """Enqueue a run on the first `items` items.

        Raises:
            ModelError: TensorRT refuses; the text has its words.
        """
        context = self._contexts.get(items)
        log = self._loaded.binding.log
        if context is None:
            with self._loaded.lock, log.record() as record:
                context = self._contexts[items] = self._make(items, record)
        with log.record() as record:
            if not context.execute_async_v3(self._stream):
                raise self._failed(items, record.said("INTERNAL_ERROR", "ERROR"))

    def _make(self, items: int, record: Record) -> trt.IExecutionContext:
        loaded, shape = self._loaded, (items, *self._feed.shape[1:])
        profile = loaded.profile(shape)
        context = loaded.engine.create_execution_context(loaded.settings.value)

        def require(done: object, what: str) -> None:
            if not done:
                said = record.said("INTERNAL_ERROR", "ERROR")
                raise self._failed(items, f"{what}: {said}")

        require(context is not None, "no execution context")
        if None in loaded.input.shape:  # only the first context of an engine has one of itself
            chosen = context.set_optimization_profile_async(profile.index, self._stream)
            require(chosen, f"profile {profile.index}")
        require(context.set_input_shape(loaded.input.name, shape), f"input shape {shape}")
        if self._memory is not None:
            context.set_device_memory(self._memory.address, self._memory.count)
        for spec in (loaded.input, *loaded.outputs):
            found = sizes(context.get_tensor_shape(spec.name))
            require(all(size >= 0 for size in found), f"{spec.name} is {found}: its size is open")
            strides = sizes(context.get_tensor_strides(spec.name))
            _check_layout(loaded.path, spec.name, found, strides)
            address = self._address_of(spec, found, items)
            require(context.set_tensor_address(spec.name, address), f"address of {spec.name}")
        return context

    def _address_of(self, spec: TensorSpec, shape: Shape, items: int) -> int:
        if spec is self._loaded.input:
            return self._feed.address
        wanted = self._outputs.get(spec.name)
        if wanted is None:
            return self._own_address(spec, shape)
        if shape != (items, *wanted.shape[1:]):
            raise ModelError(
                f"{self._loaded.path}: {spec.name} is {shape} in a run on {items} items, but found "
                f"memory of {wanted.shape} for it"
            )
        return wanted.address

    def _own_address(self, spec: TensorSpec, shape: Shape) -> int:
        most = (self._feed.shape[0], *shape[1:])
        if spec.name not in self.own:
            self.own[spec.name] = self._loaded.gpu.empty(most, spec.dtype)
        return address_of(self.own[spec.name])

    def _failed(self, items: int, said: str) -> ModelError:
        return ModelError(f"{self._loaded.path}: failed on {items} items: {said}")


def _check_layout(path: str, name: str, shape: Shape, found: Shape) -> None:
    """A builder may be told to lay tensors out in another order, or in packs of channels."""
    count, expected = 1, []
    for size in reversed(shape):
        expected.append(count)
        count *= size
    if any(size > 1 and a != b for size, a, b in zip(shape, found, expected[::-1], strict=True)):
        raise ModelError(
            f"{path}: {name} {shape} is laid out with strides {found}, expected "
            f"{tuple(expected[::-1])}; build the engine without formats for inputs and outputs"
        )
