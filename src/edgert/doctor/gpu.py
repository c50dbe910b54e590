"""NVIDIA's driver, the GPUs behind it, and what runs on them beside it."""

from __future__ import annotations

from collections.abc import Iterator

from edgert import installed
from edgert.devices import capability
from edgert.doctor.fact import Fact
from edgert.doctor.machine import Machine

__all__ = ["FACTS"]

_GIB = 1 << 30


def driver(machine: Machine) -> Iterator[Fact]:
    """The driver as edgert's own layer loads it, and its kernel module."""
    module = installed.kernel_module(machine.root)
    beside = f", kernel module {module}" if module else ""
    found = machine.driver_found
    if found.state == "ok":
        yield Fact("CUDA driver", f"brings CUDA {found.version}{beside}")
    elif not machine.has_nvidia_gpu:
        yield Fact("CUDA driver", f"{found.state}; no NVIDIA GPU was found either", "absent")
    else:
        yield Fact("CUDA driver", found.state + beside, "missing", _driver_fix(machine))


def devices(machine: Machine) -> Iterator[Fact]:
    """Each GPU, and which of edgert's kernels it gets."""
    for ordinal, (name, number, shared, size) in enumerate(machine.driver_found.devices):
        memory = f"{size / _GIB:.1f} GiB" + (" shared with the host" if shared else "")
        found = f"{name}, compute capability {capability(number)}, {memory}"
        if number < 75:
            yield Fact(f"GPU {ordinal}", f"{found}; edgert's kernels need 7.5 or later", "warning")
        elif (machine.kernels / f"edgert.sm_{number}.cubin").exists():
            yield Fact(f"GPU {ordinal}", f"{found}; kernels built for it")
        else:
            yield Fact(f"GPU {ordinal}", f"{found}; kernels of a related one, or from PTX")


def toolkit(machine: Machine) -> Iterator[Fact]:
    """CUDA's libraries. edgert needs none; ONNX Runtime's CUDA provider does."""
    if not machine.has_nvidia_gpu:
        return
    found = installed.cuda(machine.root, machine.version_of)
    if found:
        yield Fact("CUDA toolkit", str(found))
    else:
        yield Fact("CUDA toolkit", "none; edgert itself needs none", "absent")


def cudnn(machine: Machine) -> Iterator[Fact]:
    """cuDNN, which ONNX Runtime's CUDA provider needs. TensorRT from 10 on does not."""
    if not machine.has_nvidia_gpu:
        return
    found = installed.cudnn(machine.root, machine.architecture, machine.version_of)
    if found:
        yield Fact("cuDNN", str(found))
        return
    if machine.version_of("onnxruntime-gpu") is None:
        yield Fact("cuDNN", "none; only ONNX Runtime's CUDA provider needs it", "absent")
        return
    fix = "sudo apt install nvidia-cudnn" if machine.is_jetson else "pip install nvidia-cudnn-cu12"
    yield Fact("cuDNN", "none, and ONNX Runtime's CUDA provider needs it", "missing", fix)


def _driver_fix(machine: Machine) -> str:
    if machine.in_container:
        flag = "--runtime nvidia" if machine.is_jetson else "--gpus all"
        return f"start the container with: docker run {flag} ... (NVIDIA Container Toolkit)"
    if machine.is_jetson:
        return "sudo apt install nvidia-l4t-cuda"
    return "sudo ubuntu-drivers install, or https://www.nvidia.com/drivers; then restart"


FACTS = (driver, devices, toolkit, cudnn)
