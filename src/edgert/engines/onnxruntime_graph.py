"""ONNX Runtime as a way to look into a model: its inner tensors, and where its time goes."""

from __future__ import annotations

import difflib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from edgert.engines.base import Array
from edgert.engines.onnxruntime import check_file, open_content, session_options, tensor_spec
from edgert.errors import ModelError

__all__ = ["OnnxRuntimeGraph", "operator_times"]


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
        self.path = "the model in memory" if isinstance(model, bytes) else str(model)
        if not isinstance(model, bytes):
            check_file(Path(model))
        content = model if isinstance(model, bytes) else self.path
        if outputs is not None:
            content = _with_outputs(content, outputs, input_shapes or {}, self.path)
        options = session_options(threads, optimize)
        # A plan of all memory in one block is a second copy of it: 290 MB instead of 180 for a pose
        # network of which every tensor is an output, in the same time.
        options.enable_mem_pattern = False
        self._session = open_content(content, self.path, options, ("CPUExecutionProvider",))
        self.inputs = tuple(map(tensor_spec, self._session.get_inputs()))
        self.outputs = tuple(map(tensor_spec, self._session.get_outputs()))

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
    check_file(Path(model))
    options = session_options(threads)
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="edgert-profile-") as folder:
        options.profile_file_prefix = str(Path(folder) / "run")
        session = open_content(str(model), str(model), options, ("CPUExecutionProvider",))
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
