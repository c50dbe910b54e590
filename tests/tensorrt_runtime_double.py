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
import enum
import json
import os
import struct
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from device_driver import HostFunction
from edgert.engines.onnxruntime import open_content, session_options
from edgert.engines.plan_file import _HEAD
from edgert.engines.tensorrt import Binding, Log

_MAGIC = {"tensorrt": b"ftrt", "tensorrt-rtx": b"vtrt"}
_ALIGNMENT = 256


def write_engine(
    path,
    onnx,
    runtime="tensorrt",
    version="10.3.0.30",
    profiles=(((1, 4), 4),),
    capability="8.7",
    header=None,
    memory_bytes=4096,
    weights=None,
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
    known = ["7.5", "8.0", "8.6", "8.9", "12.0", "12.1"]
    bits = 1 << known.index(capability) if capability in known else 0
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


# ---- what they are called


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class TensorLocation(enum.Enum):
    DEVICE, HOST = range(2)


class DataType(enum.Enum):
    FLOAT, HALF, INT8, INT32, BOOL, UINT8, FP8, BF16, INT64 = range(9)


class ExecutionContextAllocationStrategy(enum.Enum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class EngineValidity(enum.IntEnum):
    VALID, SUBOPTIMAL, INVALID = range(3)


class EngineInvalidityDiagnostics(enum.IntEnum):
    VERSION_MISMATCH = 1
    UNSUPPORTED_CC = 2
    OLD_CUDA_DRIVER = 4
    OLD_CUDA_RUNTIME = 8
    INSUFFICIENT_GPU_MEMORY = 16
    MALFORMED_ENGINE = 32
    CUDA_ERROR = 64


class DynamicShapesKernelSpecializationStrategy(enum.Enum):
    LAZY, EAGER, NONE = range(3)


class CudaGraphStrategy(enum.Enum):
    DISABLED, WHOLE_GRAPH_CAPTURE = range(2)


class LayerInformationFormat(enum.Enum):
    ONELINE, JSON = range(2)


class Severity(enum.Enum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class ILogger:
    Severity = Severity

    def __init__(self) -> None:
        pass

    def log(self, severity, msg) -> None:
        raise NotImplementedError


_DTYPES = {
    "tensor(float)": (DataType.FLOAT, np.float32),
    "tensor(float16)": (DataType.HALF, np.float16),
    "tensor(int64)": (DataType.INT64, np.int64),
}


# ---- what is behind them


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
        magic = _MAGIC[world.runtime]
        if world.broken_plan:
            return world.error(world.broken_plan) or None
        if plan[:4] != magic:
            return (
                world.error(
                    "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization "
                    "assertion header.magicTag == kEXPECTED_MAGIC_TAG failed.)"
                )
                or None
            )
        _, _, size, *numbers, _, _ = _HEAD.unpack(plan[: _HEAD.size])
        if size != len(plan):
            return (
                world.error(
                    "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization "
                    "assertion plan.header.size == blobSize failed.)"
                )
                or None
            )
        version = ".".join(map(str, numbers))
        if not version.startswith(world.version):
            return (
                world.error(
                    "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (The engine plan "
                    "file is not compatible with this version of TensorRT, expecting library "
                    f"version {world.version} got {version}, please rebuild.)"
                )
                or None
            )
        world.dla_core = self.DLA_core
        world.host_code_allowed = self.engine_host_code_allowed
        (length,) = struct.unpack_from("<I", plan, _HEAD.size)
        start = _HEAD.size + 4
        said = json.loads(plan[start : start + length])
        if said["capability"] != world.capability:
            return (
                world.error(
                    "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine "
                    "plan file is generated on an incompatible device, expecting compute "
                    f"{world.capability} got compute {said['capability']}, please rebuild.)"
                )
                or None
            )
        made = RtxEngine if world.is_rtx else ICudaEngine
        return made(world, said, plan[start + length :])


class RtxRuntime(Runtime):
    engine_header_size = _HEAD.size

    def get_engine_validity(self, buffer):
        _, _, _, *numbers, _, bits = _HEAD.unpack(bytes(buffer)[: _HEAD.size])
        kinds, reasons = EngineInvalidityDiagnostics, 0
        if ".".join(map(str, numbers)) != self._world.version:
            reasons |= kinds.VERSION_MISMATCH
        known = ["7.5", "8.0", "8.6", "8.9", "12.0", "12.1"]
        if not any(
            bits >> i & 1 and name == self._world.capability for i, name in enumerate(known)
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

    @property
    def device_memory_size_v2(self) -> int:
        count = self.num_optimization_profiles
        return max(self.get_device_memory_size_for_profile_v2(index) for index in range(count))

    def get_device_memory_size_for_profile_v2(self, profile_index) -> int:
        return self._said["memory_bytes"] * self._said["profiles"][profile_index][2][0]

    def get_tensor_name(self, index) -> str:
        return self._names[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_location(self, name):
        return TensorLocation[self._said.get("location", "DEVICE")]

    def get_tensor_dtype(self, name):
        return _DTYPES[self._value(name).type][0]

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


class IExecutionContext:
    def __init__(self, world: World, engine: ICudaEngine) -> None:
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
        dtype = np.dtype(_DTYPES[context._engine._value(name).type][1])
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
