"""ONNX Runtime: the engine that works on any machine, and the reference for accuracy."""

from __future__ import annotations

import difflib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgert.engines.base import Array, Run, TensorSpec
from edgert.errors import ModelError

__all__ = [
    "OnnxRuntimeGraph",
    "OnnxRuntimeNetwork",
    "cuda_state",
    "enqueue_options",
    "open_session",
    "operator_times",
    "preload_cuda",
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
        self.inputs = tuple(map(_spec, self._session.get_inputs()))
        self.outputs = tuple(map(_spec, self._session.get_outputs()))
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


class OnnxRuntimeGraph:
    """A model on the CPU whose inner tensors can be read, in numbers of its own precision.

    Args:
        model: The .onnx file, or a serialised model whose weights are all inside it.
        outputs: Tensors to compute instead of the model's outputs, each the result of a node; what
            none of them needs is not run. None: the model's own. Naming any needs the package onnx.
        input_shapes: Sizes to fix of inputs that leave them open, which lets `bind` know the sizes
            of the outputs; together with `outputs`.
        threads: Threads within an operator; None leaves it to ONNX Runtime (all cores).
        optimize: "all" lets ONNX Runtime rewrite the graph where it computes the same numbers but
            for the order of sums; "basic" keeps to rewrites that are independent of the processor;
            "none" runs node by node as written (needed where Q/DQ pairs are to stay in float).

    Raises:
        ModelError: No such file, no ONNX model, or no node computes one of `outputs`.
    """

    def __init__(
        self,
        model: bytes | str | Path,
        *,
        outputs: Sequence[str] | None = None,
        input_shapes: Mapping[str, Sequence[int]] | None = None,
        threads: int | None = None,
        optimize: Literal["all", "basic", "none"] = "all",
    ) -> None:
        import onnxruntime as ort

        self.path = "the model in memory" if isinstance(model, bytes) else str(model)
        if not isinstance(model, bytes):
            _check_file(Path(model))
        content = model if isinstance(model, bytes) else self.path
        if outputs is not None:
            content = _with_outputs(content, outputs, input_shapes or {}, self.path)
        options = _options(threads)
        # A plan of all memory in one block is a second copy of it: 290 MB instead of 180 for a pose
        # network of which every tensor is an output, in the same time.
        options.enable_mem_pattern = False
        levels = ort.GraphOptimizationLevel
        options.graph_optimization_level = {
            "all": levels.ORT_ENABLE_ALL,
            "basic": levels.ORT_ENABLE_BASIC,
            "none": levels.ORT_DISABLE_ALL,
        }[optimize]
        self._session = _open(content, self.path, options, ("CPUExecutionProvider",))
        self.inputs = tuple(map(_spec, self._session.get_inputs()))
        self.outputs = tuple(map(_spec, self._session.get_outputs()))

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        """Run once.

        Args:
            feeds: An array for every input, by name.
            outputs: The tensors wanted, of those that the graph was made with; None: all.

        Returns:
            The tensors in the order of `outputs`, as new arrays.

        Raises:
            ModelError: An array does not fit its input, or an operator failed.
        """
        try:
            return list(self._session.run(outputs, dict(feeds)))
        except Exception as error:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in feeds.items())
            raise ModelError(f"{self.path}: failed on {shapes}: {error}") from error

    def bind(self, feeds: Mapping[str, Array]) -> Callable[[], list[Array]]:
        """Tie the graph to memory, for one thread; several threads bind each for themselves.

        Args:
            feeds: A C-contiguous array for every input, by name, whose address must not change.

        Returns:
            A function that runs the graph on what is in `feeds` and gives all outputs: arrays that
            hold until its next call, except those of open sizes, which are new.
        """
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        fixed: dict[str, Array] = {}
        for spec in self.outputs:
            sizes = [size for size in spec.shape if size is not None]
            if len(sizes) < len(spec.shape):
                binding.bind_output(spec.name, "cpu")
                continue
            array = fixed[spec.name] = np.empty(sizes, spec.dtype)
            binding.bind_output(
                spec.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data
            )

        def run() -> list[Array]:
            try:
                self._session.run_with_iobinding(binding)
            except Exception as error:
                raise ModelError(f"{self.path}: failed: {error}") from error
            if len(fixed) == len(self.outputs):
                return list(fixed.values())
            values = zip(self.outputs, binding.get_outputs(), strict=True)
            return [fixed[s.name] if s.name in fixed else v.numpy() for s, v in values]

        return run


