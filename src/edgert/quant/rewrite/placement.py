"""Which layers can run in INT8, and which inputs get a quantize-dequantize pair for it.

The rules are those of NVIDIA's explicit quantization: pairs at the activation inputs of
convolutions and matrix products, none between a layer and its activation, the skip branch alone at
a residual addition. What makes boxes and scores at the end stays in float.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgert.quant.model.graph import Graph, attribute, captured
from edgert.quant.model.values import reads_distribution

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["Layer", "Pair", "place"]

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# They carry weights or multiply activations, but have no explicit INT8 form in TensorRT's parser.
_NO_INT8_FORM = ("Attention", "DeformConv", "Einsum", "GRU", "LSTM", "RNN")
_QUANTIZED = (
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv"),
    *("QLinearMatMul", "ConvInteger", "MatMulInteger"),
)
# Below this a kernel is padded to more channels than it has (NVIDIA Model Optimizer's limit).
_MIN_CHANNELS = 16


@dataclass(frozen=True, slots=True)
class Pair:
    """A place that reads a tensor through quantize and dequantize."""

    tensor: str
    node: str
    index: int


@dataclass(frozen=True, slots=True)
class Layer:
    """A node with weights, and what has to change for it to run in INT8.

    Attributes:
        name: The node's name.
        op: Its operator.
        pairs: The inputs that get a pair: its own, and of a residual addition after it the skip
            branch.
        outputs: Tensors that get a pair for all who read them.
        weight: The constant weights; empty where there are none.
        axis: The weights' axis of output channels.
        reason: Why the rules leave the layer in float; empty where it can be quantized.
    """

    name: str
    op: str
    pairs: tuple[Pair, ...] = ()
    outputs: tuple[str, ...] = ()
    weight: str = ""
    axis: int = 0
    reason: str = ""


def is_quantized(graph: Graph) -> bool:
    """Whether a model has quantized operators already."""
    return any(node.op_type in _QUANTIZED for node in graph.nodes)


def place(graph: Graph) -> tuple[Layer, ...]:
    """Every layer of a model in the order of execution; `reason` tells what stays in float."""
    layers = []
    for node in graph.nodes:
        if node.op_type in _LAYERS:
            layers.append(_layer(graph, node))
        elif node.op_type in _NO_INT8_FORM or node.domain not in ("", "ai.onnx", "com.microsoft"):
            kind = f"{node.domain}:{node.op_type}" if node.domain else node.op_type
            layers.append(Layer(node.name, kind, reason=f"{kind} has no INT8 form"))
    heads = _heads(graph, {layer.name for layer in layers if not layer.reason})
    return tuple(
        Layer(
            layer.name,
            layer.op,
            weight=layer.weight,
            axis=layer.axis,
            reason="head: nothing quantizable between it and an output",
        )
        if layer.name in heads and not layer.reason
        else layer
        for layer in layers
    )


def _layer(graph: Graph, node: NodeProto) -> Layer:
    side = 0 if graph.constant(node.input[1]) is not None else 1
    if side == 1 and node.op_type == "MatMul" and graph.constant(node.input[0]) is not None:
        return Layer(node.name, node.op_type, reason="its weights are the left operand")
    weight = node.input[1]
    axis = _axis(graph, node)
    reason = _reason(graph, node)
    if reason:
        return Layer(node.name, node.op_type, weight=weight, axis=axis, reason=reason)
    pairs = (Pair(node.input[0], node.name, 0), *_skip(graph, node))
    return Layer(node.name, node.op_type, pairs, weight=weight, axis=axis)


def _axis(graph: Graph, node: NodeProto) -> int:
    """Where the output channels are in the weights."""
    if node.op_type == "Gemm":
        return 0 if attribute(node, "transB", 0) else 1
    if node.op_type == "MatMul":
        weight = graph.constant(node.input[1])
        return 1 if weight is None else max(weight.ndim - 1, 0)
    return 0


def _reason(graph: Graph, node: NodeProto) -> str:
    weight = graph.constant(node.input[1])
    if weight is None:
        return "both operands are computed" if node.op_type == "MatMul" else "computed weights"
    if weight.dtype != np.float32:
        return f"its weights are {weight.dtype}, expected float32"
    if graph.constant(node.input[0]) is not None:
        return "its input is constant"
    if node.op_type == "MatMul" and weight.ndim != 2:
        return f"its weights have {weight.ndim} axes, expected 2"
    if node.op_type == "Gemm" and (
        attribute(node, "transA", 0) or attribute(node, "alpha", 1) != 1
    ):
        return "Gemm with transposed or scaled input"
    if reads_distribution(graph, node):
        return "reads a distribution (Softmax), as the DFL head does"
    if node.op_type == "ConvTranspose":
        # TensorRT-RTX 1.7 builds it in float whatever its inputs are; ONNX Runtime has no kernel.
        return "transposed convolution: no INT8 kernel"
    return _channels_reason(graph, node, weight.shape) if node.op_type == "Conv" else ""


def _channels_reason(graph: Graph, node: NodeProto, shape: tuple[int, ...]) -> str:
    groups = int(attribute(node, "group", 1))
    channels_in, channels_out = shape[1] * groups, shape[0]
    if groups > 1 and groups == channels_in:
        if min(shape[2:], default=1) < 3 or channels_out % 8:
            return "depthwise with a small kernel or channels not a multiple of 8"
        return ""
    few = [n for n in (channels_in, channels_out) if n < _MIN_CHANNELS and n % 8]
    if few and not (channels_out >= _MIN_CHANNELS and _reads_the_image(graph, node)):
        return f"{few[0]} channels: under {_MIN_CHANNELS} and not a multiple of 8"
    return ""


def _reads_the_image(graph: Graph, node: NodeProto) -> bool:
    """Whether nothing with weights comes before a node."""
    pending, seen = [node.input[0]], set[str]()
    while pending:
        source = graph.producer(pending.pop())
        if source is None or source.name in seen:
            continue
        if source.op_type in _LAYERS:
            return False
        seen.add(source.name)
        pending.extend(source.input)
    return True


def _skip(graph: Graph, node: NodeProto) -> Iterator[Pair]:
    """The other input of a residual addition that this layer's output goes straight into."""
    uses = graph.uses(node.output[0])
    if len(uses) != 1 or uses[0].node.op_type != "Add" or node.output[0] in graph.outputs:
        return
    add, index = uses[0].node, 1 - uses[0].index
    other = add.input[index]
    if graph.constant(other) is not None:
        return
    source = graph.producer(other)
    # Of two layers that meet in an addition, the one that runs last takes the addition with it.
    if source is not None and source.op_type in _LAYERS and len(graph.uses(other)) == 1:
        names = [n.name for n in graph.nodes]
        if names.index(source.name) > names.index(node.name):
            return
    shape, own = graph.shapes.get(other), graph.shapes.get(node.output[0])
    if shape is not None and own is not None and len(shape) == len(own):
        yield Pair(other, add.name, index)


def _heads(graph: Graph, candidates: set[str]) -> set[str]:
    """Layers from which an output is reached without passing another one."""
    heads: set[str] = set()
    seen: set[str] = set()
    stack = list(graph.outputs)
    while stack:
        tensor = stack.pop()
        node = graph.producer(tensor)
        if tensor in seen or node is None:
            continue
        seen.add(tensor)
        if node.name in candidates:
            heads.add(node.name)
        else:
            stack.extend((*node.input, *captured(node)))
    return heads
