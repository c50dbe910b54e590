"""A model with the quantize-dequantize pairs of a plan written into it."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgert.engines.base import Array
from edgert.quant.graph import Graph
from edgert.quant.opset import rebuilt
from edgert.quant.placement import Layer
from edgert.quant.plan import Plan, group_scale
from edgert.quant.scales import SMALLEST_SCALE, Scales
from edgert.quant.weights import quantize_weight

__all__ = ["insert_pairs"]

# FP32 scales need no more room than this; a dead channel's must not be zero.
_SMALLEST_FLOAT_SCALE = 2.0**-40


def insert_pairs(graph: Graph, scales: Scales, plan: Plan, weights: str) -> ModelProto:
    """The model in FP32 with explicit INT8: opset 13 or later.

    Args:
        graph: The float model.
        scales: Thresholds of the plan's tensors.
        plan: Its `quantized` layers get pairs.
        weights: How weights are rounded: see `quantize_weight`.
    """
    return _Inserter(graph, scales, plan, weights).run()


class _Inserter:
    def __init__(self, graph: Graph, scales: Scales, plan: Plan, weights: str) -> None:
        self._graph = graph
        self._scales = scales
        self._plan = plan
        self._weights = weights
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._pairs: dict[str, str] = {}
        self._layers = {layer.name: layer for layer in plan.quantized}
        # By node and input: the tensor that is read through its pair.
        self._reads = {
            (pair.node, pair.index): pair.tensor
            for layer in plan.quantized
            for pair in layer.pairs
        }
        for layer in plan.quantized:
            for tensor in layer.outputs:
                for use in graph.uses(tensor):
                    if use.index >= 0:
                        self._reads[use.node.name, use.index] = tensor

    def run(self) -> ModelProto:
        for node in self._graph.nodes:
            made = NodeProto()
            made.CopyFrom(node)
            for index in range(len(made.input)):
                tensor = self._reads.get((node.name, index))
                if tensor is not None:
                    made.input[index] = self._pair(tensor)
            layer = self._layers.get(node.name)
            if layer is not None:
                made.input[1] = self._weight(layer)
                if self._plan.profile == "onnxruntime" and len(made.input) > 2:
                    made.input[2] = self._bias(layer, node)
            self._nodes.append(made)
        read = {name for node in self._nodes for name in node.input} | set(self._graph.outputs)
        kept = [
            entry
            for entry in self._graph.model.graph.initializer
            if entry.name in read or not self._graph.uses(entry.name)
        ]
        return rebuilt(self._graph.model, self._nodes, [*kept, *self._constants])

    def _pair(self, tensor: str) -> str:
        if tensor not in self._pairs:
            scale = self._constant(f"{tensor}_scale", np.float32(self._step(tensor)))
            zero = self._constant(f"{tensor}_zero_point", self._zero(tensor))
            levels, rounded = f"{tensor}_int8", f"{tensor}_dequantized"
            for op, source, result in (
                ("QuantizeLinear", tensor, levels),
                ("DequantizeLinear", levels, rounded),
            ):
                self._nodes.append(
                    helper.make_node(op, [source, scale, zero], [result], name=f"{result}_node")
                )
            self._pairs[tensor] = rounded
        return self._pairs[tensor]

    def _step(self, tensor: str) -> float:
        return group_scale(self._plan, self._scales, tensor)

    def _zero(self, tensor: str) -> np.int8 | np.uint8:
        if self._plan.profile != "onnxruntime":
            return np.int8(0)
        # The same levels as int8 around 0, in the type that x86 has fast kernels for.
        return np.uint8(0 if tensor in self._plan.unsigned else 128)

    def _weight(self, layer: Layer) -> str:
        weight = self._graph.constant(layer.weight)
        assert weight is not None, layer
        smallest = SMALLEST_SCALE if self._plan.profile == "tensorrt" else _SMALLEST_FLOAT_SCALE
        levels, steps = quantize_weight(
            weight, layer.axis, self._weights, smallest_scale=smallest
        )
        return self._dequantized(f"{layer.name}_weight", levels, steps, layer.axis)

    def _bias(self, layer: Layer, node: NodeProto) -> str:
        """The bias as ONNX Runtime's integer kernel adds it: in steps of input times weight."""
        bias = self._graph.constant(node.input[2])
        weight = self._graph.constant(layer.weight)
        assert weight is not None, layer
        if bias is None or bias.ndim != 1:
            return node.input[2]
        _, steps = quantize_weight(
            weight, layer.axis, self._weights, smallest_scale=_SMALLEST_FLOAT_SCALE
        )
        steps = (steps * np.float32(self._step(layer.pairs[0].tensor))).astype(np.float32)
        limit = np.float64(2**31 - 2**8)
        levels = np.clip(np.rint(bias.astype(np.float64) / steps), -limit, limit).astype(np.int32)
        return self._dequantized(f"{layer.name}_bias", levels, steps, 0)

    def _dequantized(self, name: str, levels: Array, steps: Array, axis: int) -> str:
        inputs = [
            self._constant(f"{name}_{levels.dtype}", levels),
            self._constant(f"{name}_scale", steps),
            self._constant(f"{name}_zero_point", np.zeros(steps.shape, levels.dtype)),
        ]
        result = f"{name}_dequantized"
        self._nodes.append(
            helper.make_node("DequantizeLinear", inputs, [result], name=f"{result}_node", axis=axis)
        )
        return result

    def _constant(self, name: str, value: Array | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name
