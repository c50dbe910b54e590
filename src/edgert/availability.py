"""What this machine can run a model with, and why not with the rest."""

from __future__ import annotations

from importlib.util import find_spec

from edgert.errors import UnavailableError

__all__ = ["backends", "choose_device", "require_runtime"]

_RUNTIMES = ("onnxruntime", "tensorrt", "tensorrt-rtx")


def backends() -> dict[str, str]:
    """Runtimes and devices, each "ok" or the reason why it cannot be used.

    Returns:
        For example `{"onnxruntime:cpu": "ok", "onnxruntime:cuda": "onnxruntime 1.23.2 is built
        without CUDA; ...", "cuda:0": "libcuda.so.1 not found", ...}`.
    """
    from edgert.devices import cuda_state

    have_onnxruntime = find_spec("onnxruntime") is not None
    return {
        "onnxruntime:cpu": "ok" if have_onnxruntime else _not_installed("onnxruntime"),
        "onnxruntime:cuda": _onnxruntime_cuda(have_onnxruntime),
        "cuda:0": cuda_state(),
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


def choose_device(device: str) -> tuple[str, str]:
    """What "auto" means here, and why.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:0".

    Returns:
        "cpu" or "cuda:<number>", and the reason, empty where it was named.

    Raises:
        ValueError: It is no name of a device.
        UnavailableError: It cannot be used here; the text says why.
    """
    from edgert.devices import ordinal_of

    if device == "cpu":
        return "cpu", ""
    found = backends()
    missing = next((found[key] for key in ("cuda:0", "onnxruntime:cuda") if found[key] != "ok"), "")
    if device == "auto":
        return ("cpu", f"no GPU: {missing}") if missing else ("cuda:0", "a GPU is here")
    ordinal = ordinal_of(device)
    if missing:
        raise UnavailableError(f"device {device!r}: {missing}")
    return f"cuda:{ordinal}", ""


def _onnxruntime_cuda(installed: bool) -> str:
    if not installed:
        return _not_installed("onnxruntime-gpu")
    from edgert.engines.onnxruntime import cuda_state

    return cuda_state()


def _not_installed(package: str) -> str:
    return f"package {package} not installed; pip install {package}"


def _not_yet(module: str, name: str) -> str:
    if find_spec(module) is None:
        return f"package {name} not installed"
    return f"package {name} is installed, but this version of edgert does not run it yet"