def operator_times(
    model: str | Path, feed: Array, *, runs: int = 5, threads: int | None = None
) -> dict[str, float]:
    """Where the time of a model goes on the CPU, by its profiler, which itself takes some.

    Args:
        model: The .onnx file, with one input.
        feed: For it.
        runs: How many to average over, after one that warms up.
        threads: Threads within an operator; None: all cores.

    Returns:
        Milliseconds a run by kind of operator, the largest first.

    Raises:
        ModelError: The model cannot be loaded or run.
    """
    _check_file(Path(model))
    options = _options(threads)
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="edgert-profile-") as folder:
        options.profile_file_prefix = str(Path(folder) / "run")
        session = _open(str(model), str(model), options, ("CPUExecutionProvider",))
        try:
            for _ in range(runs + 1):
                session.run(None, {session.get_inputs()[0].name: feed})
        except Exception as error:
            raise ModelError(f"{model}: failed on an input of {feed.shape}: {error}") from error
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    kernels = [e for e in events if e["cat"] == "Node" and e["name"].endswith("_kernel_time")]
    # In the order of time, each run's kernels after those of the run before.
    each = len(kernels) // (runs + 1)
    total: dict[str, float] = {}
    for event in kernels[each:]:
        op = event["args"]["op_name"]
        total[op] = total.get(op, 0.0) + event["dur"] / 1e3 / runs
    return dict(sorted(total.items(), key=lambda item: -item[1]))


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

    _check_file(Path(path))
    names = [p if isinstance(p, str) else p[0] for p in providers]
    missing = [name for name in names if name not in ort.get_available_providers()]
    if missing:
        raise ModelError(
            f"onnxruntime {ort.__version__} has no {missing[0]}; it has "
            f"{', '.join(ort.get_available_providers())}. Name one of these, or install the "
            f"onnxruntime package that brings it (onnxruntime-gpu for CUDA)."
        )
    return _open(path, path, _options(threads), providers)


def preload_cuda() -> None:
    """Load CUDA's and cuDNN's libraries where they come from packages (nvidia-cudnn-cu12, ...).

    ONNX Runtime looks for them on the system's path alone.
    """
    import onnxruntime as ort

    # It warns of a device that its plug-ins do not have at every session on the built-in provider.
    ort.set_default_logger_severity(3)
    preload = getattr(ort, "preload_dlls", None)
    if preload is not None:
        preload()


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
    return (
        f"onnxruntime {ort.__version__} is built without CUDA; "
        f"pip uninstall onnxruntime, then pip install onnxruntime-gpu"
    )


def _options(threads: int | None) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    if threads is not None:
        options.intra_op_num_threads = threads
    # The two networks of a pipeline run side by side: a thread of one that spins while it waits
    # takes the core from the other.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _open(
    content: bytes | str,
    path: str,
    options: Any,
    providers: Sequence[str | tuple[str, dict[str, Any]]],
) -> Any:
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


def _with_outputs(
    content: bytes | str,
    outputs: Sequence[str],
    input_shapes: Mapping[str, Sequence[int]],
    path: str,
) -> bytes:
    import onnx

    try:
        model = onnx.load_from_string(content) if isinstance(content, bytes) else onnx.load(content)
    except Exception as error:  # protobuf's error is not onnx's, nor ValueError
        raise ModelError(f"{path}: not a model that onnx can load: {error}") from error
    computed = {name for node in model.graph.node for name in node.output if name}
    missing = [name for name in outputs if name not in computed]
    if missing:
        near = difflib.get_close_matches(missing[0], computed, n=3)
        hint = f"; there is {', '.join(near)}" if near else ""
        raise ModelError(
            f"{path}: no node computes the tensor {missing[0]!r}, one of {len(missing)} such, "
            f"expected names of node outputs{hint}"
        )
    for value in model.graph.input:
        sizes = input_shapes.get(value.name, ())
        for size, found in zip(sizes, value.type.tensor_type.shape.dim, strict=False):
            if found.dim_value < 1:
                found.dim_value = size
    del model.graph.output[:]
    # A bare name is enough: ONNX Runtime infers type and shape.
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    serialized: bytes = model.SerializeToString()
    return serialized


def _spec(value: Any) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in value.shape)
    return TensorSpec(value.name, np.dtype(_DTYPES.get(value.type, np.object_)), shape)


def _check_file(path: Path) -> None:
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob("*.onnx")) if path.parent.is_dir() else []
        hint = f"; {path.parent} has {', '.join(near[:5])}" if near else ""
        raise ModelError(f"{path}: no such file{hint}")
    if path.is_dir():
        raise ModelError(f"{path}: a folder, expected an .onnx file")
    if path.stat().st_size == 0:
        raise ModelError(f"{path}: the file is empty, expected an ONNX model")
