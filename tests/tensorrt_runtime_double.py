"""A TensorRT on the fake driver: its names, its order of calls, its answers; ONNX Runtime works.

`double("tensorrt", "10.3.0")` and `double("tensorrt-rtx", "1.7.1.116")` are bindings as edgert
meets them; `write_engine` makes engines of .onnx files that these load, as the builders would.
What the real classes refuse is refused, in their words where they are known; what they allow and
must not be done (a context on two streams at once, memory shared by what runs at once, a context
changed under what was recorded of it) is noted as a violation, which a test looks at.

test_tensorrt_runtime_double.py compares names and signatures with those of the real classes.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

from edgert.engines.onnxruntime import open_content, session_options
from edgert.engines.plan_file import _HEAD
from edgert.engines.tensorrt import Binding, Log
from tensorrt_context_double import IExecutionContext
from tensorrt_runtime_names import (
    DTYPES,
    CudaGraphStrategy,
    DataType,
    DynamicShapesKernelSpecializationStrategy,
    EngineInvalidityDiagnostics,
    EngineValidity,
    ExecutionContextAllocationStrategy,
    ILogger,
    LayerInformationFormat,
    Severity,
    TensorIOMode,
    TensorLocation,
)

_MAGIC = {"tensorrt": b"ftrt", "tensorrt-rtx": b"vtrt"}
_RTX_KNOWS = ["7.5", "8.0", "8.6", "8.9", "12.0", "12.1"]


def write_engine(
    path,
    onnx,
    runtime="tensorrt",
    version="10.3.0.30",
    profiles=(((1, 4), 4),),
    capability="8.7",
    header=None,
    memory_bytes=4096,
    changes=(),
):
    """An engine file of the double: the model, and what a builder would have decided.

    `profiles`: ((least, most), best) of the batch, each; `memory_bytes`: per item of its most.
    """
    session = _session(onnx.read_bytes())
    shape = session.get_inputs()[0].shape
    fixed = isinstance(shape[0], int)
    said = {
        "profiles": [
            [[1 if not fixed else shape[0], *shape[1:]]] * 3
            if fixed
            else [[low, *shape[1:]], [best, *shape[1:]], [high, *shape[1:]]]
            for (low, high), best in profiles
        ],
        "memory_bytes": memory_bytes,
        "capability": capability,
        **dict(changes),
    }
    content = json.dumps(said).encode()
    body = struct.pack("<I", len(content)) + content + onnx.read_bytes()
    numbers = [int(part) for part in version.split(".")]
    bits = 1 << _RTX_KNOWS.index(capability) if capability in _RTX_KNOWS else 0
    magic = _MAGIC[runtime]
    head = _HEAD.pack(magic, 2, _HEAD.size + len(body), *numbers, magic, bits)
    before = b""
    if header is not None:
        text = json.dumps(header).encode()
        before = len(text).to_bytes(4, "little") + text
    path.write_bytes(before + head + body)
    return path


def double(runtime: str, version: str) -> tuple[Binding, World]:
    """A binding as `edgert.engines.tensorrt.binding` gives, and what happens behind it."""
    world = World(runtime, version)
    api = world.api()
    return Binding(api, runtime, version, Log(api), threading.RLock()), world


def _session(content: bytes):
    return open_content(content, "double", session_options(1), ["CPUExecutionProvider"])


@dataclass
class World:
    """One TensorRT: its version, its log, and what was done that must not be."""

    runtime: str
    version: str
    capability: str = "8.7"
    violations: list[str] = field(default_factory=list)
    contexts: list[IExecutionContext] = field(default_factory=list)
    failing: str = ""  # what execute_async_v3 fails with
    broken_plan: str = ""  # what deserialising fails with
    dla_core: int = -1  # at the last engine, and host code
    host_code_allowed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    busy: list = field(default_factory=list)  # (context, stream, first byte, last byte) at work

    def __post_init__(self) -> None:
        self.driver = ctypes.CDLL(os.environ["EDGERT_LIBCUDA"])
        self.logger = None

    def api(self) -> SimpleNamespace:
        world = self

        class OfThisWorld(Runtime if self.runtime == "tensorrt" else RtxRuntime):
            def __init__(self, logger) -> None:
                world.logger = logger
                super().__init__(world)

        rtx = [EngineValidity, EngineInvalidityDiagnostics, CudaGraphStrategy]
        rtx += [DynamicShapesKernelSpecializationStrategy]
        kinds = [TensorIOMode, TensorLocation, DataType, ILogger]
        kinds += [EngineInspector, LayerInformationFormat]
        kinds += [ExecutionContextAllocationStrategy, *(rtx if self.is_rtx else [])]
        names = {kind.__name__: kind for kind in kinds}
        return SimpleNamespace(__version__=self.version, Runtime=OfThisWorld, **names)

    @property
    def is_rtx(self) -> bool:
        return self.runtime == "tensorrt-rtx"

    def error(self, text: str) -> bool:
        self.logger.log(Severity.ERROR, text)
        return False

    def violate(self, text: str) -> None:
        with self.lock:
            self.violations.append(text)

    def capturing(self, stream: int) -> bool:
        state = ctypes.c_int()
        pointers = [None] * 4
        status = self.driver.cuStreamGetCaptureInfo_v2(
            ctypes.c_void_p(stream), ctypes.byref(state), *pointers
        )
        assert status == 0, status
        return state.value == 1


class Runtime:
    engine_host_code_allowed = False
    DLA_core = -1

    def __init__(self, world: World) -> None:
        self._world = world

    def deserialize_cuda_engine(self, serialized_engine):
        world, plan = self._world, bytes(serialized_engine)
        _, _, size, *numbers, _, _ = _HEAD.unpack(plan[: _HEAD.size])
        version = ".".join(map(str, numbers))
        (length,) = struct.unpack_from("<I", plan, _HEAD.size)
        start = _HEAD.size + 4
        said = json.loads(plan[start : start + length])
        wrong = world.broken_plan
        if plan[:4] != _MAGIC[world.runtime]:
            wrong = "Serialization assertion header.magicTag == kEXPECTED_MAGIC_TAG failed."
        elif size != len(plan):
            wrong = "Serialization assertion plan.header.size == blobSize failed."
        elif not wrong and not version.startswith(world.version):
            wrong = (
                "The engine plan file is not compatible with this version of TensorRT, expecting "
                f"library version {world.version} got {version}, please rebuild."
            )
        elif not wrong and said["capability"] != world.capability:
            wrong = (
                "The engine plan file is generated on an incompatible device, expecting compute "
                f"{world.capability} got compute {said['capability']}, please rebuild."
            )
        if wrong:
            world.error(f"IRuntime::deserializeCudaEngine: Error Code 1: Serialization ({wrong})")
            return None
        world.dla_core = self.DLA_core
        world.host_code_allowed = self.engine_host_code_allowed
        made = RtxEngine if world.is_rtx else ICudaEngine
        return made(world, said, plan[start + length :])


class RtxRuntime(Runtime):
    engine_header_size = _HEAD.size

    def get_engine_validity(self, buffer):
        _, _, _, *numbers, _, bits = _HEAD.unpack(bytes(buffer)[: _HEAD.size])
        kinds, reasons = EngineInvalidityDiagnostics, 0
        if ".".join(map(str, numbers)) != self._world.version:
            reasons |= kinds.VERSION_MISMATCH
        if not any(
            bits >> i & 1 and name == self._world.capability for i, name in enumerate(_RTX_KNOWS)
        ):
            reasons |= kinds.UNSUPPORTED_CC
        return (EngineValidity.INVALID if reasons else EngineValidity.VALID), int(reasons)


class ICudaEngine:
    def __init__(self, world: World, said: dict, onnx: bytes) -> None:
        self._world, self._said = world, said
        self._session = _session(onnx)
        self._inputs = {value.name: value for value in self._session.get_inputs()}
        self._outputs = {value.name: value for value in self._session.get_outputs()}
        self._names = [*self._inputs, *self._outputs]

    @property
    def num_io_tensors(self) -> int:
        return len(self._names)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._said["profiles"])

    def get_device_memory_size_for_profile_v2(self, profile_index) -> int:
        return self._said["memory_bytes"] * self._said["profiles"][profile_index][2][0]

    def get_tensor_name(self, index) -> str:
        return self._names[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_location(self, name):
        return TensorLocation[self._said.get("location", "DEVICE")]

    def get_tensor_dtype(self, name):
        return DTYPES[self._value(name).type][0]

    def get_tensor_shape(self, name):
        return tuple(size if isinstance(size, int) else -1 for size in self._value(name).shape)

    def get_tensor_profile_shape(self, name, profile_index):
        return [tuple(shape) for shape in self._said["profiles"][profile_index]]

    def create_engine_inspector(self):
        return EngineInspector(self._said.get("layers", []))

    def create_execution_context(self, strategy=ExecutionContextAllocationStrategy.STATIC):
        return self._context(strategy)

    def _context(self, strategy):
        if strategy is not ExecutionContextAllocationStrategy.USER_MANAGED:
            self._world.violate(f"memory nobody knows of: {strategy}")
        made = IExecutionContext(self._world, self)
        self._world.contexts.append(made)
        return made

    def _value(self, name):
        return self._inputs.get(name) or self._outputs[name]


class EngineInspector:
    def __init__(self, layers) -> None:
        self._layers = layers

    def get_engine_information(self, format):
        assert format is LayerInformationFormat.JSON
        return json.dumps({"Layers": self._layers, "Bindings": []})


class RtxEngine(ICudaEngine):
    def create_runtime_config(self):
        return IRuntimeConfig()

    def create_execution_context(self, runtime_config=None):
        kinds = DynamicShapesKernelSpecializationStrategy
        if runtime_config.dynamic_shapes_kernel_specialization_strategy is not kinds.EAGER:
            self._world.violate("kernels that only bridge the time would be recorded")
        if runtime_config.cuda_graph_strategy is not CudaGraphStrategy.DISABLED:
            self._world.violate("a graph within a graph")
        return self._context(runtime_config._strategy)


class IRuntimeConfig:
    def __init__(self) -> None:
        self._strategy = ExecutionContextAllocationStrategy.STATIC
        self.dynamic_shapes_kernel_specialization_strategy = (
            DynamicShapesKernelSpecializationStrategy.LAZY
        )
        self.cuda_graph_strategy = CudaGraphStrategy.DISABLED
        self._cache = None

    def set_execution_context_allocation_strategy(self, strategy) -> None:
        self._strategy = strategy

    def create_runtime_cache(self):
        return IRuntimeCache()

    def set_runtime_cache(self, cache) -> bool:
        self._cache = cache
        return True


class IRuntimeCache:
    pass
