"""The precision that an ONNX file gives a layer, and what may have kept a builder from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgert.quant.builds.kernels import Kernel
from edgert.quant.model.graph import Graph, attribute

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["LAYERS", "mismatch", "planned_precision", "remark", "weight_size"]

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# What may stand between a pair and its layer without a change of the numbers.
_PASSES = ("Cast", "Flatten", "Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze")
# onnx.TensorProto.DataType
_FLOATS = {1: "fp32", 10: "fp16", 11: "fp64", 16: "bf16"}
_WHOLE = {2: "uint8", 3: "int8"}


def planned_precision(graph: Graph, types: dict[str, int], node: NodeProto) -> str:
    """What a file says that a layer multiplies in, read naively.

    Args:
        graph: The model.
        types: The element type of each tensor (`precision.element_types`).
        node: A Conv, ConvTranspose, Gemm or MatMul.

    Returns:
        "int8" where both its inputs come from DequantizeLinear, "uint8" where one of them has
        unsigned numbers; else the float type of its input: "fp32", "fp16", "bf16" or "fp64".
    """
    pairs = [_dequantizer(graph, name) for name in node.input[:2]]
    if None not in pairs:
        found = {_WHOLE.get(types[pair.input[0]], "int8") for pair in pairs if pair is not None}
        return "uint8" if "uint8" in found else "int8"
    return _FLOATS.get(types[node.input[0]], "other")


def weight_size(graph: Graph, node: NodeProto) -> int:
    """Number of a layer's weights; 0 where it multiplies two tensors."""
    name = node.input[1]
    while True:
        if name in graph.initializers:
            return math.prod(graph.initializers[name].dims)
        producer = graph.producer(name)
        if producer is None:
            return 0
        if producer.op_type == "Constant":
            value = graph.constant(name)
            return 0 if value is None else int(value.size)
        if producer.op_type not in (*_PASSES, "QuantizeLinear", "DequantizeLinear"):
            return 0
        name = producer.input[0]


def mismatch(graph: Graph, node: NodeProto, planned: str, kernel: Kernel | None) -> str:
    """Why a layer may have been built otherwise than planned."""
    if kernel is None:
        return "the builder's table names no kernel for it: folded into a constant, or left out"
    if planned == "uint8":
        return (
            "its numbers are unsigned, and TensorRT takes them for signed ones: values over 127 "
            "come out wrong; quantize to int8 with zero point 0"
        )
    if planned != "int8":
        return "the builder chose another float type than the file's"
    activation = _dequantizer(graph, node.input[0])
    if activation is not None and _scales(graph, activation) > 1:
        return (
            "its input has a scale a channel; TensorRT multiplies in INT8 with one scale a tensor"
        )
    if node.op_type == "ConvTranspose":
        return "TensorRT-RTX multiplies transposed convolutions in float, whatever the pairs"
    return (
        "the builder has no INT8 kernel for this shape, or did not take the pairs; keep it in float"
    )


def remark(graph: Graph, node: NodeProto, built: str, kernel: Kernel) -> str:
    """What is worth knowing of a layer that was built as planned; "" for nothing."""
    pairs = [_dequantizer(graph, name) is not None for name in node.input[:2]]
    if any(pairs) and not all(pairs):
        return f"only its {'input is' if pairs[0] else 'weights are'} quantized: it runs in float"
    size = weight_size(graph, node)
    fitting = [v.size for v in kernel.constants if size and v.size >= size and len(v.shape) > 1]
    if built == "int8" and fitting and attribute(node, "group", 1) > 1 and min(fitting) >= 2 * size:
        return (
            f"padded: {min(fitting) // size} times its weights and its input, since INT8 groups "
            f"have at least 4 channels; FP16 may be faster"
        )
    return ""


def _dequantizer(graph: Graph, name: str) -> NodeProto | None:
    producer = graph.producer(name)
    while producer is not None and producer.op_type in _PASSES:
        producer = graph.producer(producer.input[0])
    return producer if producer is not None and producer.op_type == "DequantizeLinear" else None


def _scales(graph: Graph, dequantizer: NodeProto) -> int:
    scale = graph.constant(dequantizer.input[1])
    return 1 if scale is None else int(scale.size)
