"""This Python and the packages that edgert uses in it."""

from __future__ import annotations

from collections.abc import Iterator

from edgert.doctor.fact import Fact
from edgert.doctor.machine import Machine
from edgert.engines.onnxruntime import cuda_package

__all__ = ["FACTS"]

# Package, oldest version that edgert works with, what needs it ("": edgert itself).
_PACKAGES = (
    ("numpy", (1, 22), ""),
    ("av", (12,), ""),
    ("pillow", (10, 1), ""),
    ("rich", (13,), ""),
    ("onnx", (1, 16), "edgert build and edgert quantize: pip install 'edgert[quant]'"),
    ("pycocotools", (2, 0, 7), "edgert eval: pip install 'edgert[eval]'"),
    ("opencv-python", (4,), "edgert run --show"),
)
_ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu")


def interpreter(machine: Machine) -> Iterator[Fact]:
    """Which Python this is."""
    python = machine.python
    where = f"in the virtual environment {python.environment}" if python.environment else ""
    sees = "with" if python.sees_system else "without"
    found = ", ".join(
        filter(
            None,
            (
                f"{python.version[0]}.{python.version[1]} at {python.executable}",
                where,
                f"{sees} the system's packages" if where else "",
            ),
        )
    )
    yield Fact("Python", found)


def edgert(machine: Machine) -> Iterator[Fact]:
    """edgert's own version."""
    from edgert import __version__

    yield Fact("edgert", __version__)


def onnxruntime(machine: Machine) -> Iterator[Fact]:
    """ONNX Runtime, whose packages share their files: only one of them can be installed."""
    found = {name: version for name in _ONNXRUNTIMES if (version := machine.version_of(name))}
    told = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(found) > 1:
        again = cuda_package(machine.architecture, machine.python.version)
        if not again.startswith("pip "):
            again = "pip install the wheel of onnxruntime-gpu that was here"
        fix = f"pip uninstall -y {' '.join(found)}; {again}"
        yield Fact("onnxruntime", f"{told}: they overwrite each other's files", "warning", fix)
    elif found:
        yield Fact("onnxruntime", told)
    elif machine.has_module("onnxruntime"):
        yield Fact("onnxruntime", "here, of unknown version")
    else:
        yield Fact("onnxruntime", "not installed", "missing", "pip install onnxruntime")


def others(machine: Machine) -> Iterator[Fact]:
    """The rest, each with its floor."""
    for name, floor, needed_by in _PACKAGES:
        version = machine.version_of(name)
        least = ".".join(map(str, floor))
        if version is None and name == "opencv-python":
            version = machine.version_of("opencv-python-headless")
            if version is not None:
                yield Fact(name, f"opencv-python-headless {version}: opens no window")
                continue
        if version is None and name == "onnx" and _builds(machine):
            fix = "pip install 'edgert[quant]'"
            yield Fact(
                name, "not installed, and TensorRT's engines are built with it", "missing", fix
            )
        elif version is None and needed_by:
            yield Fact(name, f"not installed; for {needed_by}", "absent")
        elif version is None:
            yield Fact(name, "not installed", "missing", f"pip install '{name}>={least}'")
        elif _numbers(version) < floor:
            fix = f"pip install --upgrade '{name}>={least}'"
            yield Fact(name, f"{version}; edgert needs {least} or later", "warning", fix)
        else:
            yield Fact(name, version)


def _builds(machine: Machine) -> bool:
    """Whether engines of TensorRT's can be made and run here."""
    states = machine.backend_states
    return "ok" in (states.get("tensorrt"), states.get("tensorrt-rtx"))


def _numbers(version: str) -> tuple[int, ...]:
    parts = []
    for part in version.split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)


FACTS = (interpreter, edgert, onnxruntime, others)
