"""TensorRT: an engine built for a GPU, its work on a stream of edgert's, over edgert's memory."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from edgert.builds.layers import Layer, layers_of
from edgert.builds.manifest import Manifest, manifest_of
from edgert.devices import address_of, context, host_copy
from edgert.engines import tensorrt
from edgert.engines.base import Array, DeviceTensor, Run, TensorSpec
from edgert.engines.device_binding import check_memory, items_of_run
from edgert.engines.plan_file import PlanFile, read_plan_file
from edgert.engines.tensorrt import Binding
from edgert.engines.tensorrt_contexts import Contexts
from edgert.engines.tensorrt_engine import Loaded, look_at
from edgert.engines.tensorrt_load import load_engine
from edgert.errors import CacheWarning, ModelError

__all__ = ["TensorRtNetwork"]


class TensorRtNetwork:
    """An engine of TensorRT or TensorRT-RTX, loaded on a GPU.

    The weights are there once. For what lies between the layers each stream that it is bound to
    has memory, `context_bytes` at most, which engines on one stream share.

    Args:
        path: An engine: bare, or behind Ultralytics' header.
        ordinal: Number of the GPU.
        binding: Another TensorRT than the installed one of the kind that built it.

    Attributes:
        file: What the file says of itself.
        manifest: What stands beside it, where edgert built it; else None.
        precision: What it was built in, where the manifest says; else None.
        max_batch: The largest batch it runs; None where the batch is fixed.
        context_bytes: Device memory that it needs on each stream, at most.

    Raises:
        EngineMismatchError: The engine was built by another TensorRT or for another GPU.
        ModelError: The file is no engine, is damaged, or its inputs and outputs cannot be used.
        UnavailableError: The TensorRT that built it, or the GPU, is not here.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ordinal: int = 0,
        binding: Binding | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.device = f"cuda:{ordinal}"
        self.file = read_plan_file(self.path)
        self.runtime = self.file.runtime
        self.manifest = _beside(self.file)
        found = binding or tensorrt.binding(self.runtime)
        gpu = context(ordinal)
        # Code for the host is run of engines alone that edgert built so.
        asked = self.manifest.key.request if self.manifest else {}
        engine = load_engine(
            self.file,
            found,
            gpu,
            host_code=bool(asked.get("version_compatible")),
            dla_core=asked.get("dla_core", _dla_core(self.file)),
        )
        self._loaded = look_at(self.path, found, engine, gpu)
        self.inputs: tuple[TensorSpec, ...] = (self._loaded.input,)
        self.outputs = self._loaded.outputs
        notes = self.file.metadata or (self.manifest.metadata if self.manifest else {})
        self.metadata: Mapping[str, str] = notes
        self.precision = self.manifest.precision if self.manifest else None
        profiles = self._loaded.profiles
        is_open = self.inputs[0].shape[0] is None
        self.max_batch = max(p.most[0] for p in profiles) if is_open else None
        self.context_bytes = max((p.memory_bytes for p in profiles), default=0)
        self._on_host: _FromHost | None = None
        self._from_host = threading.Lock()

    def reserve(self, count: int) -> None:
        """Take at least so many bytes a lane: other engines are to work on the lanes' streams."""
        self._loaded.reserved_bytes = count

    @property
    def profiles(self) -> tuple[str, ...]:
        """The sizes that each optimisation profile takes, in words."""
        return tuple(map(str, self._loaded.profiles))

    def layers(self) -> tuple[Layer, ...]:
        """What the engine says of its layers; nothing where TensorRT's lean runtime loads it.

        Raises:
            ModelError: It says so in a form that edgert does not know.
        """
        found = self._loaded
        if not hasattr(found.binding.api, "EngineInspector"):
            return ()
        return layers_of(found.binding, found.engine)

    def check(self) -> None:
        """Run once, on grey, the smallest batch.

        Raises:
            ModelError: The run fails, or its outputs are not finite.
        """
        spec, least = self.inputs[0], self._loaded.profiles[0].least
        for output, found in zip(
            self.outputs, self.infer(np.full(least, 0.5, spec.dtype)), strict=True
        ):
            if not np.all(np.isfinite(found)):
                raise ModelError(
                    f"{self.path}: {output.name} of a grey picture is not finite: it cannot be "
                    f"what the model computes; build it anew, in another precision"
                )

    def infer(self, feed: Array) -> list[Array]:
        """Run once on a whole input array; returns all outputs as new arrays."""
        if feed.dtype != self.inputs[0].dtype:
            raise ModelError(f"{self.path}: found {feed.dtype}, expected {self.inputs[0]}")
        with self._from_host:
            on_host = self._on_host
            if on_host is None or on_host.shape != feed.shape:
                on_host = self._on_host = _FromHost(self._loaded, feed.shape)
            return on_host.infer(feed)

    def bind(self, feed: Array, outputs: Mapping[str, Array]) -> Run:
        """See `Network.bind`; what goes in and comes out is copied to and from the GPU."""
        names = [spec.name for spec in self.outputs]
        fixed = self.inputs[0].shape[0] is not None

        def run(batch: int) -> None:
            items = len(feed) if fixed else batch
            found = dict(zip(names, self.infer(feed[:items]), strict=True))
            for name, array in outputs.items():
                array[:items] = found[name]

        return run

    def bind_device(
        self, stream: int, feed: DeviceTensor, outputs: Sequence[tuple[str, DeviceTensor]]
    ) -> Run:
        """See `DeviceNetwork.bind_device`."""
        check_memory(self, feed, outputs)
        self._on_host = None  # it was for looking at the model: its memory is wanted elsewhere
        contexts = Contexts(self._loaded, stream, feed, dict(outputs))

        def run(batch: int) -> None:
            contexts.enqueue(items_of_run(self, feed, batch))

        return run


class _FromHost:
    """A binding to memory of its own, for inputs of one shape from the host."""

    def __init__(self, loaded: Loaded, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._gpu = loaded.gpu
        self._names = [spec.name for spec in loaded.outputs]
        self._feed = self._gpu.empty(shape, loaded.input.dtype)
        feed = DeviceTensor(loaded.input.dtype, shape, address_of(self._feed))
        self._contexts = Contexts(loaded, self._gpu.intake, feed, {})

    def infer(self, feed: Array) -> list[Array]:
        self._gpu.copy_from(self._feed, np.ascontiguousarray(feed))
        self._contexts.enqueue(self.shape[0])
        own, stream = self._contexts.own, self._gpu.intake
        return [host_copy(own[name], self._gpu, stream) for name in self._names]


def _beside(file: PlanFile) -> Manifest | None:
    """The manifest of an engine; None where there is none that is its own."""
    try:
        return manifest_of(file.path, file.offset + file.plan_bytes)
    except ModelError as error:
        wrong = str(error)
    warnings.warn(f"{wrong}; {file.path} is used without it", CacheWarning, stacklevel=3)
    return None


def _dla_core(file: PlanFile) -> int | None:
    """As Ultralytics' header notes it."""
    core = file.metadata.get("dla", "None")
    return int(core) if core.isdigit() else None
