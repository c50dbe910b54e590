"""What this machine can run a model with, and why not with the rest."""

from __future__ import annotations

from importlib.util import find_spec

from edgert.errors import UnavailableError

__all__ = ["backends"]

_RUNTIMES = ("onnxruntime", "tensorrt", "tensorrt-rtx")


def backends() -> dict[str, str]:
    """Runtimes and devices, each "ok" or the reason why it cannot be used.

    Returns:
        For example `{"onnxruntime:cpu": "ok", "cuda:0": "this version of edgert has no CUDA
        device", ...}`.
    """
    have_onnxruntime = find_spec("onnxruntime") is not None
    return {
        "onnxruntime:cpu": "ok" if have_onnxruntime else _not_installed("onnxruntime"),
        "cuda:0": "this version of edgert has no CUDA device yet; use device='cpu'",
        "tensorrt": _not_yet("tensorrt", "tensorrt"),
        "tensorrt-rtx": _not_yet("tensorrt_rtx", "tensorrt-rtx"),
    }


def require_runtime(runtime: str) -> None:
    """Raise unless `runtime` can be used; "auto" always can.

    Raises:
        ValueError: It is no name of a runtime.
        UnavailableError: It cannot be used here; the text says why.
    """
    if runtime == "auto":
        return
    if runtime not in _RUNTIMES:
        raise ValueError(
            f"runtime is {runtime!r}, expected 'auto' or one of {', '.join(_RUNTIMES)}"
        )
    reason = backends()["onnxruntime:cpu" if runtime == "onnxruntime" else runtime]
    if reason != "ok":
        raise UnavailableError(f"runtime {runtime!r}: {reason}")


def require_device(device: str) -> None:
    """Raise unless `device` can be used; "auto" and "cpu" always can.

    Raises:
        ValueError: It is no name of a device.
        UnavailableError: It cannot be used here; the text says why.
    """
    if device in ("auto", "cpu"):
        return
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number.isdigit() or not number):
        raise ValueError(f"device is {device!r}, expected 'auto', 'cpu' or 'cuda:0'")
    raise UnavailableError(f"device {device!r}: {backends()['cuda:0']}")


def _not_installed(package: str) -> str:
    return f"package {package} not installed; pip install {package}"


def _not_yet(module: str, name: str) -> str:
    if find_spec(module) is None:
        return f"package {name} not installed"
    return f"package {name} is installed, but this version of edgert does not run it yet"
