"""What an engine depends on besides its model: TensorRT, the GPU, the driver, CUDA."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

from edgert import installed
from edgert.engines.tensorrt import Binding, binding
from edgert.errors import UnavailableError

__all__ = ["choose", "enter", "environment", "gpu_capability", "versions"]

_ROOT = Path("/")


def choose(runtime: str, compute_capability: str | None, ordinal: int = 0) -> tuple[Binding, str]:
    """The TensorRT to build with, and the compute capability to build for.

    Args:
        runtime: "tensorrt", "tensorrt-rtx", or "auto": TensorRT-RTX where the GPU that is named is
            not the one that is here, since it alone builds ahead of time; else what is here.
        compute_capability: Such as "8.6"; None: of the GPU that is here.
        ordinal: Which GPU that is.

    Raises:
        UnavailableError: The package is not here, or no GPU to build for.
        ValueError: The runtime is unknown, or builds only for the GPU that is here.
    """
    here = gpu_capability(ordinal)
    if runtime == "auto" and compute_capability not in (None, here):
        runtime = "tensorrt-rtx"
    bound = binding(runtime)
    if bound.runtime == "tensorrt-rtx":
        if compute_capability is None and here is None:
            raise UnavailableError(
                f"no GPU to build for ({_why_no_gpu()}): name the compute capability of the one "
                f"that will run the engine (compute_capability='8.6', --compute-capability 8.6)"
            )
        return bound, compute_capability or str(here)
    if here is None:
        raise UnavailableError(
            f"{bound.title} builds on the GPU that will run the engine, and finds none "
            f"({_why_no_gpu()}); TensorRT-RTX builds ahead of time "
            f"(runtime='tensorrt-rtx', compute_capability='8.6')"
        )
    if compute_capability not in (None, here):
        raise ValueError(
            f"compute_capability is {compute_capability!r}, but {bound.title} builds for the GPU "
            f"that is here, {here}; build on the other machine, or with runtime='tensorrt-rtx'"
        )
    return bound, here


def gpu_capability(ordinal: int = 0) -> str | None:
    """Of a GPU, such as "8.7"; None where it is not here, or edgert cannot use it."""
    from edgert.devices import capability, context, cuda_state

    if cuda_state() != "ok":
        return None
    try:
        return capability(context(ordinal).compute_capability)
    except UnavailableError:
        return None


def environment(bound: Binding, compute_capability: str, ordinal: int = 0) -> dict[str, str | None]:
    """What an engine runs in; where any of it is another, it is built anew.

    Returns:
        "version" of the runtime, "compute_capability", and "driver" and "gpu", which are None where
        the engine is for a GPU that is not here. TensorRT's kernels are chosen on one model of GPU;
        TensorRT-RTX's are for all of a compute capability, and "gpu" is None.
    """
    from edgert.devices import context

    ahead = compute_capability != gpu_capability(ordinal)
    own = bound.runtime == "tensorrt" and not ahead
    return {
        "version": bound.version,
        "compute_capability": compute_capability,
        "driver": None if ahead else installed.driver(_ROOT),
        "gpu": context(ordinal).name if own else None,
    }


def enter(ordinal: int) -> None:
    """Make a GPU the one that TensorRT builds on in this thread; nothing without a GPU."""
    from edgert.devices import context

    if gpu_capability(ordinal) is not None:
        _ = context(ordinal).memory  # asks the driver in the GPU's context, which stays current


def versions(bound: Binding) -> Mapping[str, str | None]:
    """Of edgert, TensorRT, CUDA and cuDNN; None where one is not found."""
    from edgert import __version__

    cuda, cudnn = installed.cuda(_ROOT), installed.cudnn(_ROOT, platform.machine())
    return {
        "edgert": __version__,
        bound.runtime: bound.version,
        "cuda": None if cuda is None else cuda.version,
        "cudnn": None if cudnn is None else cudnn.version,
        "driver": installed.driver(_ROOT),
    }


def _why_no_gpu() -> str:
    from edgert.devices import cuda_state

    state = cuda_state()
    return "edgert has no kernels for it" if state == "ok" else state
