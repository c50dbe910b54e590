"""What this machine can run a model with, and why not with the rest."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

from edgert.errors import UnavailableError

__all__ = ["Choice", "backends", "choose"]

_RUNTIMES = ("onnxruntime", "tensorrt", "tensorrt-rtx")
# The first that can be used is.
_ON_GPU = ("tensorrt", "tensorrt-rtx", "onnxruntime")


def backends() -> dict[str, str]:
    """Runtimes and devices, each "ok" or the reason why it cannot be used.

    Returns:
        For example `{"onnxruntime:cpu": "ok", "onnxruntime:cuda": "onnxruntime 1.23.2 is built
        without CUDA; ...", "cuda:0": "libcuda.so.1 not found", ...}`.
    """
    from edgert.devices import cuda_state

    cuda = cuda_state()
    return {
        "onnxruntime:cpu": _onnxruntime_cpu(),
        "onnxruntime:cuda": _onnxruntime_cuda(),
        "cuda:0": cuda,
        "tensorrt": _tensorrt("tensorrt", cuda),
        "tensorrt-rtx": _tensorrt("tensorrt-rtx", cuda),
    }


class Choice(NamedTuple):
    """What runs a model, and why; `why` is empty where both were named."""

    runtime: str
    device: str
    why: str


def choose(runtime: str = "auto", device: str = "auto") -> Choice:
    """What "auto" means here: TensorRT on a GPU, else ONNX Runtime on a GPU, else on the CPU.

    Args:
        runtime: "auto", "onnxruntime", "tensorrt" or "tensorrt-rtx".
        device: "auto", "cpu", "cuda" or "cuda:0".

    Raises:
        ValueError: It is no name of a runtime or of a device, or the two exclude each other.
        UnavailableError: What was named cannot be used here; the text says why.
    """
    if runtime != "auto" and runtime not in _RUNTIMES:
        raise ValueError(
            f"runtime is {runtime!r}, expected 'auto' or one of {', '.join(_RUNTIMES)}"
        )
    if device == "cpu":
        return _on_cpu(runtime)
    from edgert.devices import cuda_state, ordinal_of

    place = "cuda:0" if device == "auto" else f"cuda:{ordinal_of(device)}"
    reasons = {
        name: _why_not(name, place) for name in (_ON_GPU if runtime == "auto" else (runtime,))
    }
    chosen = next((name for name, reason in reasons.items() if not reason), None)
    if chosen is not None:
        return Choice(chosen, place, _why(chosen, reasons) if "auto" in (runtime, device) else "")
    reason = "; ".join(dict.fromkeys(reasons.values()))
    if runtime not in ("auto", "onnxruntime"):
        raise UnavailableError(f"runtime {runtime!r}: {reason}")
    if device != "auto":
        raise UnavailableError(f"device {device!r}: {reason}")
    lacking = "no GPU" if cuda_state() != "ok" else "nothing here runs models on the GPU"
    return _on_cpu(runtime)._replace(why=f"{lacking}: {reason}")


def _on_cpu(runtime: str) -> Choice:
    if runtime not in ("auto", "onnxruntime"):
        raise ValueError(f"runtime {runtime!r} runs on a GPU, but device is 'cpu'")
    reason = _onnxruntime_cpu()
    if reason != "ok":
        raise UnavailableError(f"runtime 'onnxruntime': {reason}")
    return Choice("onnxruntime", "cpu", "")


def _why_not(runtime: str, place: str) -> str:
    """Why a runtime cannot be used on a GPU; empty where it can."""
    from edgert.devices import capabilities, cuda_state, ordinal_of
    from edgert.engines.tensorrt import binding, state

    # The GPU first: without one no package is loaded to be asked.
    missing = cuda_state()
    if missing == "ok":
        missing = _onnxruntime_cuda() if runtime == "onnxruntime" else state(runtime)
    if missing != "ok" or runtime != "tensorrt-rtx":
        return "" if missing == "ok" else missing
    # It knows the GPUs of PCs alone: not Jetson's, not those of data centres.
    rtx, found = binding(runtime), capabilities()
    ordinal = ordinal_of(place)
    if ordinal >= len(found):
        return f"there is no {place}: this machine has {len(found)}"
    if found[ordinal] in rtx.capabilities:
        return ""
    return f"{rtx.title} does not know compute capability {found[ordinal]}"


def _why(chosen: str, reasons: dict[str, str]) -> str:
    if chosen == "onnxruntime":
        others = "; ".join(f"no {name}: {text}" for name, text in reasons.items() if text)
        return f"a GPU is here{'; ' if others else ''}{others}"
    from edgert.engines.tensorrt import binding

    return f"a GPU and {binding(chosen).title} are here"


def _tensorrt(runtime: str, cuda: str) -> str:
    from edgert.engines.tensorrt import binding, state

    missing = state(runtime)
    if missing != "ok":
        return missing
    if cuda == "ok":
        return _why_not(runtime, "cuda:0") or "ok"
    return f"{binding(runtime).title} is here and builds engines; to run them, no GPU: {cuda}"


def _onnxruntime_cpu() -> str:
    if find_spec("onnxruntime") is not None:
        return "ok"
    return "package onnxruntime not installed; pip install onnxruntime"


def _onnxruntime_cuda() -> str:
    from edgert.engines.onnxruntime import cuda_package, cuda_state

    if find_spec("onnxruntime") is None:
        return f"package onnxruntime-gpu not installed; {cuda_package()}"
    return cuda_state()
