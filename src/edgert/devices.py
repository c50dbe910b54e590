"""GPUs: one context for each that is used, and arrays that are there already."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgert import _core

__all__ = [
    "KERNELS",
    "address_of",
    "capabilities",
    "capability",
    "context",
    "cuda_state",
    "describe",
    "device_array",
    "host_copy",
    "on_device",
    "ordinal_of",
    "place_of",
]

KERNELS = Path(__file__).parent / "kernels"
"""Folder of the compiled kernels: a cubin for each architecture, and PTX for later ones."""

# DLPack's numbers of devices.
_DLPACK_CUDA = (2, 13)


@functools.cache
def context(ordinal: int) -> _core.CudaContext:
    """The GPU's context with edgert's kernels in it, one for the process.

    Raises:
        UnavailableError: No driver, no such device, or no kernel for it.
    """
    return _core.CudaContext(ordinal, str(KERNELS))


def cuda_state() -> str:
    """ "ok", or why no GPU can be used. Loads the driver if there is one, and takes up no GPU."""
    if not any(KERNELS.glob("edgert.*")):
        return (
            "this build of edgert carries no kernels: NVRTC was not there when it was built; "
            "install a wheel, or build with nvidia-cuda-nvrtc-cu12 installed"
        )
    return _core.cuda_driver_state()


def ordinal_of(device: str) -> int:
    """The number in "cuda:0"; 0 for "cuda".

    Raises:
        ValueError: It is no name of a GPU.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number.isdigit() or not number):
        raise ValueError(f"device is {device!r}, expected 'auto', 'cpu' or 'cuda:0'")
    return int(number or 0)


def place_of(item: Any) -> str:
    """Where an array is: "cpu" or "cuda:0"."""
    if isinstance(item, _core.DeviceArray):
        return item.device
    if hasattr(item, "__dlpack_device__"):
        kind, ordinal = item.__dlpack_device__()
        return f"cuda:{ordinal}" if kind in _DLPACK_CUDA else "cpu"
    return "cuda:0" if hasattr(item, "__cuda_array_interface__") else "cpu"


def on_device(image: Any, gpu: _core.CudaContext | None) -> Any:
    """A frame as the native pipeline takes it.

    Args:
        image: In host memory, or a tensor with DLPack or `__cuda_array_interface__` in a GPU's,
            which is not copied.
        gpu: Where the pipeline works; None: on the CPU.

    Raises:
        ValueError: It is on a device on which the pipeline does not work.
    """
    place = place_of(image)
    if place == "cpu":
        return image
    mine = "the CPU" if gpu is None else f"cuda:{gpu.ordinal}"
    if gpu is None or place != mine:
        raise ValueError(
            f"frame: found an array on {place}, but the pipeline works on {mine}; "
            f"give one of the host, or make the pipeline with device={place!r}"
        )
    return device_array(image, gpu)


def device_array(item: Any, gpu: _core.CudaContext) -> _core.DeviceArray:
    """Sees an array in a GPU's memory, without a copy, once what writes it now is done."""
    if isinstance(item, _core.DeviceArray):
        return item
    if hasattr(item, "__dlpack__"):
        # Its owner makes our stream wait for whatever still writes it.
        return gpu.from_dlpack(item.__dlpack__(stream=gpu.intake))
    return gpu.from_interface(item)


def address_of(array: _core.DeviceArray) -> int:
    """Where an array begins in a GPU's memory."""
    return int(array.__cuda_array_interface__["data"][0])


def host_copy(array: _core.DeviceArray, gpu: _core.CudaContext, stream: int) -> NDArray[Any]:
    """What an array holds once a stream, which writes it, is that far."""
    return gpu.from_interface(_WrittenOn(array, stream)).numpy()


def capability(number: int) -> str:
    """A compute capability as NVIDIA writes it: "8.7" of 87."""
    return f"{number // 10}.{number % 10}"


def capabilities() -> list[str]:
    """The compute capability of each GPU; none is opened for it."""
    return [capability(number) for _, number, *_ in _core.cuda_devices()]


def describe(gpu: _core.CudaContext) -> str:
    """Such as "cuda:0 Orin, sm_87, memory shared with the host"."""
    shared = ", memory shared with the host" if gpu.integrated else ""
    return f"cuda:{gpu.ordinal} {gpu.name}, sm_{gpu.compute_capability}{shared}"


class _WrittenOn:
    """An array with the stream on which it is still being written."""

    def __init__(self, array: _core.DeviceArray, stream: int) -> None:
        self._array = array
        self.__cuda_array_interface__ = {**array.__cuda_array_interface__, "stream": stream}
