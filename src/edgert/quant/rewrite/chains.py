"""INT8 from layer to layer, as ONNX Runtime's CPU kernels want it.

ONNX Runtime computes a convolution in INT8 only where its output is quantized too, and gains most
where the operators between two convolutions stay in INT8. So here a layer's output has a pair: past
a Relu or Clip, which the kernel absorbs; before a SiLU, whose sigmoid and product have kernels of
their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from edgert.quant.model.graph import Graph, attribute
from edgert.quant.model.values import passes, root
from edgert.quant.rewrite.placement import Layer

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["chain"]

_ABSORBED = ("Relu", "Clip")


def chain(
    graph: Graph, layers: tuple[Layer, ...]
) -> tuple[tuple[Layer, ...], frozenset[str], Mapping[str, float]]:
    """Give every quantized layer its output pairs.

    Returns:
        The layers; the tensors that are never negative; the bounds that follow from operators.
    """
    bounds: dict[str, float] = {}
    nodes = {node.name: node for node in graph.nodes}
    quantized = {layer.name for layer in layers if not layer.reason}
    outputs = {
        name: tuple(
            tensor
            for tensor in _outputs(graph, nodes[name], quantized, bounds)
            if _can_be_paired(graph, tensor)
        )
        for name in quantized
    }
    chained = []
    for layer in layers:
        if not layer.reason:
            own = tuple(pair for pair in layer.pairs if pair.node == layer.name)
            layer = replace(layer, pairs=own, outputs=outputs[layer.name])
        chained.append(layer)
    wanted = {
        tensor
        for layer in chained
        for tensor in (*(pair.tensor for pair in layer.pairs), *layer.outputs)
    }
    unsigned = frozenset(
        t for t in wanted if _never_negative(graph, graph.producer(root(graph, t)))
    )
    return tuple(chained), unsigned, MappingProxyType(bounds)


def _can_be_paired(graph: Graph, tensor: str) -> bool:
    """A subgraph's reader would get the pair in no other way than by a new name inside it."""
    return tensor not in graph.outputs and all(use.index >= 0 for use in graph.uses(tensor))


def _outputs(
    graph: Graph, node: NodeProto, quantized: set[str], bounds: dict[str, float]
) -> tuple[str, ...]:
    """The tensors after a layer that are in INT8 for all who read them."""
    output = node.output[0]
    uses = graph.uses(output)
    if len(uses) == 1 and uses[0].node.op_type in _ABSORBED and uses[0].index == 0:
        return (uses[0].node.output[0],)
    silu = _silu(graph, output)
    if silu is None or not _reaches(graph, silu[1], quantized):
        return (output,)
    gate, product = silu
    bounds[gate] = 1.0
    return (output, gate, product)


def _reaches(graph: Graph, tensor: str, quantized: set[str]) -> bool:
    """Whether a layer in INT8 reads the tensor, or what it holds; heads are to get it in float."""
    return any(
        use.node.name in quantized
        or (_hands_on(use.node) and any(_reaches(graph, t, quantized) for t in use.node.output))
        for use in graph.uses(tensor)
    )


def _hands_on(node: NodeProto) -> bool:
    return passes(node) or node.op_type in ("Add", "Concat")


def _silu(graph: Graph, tensor: str) -> tuple[str, str] | None:
    """The sigmoid and the product of x * sigmoid(x), where these two alone read x."""
    uses = graph.uses(tensor)
    gates = [use.node for use in uses if use.node.op_type == "Sigmoid"]
    products = [use.node for use in uses if use.node.op_type == "Mul"]
    if len(uses) != 2 or len(gates) != 1 or len(products) != 1:
        return None
    gate = gates[0].output[0]
    if gate not in products[0].input or len(graph.uses(gate)) != 1:
        return None
    return gate, products[0].output[0]


def _never_negative(graph: Graph, node: NodeProto | None) -> bool:
    if node is None:
        return False
    if node.op_type == "Clip":
        # The limits are attributes before opset 11.
        low = graph.constant(node.input[1]) if len(node.input) > 1 else attribute(node, "min")
        return low is not None and bool(np.min(low) >= 0)
    return node.op_type in ("Relu", "Sigmoid", "Softmax")
