"""A model with the quantize-dequantize pairs of a plan written into it."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgert.engines.base import Array
from edgert.quant.model.graph import Graph, attribute, captured
from edgert.quant.model.opset import rebuilt
from edgert.quant.rewrite.placement import Layer
from edgert.quant.rewrite.plan import Plan, group_scale
from edgert.quant.rewrite.rounding import LARGEST_BIAS_LEVEL, SMALLEST_FLOAT_SCALE, Rounding
from edgert.quant.thresholds.scales import SMALLEST_SCALE, Scales

__all__ = ["insert_pairs"]

# What ONNX Runtime's optimizer puts into INT8 on its own.
_REQUANTIZED = ("Conv", "ConvTranspose", "Gemm")


def insert_pairs(graph: Graph, scales: Scales, plan: Plan, rounding: Rounding) -> ModelProto:
    """The model in FP32 with explicit INT8: opset 13 or later.

    Args:
        graph: The float model.
        scales: Thresholds of the plan's tensors.
        plan: Its `quantized` layers get pairs.
        rounding: How weights are rounded.
    """
    return _Inserter(graph, scales, plan, rounding).run()


class _Inserter:
    def __init__(self, graph: Graph, scales: Scales, plan: Plan, rounding: Rounding) -> None:
        self._graph = graph
        self._scales = scales
        self._plan = plan
        self._rounding = rounding
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._pairs: dict[str, str] = {}
        self._replaced: set[str] = set()
        self._layers = {layer.name: layer for layer in plan.quantized}
        # By node and input: the tensor that is read through its pair.
        self._reads = {
            (pair.node, pair.index): pair.tensor for layer in plan.quantized for pair in layer.pairs
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
                self._replaced.update(node.input[1:])
                made.input[1], bias = self._weight(layer, node)
                if bias:
                    del made.input[2:]
                    made.input.append(bias)
            elif node.op_type in _REQUANTIZED and self._is_between_pairs(node):
                self._stay_in_float(made)
            self._nodes.append(made)
        read = {name for node in self._nodes for name in (*node.input, *captured(node))}
        kept = [
            entry
            for entry in self._graph.model.graph.initializer
            if entry.name in read or entry.name not in self._replaced
        ]
        return rebuilt(self._graph.model, self._nodes, [*kept, *self._constants])

    def _pair(self, tensor: str) -> str:
        if tensor not in self._pairs:
            scale = self._constant(f"{tensor}_scale", np.float32(self._step(tensor)))
            zero = self._constant(f"{tensor}_zero_point", self._zero(tensor))
            unique = self._graph.unique
            levels, rounded = unique(f"{tensor}_int8"), unique(f"{tensor}_dequantized")
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

    def _zero(self, tensor: str) -> Array:
        if self._plan.profile != "onnxruntime":
            return np.asarray(0, dtype=np.int8)
        # The same levels as int8 around 0, in the type that x86 has fast kernels for.
        return np.asarray(0 if tensor in self._plan.unsigned else 128, dtype=np.uint8)

    def _weight(self, layer: Layer, node: NodeProto) -> tuple[str, str]:
        """The names of weights and bias; the bias is in float, or for ONNX Runtime as its integer
        kernel adds it.
        """
        own = node.input[2] if len(node.input) > 2 else ""
        bias = self._rounding.bias(self._graph, layer, node)
        if bias is None and own:
            bias = self._graph.constant(own)
        largest = 0.0 if bias is None else float(np.abs(bias).max(initial=0))
        step = np.float32(self._step(layer.pairs[0].tensor))
        levels, steps = self._rounding.weight(
            self._graph,
            layer,
            max(
                SMALLEST_SCALE if self._plan.profile == "tensorrt" else SMALLEST_FLOAT_SCALE,
                # A runtime may add the bias as a whole number of these products, whatever the file
                # says, and a filter of zeros must not make that number overflow.
                largest / (float(step) * LARGEST_BIAS_LEVEL),
            ),
        )
        name = self._dequantized(f"{layer.name}_weight", levels, steps, layer.axis)
        if bias is None:
            return name, own
        if self._plan.profile == "onnxruntime" and bias.ndim == 1:
            rounded = np.rint(bias / (steps * step)).astype(np.int32)
            return name, self._dequantized(f"{layer.name}_bias", rounded, steps * step, 0)
        if layer.name not in self._rounding.shifts:
            return name, own
        return name, self._constant(f"{layer.name}_bias", bias)

    def _is_between_pairs(self, node: NodeProto) -> bool:
        """Whether all that a node reads and gives is in INT8, but for a Relu or Clip after it."""
        if (node.name, 0) not in self._reads:
            return False
        uses = self._graph.uses(node.output[0])
        while len(uses) == 1 and uses[0].node.op_type in ("Relu", "Clip"):
            uses = self._graph.uses(uses[0].node.output[0])
        return bool(uses) and all((use.node.name, use.index) in self._reads for use in uses)

    def _stay_in_float(self, node: NodeProto) -> None:
        """Give a float layer between two pairs a bias that ONNX Runtime cannot see through.

        ONNX Runtime rounds constant weights there by itself, with one scale for all channels
        (weight_bias_quantization.cc); not where the bias is computed, as by DequantizeLinear. These
        steps are powers of two, in which a float32 is whole: the bias is the same to the last bit.
        """
        weight = self._graph.constant(node.input[1])
        own = node.input[2] if len(node.input) > 2 else ""
        bias = self._graph.constant(own) if own else None
        if weight is None or (own and (bias is None or bias.ndim != 1)):
            return
        if bias is None:
            groups = int(attribute(node, "group", 1))
            columns = node.op_type == "Gemm" and not attribute(node, "transB", 0)
            across = columns or node.op_type == "ConvTranspose"
            channels = weight.shape[1] * groups if across else weight.shape[0]
            bias = np.zeros(channels, dtype=np.float32)
        # Steps under FP32's smallest normal number may be taken for zero.
        exponents = np.maximum(np.frexp(bias)[1] - 24, -126)
        levels = np.rint(np.ldexp(bias.astype(np.float64), -exponents)).astype(np.int32)
        steps = np.ldexp(np.float32(1), exponents)
        self._replaced.update(node.input[2:])
        del node.input[2:]
        node.input.append(self._dequantized(f"{node.name}_bias", levels, steps, 0))

    def _dequantized(self, name: str, levels: Array, steps: Array, axis: int) -> str:
        inputs = [
            self._constant(f"{name}_{levels.dtype}", levels),
            self._constant(f"{name}_scale", steps),
            self._constant(f"{name}_zero_point", np.zeros(steps.shape, levels.dtype)),
        ]
        result = self._graph.unique(f"{name}_dequantized")
        self._nodes.append(
            helper.make_node("DequantizeLinear", inputs, [result], name=f"{result}_node", axis=axis)
        )
        return result

    def _constant(self, name: str, value: Array | np.generic) -> str:
        name = self._graph.unique(name)
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name
