"""Small ONNX models, made with the package onnx: a network in three precisions, a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import UnavailableError

__all__ = ["JOINTS", "SIZE", "write_detector", "write_network"]

SIZE = (64, 48)
JOINTS = 17
_DETECTOR_SIZE = (64, 64)
_CELL = 8
_LEVELS = 127.0
_OPSET, _IR = 17, 8


class _Graph:
    """Nodes and constants of a model of one element type."""

    def __init__(self, dtype: type[np.floating[Any]]) -> None:
        try:
            import onnx
        except ImportError as error:
            raise UnavailableError(
                "the selftest makes its models with the package onnx, which is not installed: "
                "pip install 'edgert[quant]'"
            ) from error
        self._onnx = onnx
        self.dtype = np.dtype(dtype)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: Any, dtype: Any = None) -> str:
        name = f"c{len(self._constants)}"
        array = np.asarray(values, self.dtype if dtype is None else dtype)
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, to: str | None = None, **attributes: Any) -> str:
        name = to or f"t{len(self._nodes)}"
        node = self._onnx.helper.make_node(kind, list(inputs), [name], name, **attributes)
        self._nodes.append(node)
        return name

    def save(self, path: Path, batch: int | str, size: tuple[int, int], output: list[Any]) -> None:
        helper = self._onnx.helper
        element = helper.np_dtype_to_tensor_dtype(self.dtype)
        feed = helper.make_tensor_value_info("images", element, [batch, 3, *size])
        result = helper.make_tensor_value_info("output0", element, [batch, *output])
        graph = helper.make_graph(self._nodes, "selftest", [feed], [result], self._constants)
        opset = helper.make_opsetid("", _OPSET)
        self._onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=_IR), str(path))


def write_network(path: Path, precision: str, *, peaks: bool = False) -> None:
    """Three convolutions from (N, 3, 64, 48) to (N, 17, 16, 12), of open batch.

    The weights of a channel add up to 1 in magnitude, so that all values stay within [-1, 1]: INT8
    needs no calibration.

    Args:
        path: Where to.
        precision: "fp32", "fp16", or "int8": FP32 with QuantizeLinear pairs around every input.
        peaks: Add a peak to each output channel, of which a pose network's reader finds the joint.
    """
    graph = _Graph(np.float16 if precision == "fp16" else np.float32)
    rng = np.random.default_rng(6)
    value, channels = "images", 3
    for count, kernel, stride in ((16, 3, 2), (32, 3, 2), (JOINTS, 1, 1)):
        weights = rng.uniform(-0.3, 1, (count, channels, kernel, kernel))
        weights /= np.abs(weights).sum((1, 2, 3), keepdims=True)
        quantized = precision == "int8"
        value = graph.add(
            "Conv",
            _paired(graph, value) if quantized else value,
            _quantized(graph, weights) if quantized else graph.constant(weights),
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )
        value = graph.add("Relu", value)
        channels = count
    height, width = SIZE[0] // 4, SIZE[1] // 4
    added = _peaks(height, width) if peaks else np.zeros((1, JOINTS, 1, 1))
    graph.add("Add", value, graph.constant(added), to="output0")
    graph.save(path, "batch", SIZE, [JOINTS, height, width])


def write_detector(path: Path) -> None:
    """The YOLOv8 head `(1, 5, 64)` on a 64 x 64 picture: each cell's brightness is its score."""
    graph = _Graph(np.float32)
    side = _DETECTOR_SIZE[0] // _CELL
    grey = graph.add("Conv", "images", graph.constant(np.full((1, 3, 1, 1), 1 / 3)))
    bright = graph.add("AveragePool", grey, kernel_shape=[_CELL, _CELL], strides=[_CELL, _CELL])
    score = graph.add("Reshape", bright, graph.constant([1, 1, side * side], np.int64))
    y, x = np.divmod(np.arange(side * side), side)
    sizes = np.full((2, side * side), 1.5 * _CELL)
    boxes = np.stack([(x + 0.5) * _CELL, (y + 0.5) * _CELL, *sizes])[None]
    none = graph.add("Mul", score, graph.constant(np.zeros((1, 1, 1))))
    graph.add("Concat", graph.add("Add", none, graph.constant(boxes)), score, axis=1, to="output0")
    graph.save(path, 1, _DETECTOR_SIZE, [5, side * side])


def _paired(graph: _Graph, value: str) -> str:
    scale, zero = graph.constant(1 / _LEVELS), graph.constant(0, np.int8)
    levels = graph.add("QuantizeLinear", value, scale, zero)
    return graph.add("DequantizeLinear", levels, scale, zero)


def _quantized(graph: _Graph, weights: NDArray[np.float64]) -> str:
    """Weights in INT8, a scale a channel."""
    scales = np.abs(weights).max((1, 2, 3)) / _LEVELS
    levels = np.round(weights / scales[:, None, None, None])
    return graph.add(
        "DequantizeLinear",
        graph.constant(levels, np.int8),
        graph.constant(scales),
        graph.constant(np.zeros(len(scales)), np.int8),
        axis=0,
    )


def _peaks(height: int, width: int) -> NDArray[np.float64]:
    """A hill in each channel, off the middle of its cell: which neighbour is higher is clear."""
    y, x = np.arange(height)[:, None], np.arange(width)
    centres = [(2.3 + k % (height - 4), 2.3 + 3 * k % (width - 4)) for k in range(JOINTS)]
    hills = [10 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 8) for a, b in centres]
    return np.stack(hills)[None]
