"""A loaded engine: its inputs and outputs, its profiles, and what contexts are made with."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgert import _core
from edgert.engines.base import TensorSpec
from edgert.engines.tensorrt import Binding, sizes, trt
from edgert.errors import ModelError

__all__ = ["Loaded", "Profile", "Shape", "look_at"]

Shape = tuple[int, ...]

# TensorRT's names of types. NumPy has neither bfloat16 nor what is smaller than a byte.
_DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT32": np.int32,
    "INT64": np.int64,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}


@dataclass(frozen=True)
class Profile:
    """The sizes that one of an engine's optimisation profiles takes, and the memory that needs."""

    index: int
    least: Shape
    best: Shape
    most: Shape
    memory_bytes: int

    def takes(self, shape: Shape) -> bool:
        """Whether an input of this shape lies within the profile."""
        return len(shape) == len(self.least) and all(
            low <= size <= high
            for low, size, high in zip(self.least, shape, self.most, strict=True)
        )

    def __str__(self) -> str:
        least, best, most = (
            " x ".join(map(str, shape)) for shape in (self.least, self.best, self.most)
        )
        return most if least == most else f"{least} to {most}, at its best at {best}"


@dataclass(frozen=True)
class Settings:
    """What contexts are made with, and what that needs to live."""

    value: Any
    compiled: Any = None


@dataclass
class Loaded:
    """An engine on a device, and what its bindings have in common."""

    path: str
    binding: Binding
    engine: trt.ICudaEngine
    gpu: _core.CudaContext
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    profiles: tuple[Profile, ...]
    settings: Settings
    # TensorRT's objects are not made for two threads at once; contexts of one engine are made one
    # after another, and run side by side.
    lock: threading.Lock
    # What others on the same streams are going to need.
    reserved_bytes: int = 0

    def profile(self, shape: Shape) -> Profile:
        """The profile for inputs of a shape: that of the smallest batch that is at its best there.

        Raises:
            ModelError: No profile takes it.
        """
        fits = [profile for profile in self.profiles if profile.takes(shape)]
        if not fits:
            kept = "; ".join(dict.fromkeys(map(str, self.profiles)))
            raise ModelError(
                f"{self.path}: a run on {shape[0]} items of {' x '.join(map(str, shape[1:]))} was "
                f"asked for, but the engine was built for {kept}; build it anew for what it is to "
                f"run: edgert build --max-batch"
            )
        return min(fits, key=lambda p: (p.best[0] < shape[0], abs(p.best[0] - shape[0])))

    def memory_bytes(self, shape: Shape) -> int:
        """What the contexts of one binding need, whatever batch up to the shape's they run."""
        within = [p for p in self.profiles if p.least[0] <= shape[0]]
        return max((p.memory_bytes for p in within), default=0)


def look_at(path: str, binding: Binding, engine: trt.ICudaEngine, gpu: _core.CudaContext) -> Loaded:
    """What has to be known of an engine to run it.

    Raises:
        ModelError: Its inputs or outputs are not arrays in a GPU's memory, or not of one input.
    """
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    is_input = {
        name: engine.get_tensor_mode(name) == binding.api.TensorIOMode.INPUT for name in names
    }
    specs = {name: _spec(path, binding, engine, name) for name in names}
    inputs = [specs[name] for name in names if is_input[name]]
    if len(inputs) != 1:
        found = "; ".join(map(str, inputs)) or "none"
        raise ModelError(f"{path}: expected one image input (N, 3, H, W), found {found}")
    return Loaded(
        path=path,
        binding=binding,
        engine=engine,
        gpu=gpu,
        input=inputs[0],
        outputs=tuple(specs[name] for name in names if not is_input[name]),
        profiles=_profiles(engine, inputs[0]),
        settings=_settings(binding, engine),
        lock=threading.Lock(),
    )


def _spec(path: str, binding: Binding, engine: trt.ICudaEngine, name: str) -> TensorSpec:
    if engine.get_tensor_location(name) != binding.api.TensorLocation.DEVICE:
        raise ModelError(
            f"{path}: {name} is in the host's memory (a shape, not a picture), expected inputs and "
            f"outputs on the GPU; export the model without inputs of shapes"
        )
    dtype = _DTYPES.get(engine.get_tensor_dtype(name).name, np.object_)
    shape = tuple(size if size >= 0 else None for size in sizes(engine.get_tensor_shape(name)))
    return TensorSpec(name, np.dtype(dtype), shape)


def _profiles(engine: trt.ICudaEngine, spec: TensorSpec) -> tuple[Profile, ...]:
    fixed = tuple(size for size in spec.shape if size is not None)
    profiles = []
    for index in range(engine.num_optimization_profiles):
        least = best = most = fixed
        if len(fixed) < len(spec.shape):
            shapes = engine.get_tensor_profile_shape(spec.name, index)
            least, best, most = map(sizes, shapes)
        memory = engine.get_device_memory_size_for_profile_v2(index)
        profiles.append(Profile(index, least, best, most, int(memory)))
    return tuple(profiles)


def _settings(binding: Binding, engine: trt.ICudaEngine) -> Settings:
    """Contexts get their memory from us, so that it is known before the first run."""
    strategy = binding.api.ExecutionContextAllocationStrategy.USER_MANAGED
    if binding.runtime == "tensorrt":
        return Settings(strategy)
    config: Any = engine.create_runtime_config()
    config.set_execution_context_allocation_strategy(strategy)
    # TensorRT-RTX compiles where it runs. Lazily it would record the kernels that bridge the time
    # until the right ones are there; edgert's warm-up runs are the place to wait for those.
    kinds = binding.api.DynamicShapesKernelSpecializationStrategy
    config.dynamic_shapes_kernel_specialization_strategy = kinds.EAGER
    # edgert records more than the network, itself.
    config.cuda_graph_strategy = binding.api.CudaGraphStrategy.DISABLED
    # What one lane has compiled serves the others.
    compiled = config.create_runtime_cache()
    config.set_runtime_cache(compiled)
    return Settings(config, compiled)
