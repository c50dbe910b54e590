"""From an engine file to TensorRT's engine, or to an error that says what does not fit and why."""

from __future__ import annotations

import re
from typing import Any

from edgert import _core
from edgert.devices import capability
from edgert.engines.plan_file import PlanFile
from edgert.engines.tensorrt import Binding, trt
from edgert.errors import EngineMismatchError, ModelError

__all__ = ["load_engine", "make_runtime"]

# TensorRT's words where an engine and the machine do not fit: what is expected is the machine's.
_DEVICE = re.compile(r"expecting compute (\S+) got compute ([\d.]*\d)")
_PLATFORM = re.compile(r"[Pp]latform specific tag mismatch")
_MEMORY = re.compile(r"out of memory|OutOfMemory|cudaError 2:", re.IGNORECASE)


def make_runtime(
    binding: Binding, *, host_code: bool = False, dla_core: int | None = None
) -> trt.Runtime:
    """What deserialises engines.

    Args:
        binding: TensorRT.
        host_code: Allow code for the host in an engine: a version-compatible engine brings the
            part of TensorRT that runs it.
        dla_core: The DLA core that an engine was built for; None: it was built for the GPU.
    """
    runtime: trt.Runtime = binding.api.Runtime(binding.log.sink)
    if host_code:
        runtime.engine_host_code_allowed = True
    if dla_core is not None:
        runtime.DLA_core = dla_core
    return runtime


def load_engine(
    file: PlanFile,
    binding: Binding,
    gpu: _core.CudaContext,
    *,
    host_code: bool = False,
    dla_core: int | None = None,
) -> trt.ICudaEngine:
    """Deserialise on a GPU; its context becomes the thread's.

    Args:
        file: The engine's file.
        binding: The TensorRT that is to run it.
        gpu: The device.
        host_code: See `make_runtime`.
        dla_core: Likewise.

    Raises:
        EngineMismatchError: It was built by another TensorRT, for another GPU or platform.
        ModelError: It cannot be loaded for another reason.
    """
    free_bytes, _ = gpu.memory  # makes its context current, in which TensorRT works
    with binding.log.record() as record:
        runtime = make_runtime(binding, host_code=host_code, dla_core=dla_core)
        plan = file.plan()
        _check_validity(file, binding, gpu, runtime, plan)
        engine: trt.ICudaEngine | None = runtime.deserialize_cuda_engine(plan)
        if engine is not None:
            return engine
        said = record.said("INTERNAL_ERROR", "ERROR")
    raise _explain(file, binding, gpu, said, free_bytes)


def _check_validity(
    file: PlanFile, binding: Binding, gpu: _core.CudaContext, runtime: Any, plan: bytes
) -> None:
    """TensorRT-RTX tells from the first bytes what does not fit; TensorRT has no such function."""
    if not hasattr(runtime, "get_engine_validity"):
        return
    validity, reasons = runtime.get_engine_validity(plan[: runtime.engine_header_size])
    if validity != binding.api.EngineValidity.INVALID:
        return
    kinds = binding.api.EngineInvalidityDiagnostics
    found = [name for name, kind in kinds.__members__.items() if int(kind) & int(reasons)]
    if not found:
        return  # deserialising has words for it
    if "VERSION_MISMATCH" in found or "UNSUPPORTED_CC" in found:
        raise _mismatch(file, binding, gpu)
    raise ModelError(
        f"{file.path}: {binding.title} cannot run it on {_device(gpu)}: "
        f"{', '.join(name.lower().replace('_', ' ') for name in found)}"
    )


def _explain(
    file: PlanFile, binding: Binding, gpu: _core.CudaContext, said: str, free_bytes: int
) -> ModelError:
    device = _DEVICE.search(said)
    if device:
        return _mismatch(file, binding, gpu, built_for=device[2])
    if _PLATFORM.search(said):
        return _mismatch(file, binding, gpu, built="TensorRT for another operating system or CPU")
    if _MEMORY.search(said):
        return ModelError(
            f"{file.path}: out of memory while loading an engine of {file.plan_bytes / 1e6:.1f} MB "
            f"on {_device(gpu)}, of which {free_bytes / 1e6:.0f} MB were free: {said}"
        )
    if not _same_version(file.version, binding.version):
        return _mismatch(file, binding, gpu)
    return ModelError(
        f"{file.path}: {binding.title} cannot load it: {said or 'no reason given'}; the file may "
        f"be damaged: build it anew with edgert build"
    )


def _mismatch(
    file: PlanFile,
    binding: Binding,
    gpu: _core.CudaContext,
    *,
    built: str | None = None,
    built_for: str | None = None,
) -> EngineMismatchError:
    built = built or file.builder
    capabilities = (built_for,) if built_for else file.compute_capabilities
    if capabilities:
        built += f" for compute capability {', '.join(capabilities)}"
    found = f"{binding.title} on {_device(gpu)}"
    return EngineMismatchError(
        f"{file.path}: built with {built}, but found {found}. An engine runs only where it was "
        f"built for: build it here, from its ONNX model, with edgert build MODEL.onnx",
        built,
        found,
    )


def _device(gpu: _core.CudaContext) -> str:
    return f"{gpu.name}, compute capability {capability(gpu.compute_capability)}"


def _same_version(plan: str, package: str) -> bool:
    """A plan says 10.3.0.30, JetPack's package 10.3.0, another 10.3.0.30.post1."""
    return all(a == b for a, b in zip(plan.split("."), package.split("."), strict=False))
