"""ONNX Runtime: the engine that works on any machine, and the reference for accuracy."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgert.engines.base import Array, Run, TensorSpec
from edgert.errors import ModelError
from edgert.installed import version_of

__all__ = [
    "OnnxRuntimeNetwork",
    "check_file",
    "cuda_package",
    "cuda_state",
    "enqueue_options",
    "open_content",
    "open_session",
    "preload_cuda",
    "quiet_cuda",
    "session_options",
    "tensor_spec",
]

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
}


class OnnxRuntimeNetwork:
    """An ONNX model in an ONNX Runtime session, from host memory to host memory.

    Args:
        path: The .onnx file; any opset that ONNX Runtime reads (8 and later).
        threads: Threads within an operator; None leaves it to ONNX Runtime (all cores).
        providers: ONNX Runtime execution providers in order of preference.

    Raises:
        ModelError: The file is missing, is no ONNX model, or a provider is not there.
    """

    runtime = "onnxruntime"
    device = "cpu"

    def __init__(
        self,
        path: str | Path,
        *,
        threads: int | None = None,
        providers: Sequence[str | tuple[str, dict[str, Any]]] = ("CPUExecutionProvider",),
    ) -> None:
        self.path = str(path)
        self._session = open_session(self.path, threads, providers)
        self.inputs = tuple(map(tensor_spec, self._session.get_inputs()))
        self.outputs = tuple(map(tensor_spec, self._session.get_outputs()))
        self.providers: list[str] = self._session.get_providers()
        self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map

    def infer(self, feed: Array) -> list[Array]:
        """Run once on a whole input array; returns all outputs as new arrays."""
        try:
            return list(self._session.run(None, {self.inputs[0].name: feed}))
        except Exception as error:
            raise ModelError(f"{self.path}: failed on an input of {feed.shape}: {error}") from error

    def bind(self, feed: Array, outputs: Mapping[str, Array]) -> Run:
        """See `Network.bind`. One binding a batch size is made when it is first met, and kept."""
        fixed = self.inputs[0].shape[0] is not None
        bindings: dict[int, Any] = {}

        def binding(batch: int) -> Any:
            made = self._session.io_binding()
            arrays = {self.inputs[0].name: feed, **outputs}
            for name, array in arrays.items():
                part = array[:batch]
                bind = made.bind_input if array is feed else made.bind_output
                bind(name, "cpu", 0, part.dtype.type, part.shape, part.ctypes.data)
            return made

        def run(batch: int) -> None:
            size = len(feed) if fixed else batch
            bound = bindings.get(size)
            if bound is None:
                bound = bindings[size] = binding(size)
            try:
                self._session.run_with_iobinding(bound)
            except Exception as error:
                raise ModelError(f"{self.path}: failed on {size} items: {error}") from error

        return run


def open_session(
    path: str,
    threads: int | None = None,
    providers: Sequence[str | tuple[str, dict[str, Any]]] = ("CPUExecutionProvider",),
) -> Any:
    """A session on a model file.

    Raises:
        ModelError: The file is missing, is no ONNX model, or a provider is not there.
    """
    import onnxruntime as ort

    check_file(Path(path))
    names = [p if isinstance(p, str) else p[0] for p in providers]
    missing = [name for name in names if name not in ort.get_available_providers()]
    if missing:
        raise ModelError(
            f"onnxruntime {ort.__version__} has no {missing[0]}; it has "
            f"{', '.join(ort.get_available_providers())}. Name one of these, or install the "
            f"onnxruntime package that brings it (onnxruntime-gpu for CUDA)."
        )
    return open_content(path, path, session_options(threads), providers)


def preload_cuda() -> None:
    """Load CUDA's and cuDNN's libraries where they come from packages (nvidia-cudnn-cu12, ...).

    ONNX Runtime looks for them on the system's path alone.
    """
    import onnxruntime as ort

    # It warns of a device that its plug-ins do not have at every session on the built-in provider.
    # Errors are let through: they name the library that is missing.
    ort.set_default_logger_severity(3)
    preload = getattr(ort, "preload_dlls", None)
    if preload is not None:
        preload()


def quiet_cuda() -> None:
    """To be called once the provider is there: what it reports from then on are no failures.

    In FP32 without TF32 cuDNN has no plan for some layers, ONNX Runtime says so in red at each
    session and takes another.
    """
    import onnxruntime as ort

    ort.set_default_logger_severity(4)


def enqueue_options() -> Any:
    """Run options that leave a CUDA stream running: who enqueued waits where it needs to."""
    import onnxruntime as ort

    options = ort.RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    return options


def cuda_state() -> str:
    """ "ok", or why ONNX Runtime cannot use a GPU here."""
    import onnxruntime as ort

    if "CUDAExecutionProvider" in ort.get_available_providers():
        return "ok"
    fix = cuda_package()
    # They share their files: uninstalling one of two breaks the other, which pip then leaves so.
    gone = "onnxruntime onnxruntime-gpu" if version_of("onnxruntime-gpu") else "onnxruntime"
    removal = f"pip uninstall {gone}, then " if fix.startswith("pip ") else ""
    return f"onnxruntime {ort.__version__} is built without CUDA; {removal}{fix}"


def cuda_package(
    architecture: str = platform.machine(), python: tuple[int, int] = sys.version_info[:2]
) -> str:
    """The command that installs ONNX Runtime with CUDA, or where else to look: for JetPack 6 there
    is none.

    Args:
        architecture: Such as "aarch64".
        python: Its version.
    """
    if architecture == "aarch64" and python < (3, 11):
        return (
            f"PyPI has no onnxruntime-gpu for Python {python[0]}.{python[1]} on aarch64: take "
            f"TensorRT, which comes with JetPack, or a wheel that was built for this JetPack"
        )
    return "pip install onnxruntime-gpu"


def session_options(threads: int | None, optimize: Literal["all", "basic", "none"] = "all") -> Any:
    """What every session here has in common: quiet, and threads that do not spin."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = {
        "all": levels.ORT_ENABLE_ALL,
        "basic": levels.ORT_ENABLE_BASIC,
        "none": levels.ORT_DISABLE_ALL,
    }[optimize]
    options.log_severity_level = 4
    if threads is not None:
        options.intra_op_num_threads = threads
    # The two networks of a pipeline run side by side: a thread of one that spins while it waits
    # takes the core from the other.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def open_content(
    content: bytes | str,
    path: str,
    options: Any,
    providers: Sequence[str | tuple[str, dict[str, Any]]],
) -> Any:
    """A session on a file's path or on a serialised model, which errors call `path`.

    Raises:
        ModelError: It is no model that ONNX Runtime can load.
    """
    import onnxruntime as ort

    try:
        return ort.InferenceSession(
            content,
            options,
            providers=list(providers),
            # It rounds float weights and biases beside pairs to integers on its own account. With
            # FP16 scales the bias's scale, a product of two, ends as 0 under 6e-8, and the bias
            # with it: a pose network's heatmaps came out empty (seen with 1.32).
            disabled_optimizers=["WeightBiasQuantization"],
        )
    except Exception as error:  # ONNX Runtime's own exceptions have no common public base
        raise ModelError(f"{path}: not a model that ONNX Runtime can load: {error}") from error


def tensor_spec(value: Any) -> TensorSpec:
    """An input or output of a session."""
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in value.shape)
    return TensorSpec(value.name, np.dtype(_DTYPES.get(value.type, np.object_)), shape)


def check_file(path: Path) -> None:
    """Raise ModelError where there is no file, or none that could be a model."""
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob("*.onnx")) if path.parent.is_dir() else []
        hint = f"; {path.parent} has {', '.join(near[:5])}" if near else ""
        raise ModelError(f"{path}: no such file{hint}")
    if path.is_dir():
        raise ModelError(f"{path}: a folder, expected an .onnx file")
    if path.stat().st_size == 0:
        raise ModelError(f"{path}: the file is empty, expected an ONNX model")
