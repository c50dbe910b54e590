"""Which tensors hold the values of which: back through nodes that only move or choose them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgert.quant.model.graph import Graph, attribute

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["passes", "reads_distribution", "root", "roots"]

# Their output holds values of their input and no others: one scale serves both sides.
_PASSES = (
    *("DepthToSpace", "Dropout", "Expand", "Flatten", "Identity", "MaxPool", "Reshape", "Slice"),
    *("SpaceToDepth", "Split", "Squeeze", "Transpose", "Unsqueeze"),
)


def root(graph: Graph, tensor: str) -> str:
    """The tensor whose values this one holds: back through reshapes, splits and poolings."""
    node = graph.producer(tensor)
    while node is not None and passes(node):
        tensor = node.input[0]
        node = graph.producer(tensor)
    return tensor


def roots(graph: Graph, tensor: str) -> tuple[str, ...]:
    """The tensors whose values this one holds, back through concatenations too."""
    pending, found = [tensor], []
    while pending:
        source = root(graph, pending.pop())
        node = graph.producer(source)
        if node is not None and node.op_type == "Concat":
            pending.extend(node.input)
        elif graph.constant(source) is None and source not in found:
            found.append(source)
    return tuple(sorted(found))


def passes(node: NodeProto) -> bool:
    """Whether a node's outputs hold values of its first input and no others."""
    if node.op_type in ("Resize", "Upsample"):
        return bool(attribute(node, "mode", b"nearest") == b"nearest")
    return node.op_type in _PASSES


def reads_distribution(graph: Graph, node: NodeProto) -> bool:
    """Whether a layer with given weights reads a Softmax: its output is a mean of the weights.

    So are boxes read from a distribution (DFL), and joints by integral regression. Weights may be
    inputs of the graph (`opset.skeleton`).
    """
    source = graph.producer(root(graph, node.input[0]))
    if source is None or source.op_type != "Softmax":
        return False
    weights = node.input[1]
    return graph.producer(weights) is None or graph.constant(weights) is not None
