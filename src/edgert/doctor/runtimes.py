"""What can run a model here: TensorRT of the system and of this Python, and `backends()`."""

from __future__ import annotations

from collections.abc import Iterator

from edgert import installed
from edgert.doctor.fact import Fact, State
from edgert.doctor.machine import Machine

__all__ = ["FACTS"]

_RTX_MODULES = ("tensorrt_rtx", "tensorrt_rtx_bindings")
_RTX_PACKAGES = ("tensorrt-rtx", "tensorrt-rtx-cu13-bindings", "tensorrt-rtx-cu12-bindings")
# Any of these is enough to run on a GPU; TensorRT-RTX is for RTX cards alone, and ONNX Runtime has
# no package with CUDA for JetPack 6.
_ON_GPU = ("tensorrt", "onnxruntime:cuda", "tensorrt-rtx")
_IMAGE = "start from an image that has it (JetPack 6: nvcr.io/nvidia/l4t-jetpack:r36.4.0)"


def tensorrt_library(machine: Machine) -> Iterator[Fact]:
    """The system's libnvinfer."""
    found = installed.library(machine.root, machine.architecture, "libnvinfer")
    if found:
        yield Fact("TensorRT library", str(found))
    elif machine.is_jetson:
        where = "this container" if machine.in_container else "the system"
        fix = _IMAGE if machine.in_container else "sudo apt install tensorrt python3-libnvinfer"
        yield Fact("TensorRT library", f"no libnvinfer in {where}", "missing", fix)


def tensorrt_package(machine: Machine) -> Iterator[Fact]:
    """TensorRT for this Python; also where it is there, but out of this Python's sight."""
    python = machine.python
    mine = f"Python {python.version[0]}.{python.version[1]}"
    if machine.has_module("tensorrt"):
        version = machine.version_of("tensorrt") or "of unknown version"
        yield Fact("TensorRT for Python", f"{version}, for {mine}")
        return
    places = {
        version: f"/{path.relative_to(machine.root)}"
        for version, path in installed.of_system_pythons(
            machine.root, "tensorrt", python.version[1]
        ).items()
    }
    if python.version in places and python.environment:
        yield Fact(
            "TensorRT for Python",
            f"{places[python.version]} is there, but the virtual environment "
            f"{python.environment} hides the system's packages",
            "missing",
            f"sed -i 's/\\(include-system-site-packages =\\).*/\\1 true/' "
            f"{python.environment}/pyvenv.cfg",
        )
    elif python.version in places:
        yield Fact(
            "TensorRT for Python",
            f"{places[python.version]} is there, but {python.executable} does not look there",
            "missing",
            f"/usr/bin/python3 -m venv --system-site-packages VENV, and install edgert there "
            f"(this Python is {python.executable})",
        )
    elif places:
        other = max(places)
        name = f"python{other[0]}.{other[1]}"
        yield Fact(
            "TensorRT for Python",
            f"{places[other]} is for Python {other[0]}.{other[1]}, this is {mine}",
            "missing",
            f"/usr/bin/{name} -m venv --system-site-packages VENV, and install edgert there",
        )
    elif machine.is_jetson:
        fix = _IMAGE if machine.in_container else "sudo apt install python3-libnvinfer"
        yield Fact("TensorRT for Python", f"none for {mine}", "missing", fix)
    elif machine.has_nvidia_gpu:
        cuda = machine.driver_found.version.split(".")[0]
        fix = "pip install " + (f"tensorrt-cu{cuda}" if cuda in ("12", "13") else "tensorrt")
        state: State = "absent" if _runs_on_gpu(machine) else "missing"
        yield Fact("TensorRT for Python", f"none for {mine}", state, fix)
    else:
        yield Fact("TensorRT for Python", "none; of no use without an NVIDIA GPU", "absent")


def tensorrt_rtx(machine: Machine) -> Iterator[Fact]:
    """TensorRT-RTX, which builds without a GPU and runs on RTX cards."""
    if not any(machine.has_module(name) for name in _RTX_MODULES):
        return
    versions = filter(None, (machine.version_of(name) for name in _RTX_PACKAGES))
    yield Fact("TensorRT-RTX for Python", next(versions, "of unknown version"))


def backends(machine: Machine) -> Iterator[Fact]:
    """Each of `edgert.backends()`: the last word on what can be used."""
    wanted = {"onnxruntime:cpu"}
    if machine.has_nvidia_gpu:
        wanted.add("cuda:0")
        if not _runs_on_gpu(machine):
            wanted.update(("tensorrt",) if machine.is_jetson else ("tensorrt", "onnxruntime:cuda"))
    for name, state in machine.backend_states.items():
        told: State = "ok" if state == "ok" else "missing" if name in wanted else "absent"
        yield Fact(name, state, told)


def _runs_on_gpu(machine: Machine) -> bool:
    return any(machine.backend_states.get(name) == "ok" for name in _ON_GPU)


FACTS = (tensorrt_library, tensorrt_package, tensorrt_rtx, backends)
