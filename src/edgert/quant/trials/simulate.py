"""A network whose layers can be switched between float and INT8 one by one.

The quantized computation is done in float: values rounded to the levels that INT8 would have. An
integer kernel differs from it only in the order of its sums.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgert.engines.base import Array
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import ModelError
from edgert.quant.model.graph import Graph, captured, require_onnx
from edgert.quant.rewrite.plan import Plan, group_scale
from edgert.quant.rewrite.rounding import Method, Rounding
from edgert.quant.thresholds.scales import Scales
from edgert.quant.thresholds.weights import dequantize

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["Simulator"]

_SWITCHES = "edgert.switches"
_SCALES = "edgert.scales"
_NODE = "edgert.if."


class Simulator:
    """One session that answers for every choice of layers and scales.

    Each layer is an ONNX `If` with the float layer in one branch and the quantized one in the
    other; which branch runs and with which scales are inputs. One layer in INT8 costs 1.06x plain
    inference; with a `Where` at each input it was 2.0x (YOLOv8n, 2 threads).

    Args:
        model: The float model.
        plan: Its candidates are the layers with a switch.
        weights: How weights are rounded.
        threads: Threads within an operator; None: all cores.

    Raises:
        ModelError: The model cannot be read or run.
    """

    def __init__(
        self,
        model: str | Path | Graph,
        plan: Plan,
        *,
        weights: Method | Rounding = "minmax",
        threads: int | None = None,
    ) -> None:
        graph = model if isinstance(model, Graph) else Graph.load(model)
        if len(graph.inputs) != 1:
            raise ModelError(f"{graph.path}: expected one input, found {', '.join(graph.inputs)}")
        self.plan = plan
        self.layers = tuple(layer.name for layer in plan.candidates)
        self.outputs = graph.outputs
        self._input = graph.inputs[0]
        self._tensors = tuple(sorted(plan.groups))
        self._session = OnnxRuntimeGraph(
            _switched(graph, plan, Rounding.of(weights)), threads=threads
        )

    def run(
        self, tensor: Array, scales: Scales | None = None, layers: Collection[str] | None = None
    ) -> list[Array]:
        """The outputs with some layers in INT8.

        Args:
            tensor: The network's input.
            scales: The activations' scales; None: every layer in float.
            layers: The layers in INT8; None: those that the plan quantizes.

        Returns:
            The model's outputs in its order.
        """
        if scales is None:
            on: Collection[str] = ()
        else:
            on = {la.name for la in self.plan.quantized} if layers is None else set(layers)
        switches = np.array([name in on for name in self.layers], dtype=np.bool_)
        steps = np.ones(len(self._tensors), dtype=np.float32)
        if scales is not None:
            steps[:] = [group_scale(self.plan, scales, tensor) for tensor in self._tensors]
        return self._session.run({self._input: tensor, _SWITCHES: switches, _SCALES: steps})


def _switched(graph: Graph, plan: Plan, rounding: Rounding) -> bytes:
    onnx = require_onnx()
    from edgert.quant.model.opset import raise_opset

    graph = Graph(raise_opset(graph.model, 13), graph.path)
    helper = onnx.helper
    # By node: the layer whose switch it obeys, and its inputs with a pair.
    wanted: dict[str, tuple[int, dict[int, str]]] = {}
    for number, layer in enumerate(plan.candidates):
        for pair in layer.pairs:
            wanted.setdefault(pair.node, (number, {}))[1][pair.index] = pair.tensor
        for output in layer.outputs:
            node = graph.producer(output)
            if node is not None:
                wanted.setdefault(node.name, (number, {}))
    outputs = {name for layer in plan.candidates for name in layer.outputs}
    scale_of = {tensor: f"{_SCALES}.{i}" for i, tensor in enumerate(sorted(plan.groups))}

    made = onnx.ModelProto()
    made.CopyFrom(graph.model)
    del made.graph.node[:]
    add = made.graph.initializer.append
    for name, count, kind in (
        (_SWITCHES, len(plan.candidates), onnx.TensorProto.BOOL),
        (_SCALES, len(scale_of), onnx.TensorProto.FLOAT),
    ):
        made.graph.input.append(helper.make_tensor_value_info(name, kind, [count]))
        add(onnx.numpy_helper.from_array(np.ones(count, dtype=np.int64), f"{name}.ones"))
        made.graph.node.append(_split(name, count))
    add(onnx.numpy_helper.from_array(np.int8(0), "edgert.zero"))
    add(onnx.numpy_helper.from_array(np.uint8(0), "edgert.zero.unsigned"))
    for node in graph.nodes:
        if node.name not in wanted:
            made.graph.node.append(node)
            continue
        number, pairs = wanted[node.name]
        quantized = _Branch(plan, scale_of, node)
        inputs = {index: quantized.pair(tensor) for index, tensor in pairs.items()}
        layer = plan.candidates[number]
        if layer.name == node.name:
            levels, steps = rounding.weight(graph, layer)
            inputs[1] = f"edgert.weight.{number}"
            add(onnx.numpy_helper.from_array(dequantize(levels, steps, layer.axis), inputs[1]))
            bias = rounding.bias(graph, layer, node)
            if bias is not None:
                inputs[2] = f"edgert.bias.{number}"
                add(onnx.numpy_helper.from_array(bias, inputs[2]))
            elif len(node.input) > 2 and node.input[2]:
                bias, inputs[2] = graph.constant(node.input[2]), node.input[2]
            if plan.profile == "onnxruntime" and bias is not None and bias.ndim == 1:
                name = f"edgert.steps.{number}"
                add(onnx.numpy_helper.from_array(steps, name))
                inputs[2] = quantized.whole(inputs[2], name, layer.pairs[0].tensor)
        quantized.run(inputs, paired=set(node.output) & outputs)
        made.graph.node.append(
            helper.make_node(
                "If",
                [f"{_SWITCHES}.{number}"],
                list(node.output),
                name=f"{_NODE}{node.name}",
                then_branch=quantized.graph(),
                else_branch=_float_branch(helper, node),
            )
        )
    _move_constants(made)
    content: bytes = made.SerializeToString()
    return content


def _move_constants(model: ModelProto) -> None:
    """Put the constants of each branch into it.

    ONNX Runtime lays weights out for its fastest convolutions only where they are of the same graph
    as the convolution: 1.06 instead of 1.45 times plain inference, measured on YOLOv8n.
    """
    constants = {entry.name: entry for entry in model.graph.initializer}
    read: set[str] = set()
    moved: set[str] = set()
    for node in model.graph.node:
        if not node.name.startswith(_NODE):
            read.update((*node.input, *captured(node)))
            continue
        for branch in (entry.g for entry in node.attribute):
            own: dict[str, str] = {}
            for inner in branch.node:
                for index, name in enumerate(inner.input):
                    if name in constants:
                        own[name] = inner.input[index] = f"{branch.name}.{name}"
            for name, mine in own.items():
                branch.initializer.add().CopyFrom(constants[name])
                branch.initializer[-1].name = mine
            moved.update(own)
    kept = [
        entry for entry in model.graph.initializer if entry.name in read or entry.name not in moved
    ]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _split(name: str, count: int) -> NodeProto:
    made: NodeProto = require_onnx().helper.make_node(
        "Split", [name, f"{name}.ones"], [f"{name}.{i}" for i in range(count)], axis=0
    )
    return made


class _Branch:
    """The quantized form of a node, as the subgraph of an `If`."""

    def __init__(self, plan: Plan, scale_of: Mapping[str, str], node: NodeProto) -> None:
        self._helper = require_onnx().helper
        self._plan = plan
        self._scale_of = scale_of
        self._node = node
        self._nodes: list[NodeProto] = []
        self._outputs: list[str] = []

    def pair(self, tensor: str, source: str | None = None) -> str:
        """Append quantize and dequantize of `source` with the scale of `tensor`."""
        zero = "edgert.zero.unsigned" if tensor in self._plan.unsigned else "edgert.zero"
        step = self._scale_of[tensor]
        levels, rounded = (f"edgert.{part}.{self._node.name}.{tensor}" for part in ("q", "dq"))
        make = self._helper.make_node
        self._nodes.append(make("QuantizeLinear", [source or tensor, step, zero], [levels]))
        self._nodes.append(make("DequantizeLinear", [levels, step, zero], [rounded]))
        return rounded

    def whole(self, bias: str, steps: str, tensor: str) -> str:
        """Append the rounding of a bias to the steps of the products it is added to."""
        names = [f"{bias}.{part}" for part in ("step", "ratio", "whole", "rounded")]
        step, ratio, levels, rounded = names
        make = self._helper.make_node
        self._nodes.append(make("Mul", [steps, self._scale_of[tensor]], [step]))
        self._nodes.append(make("Div", [bias, step], [ratio]))
        self._nodes.append(make("Round", [ratio], [levels]))
        self._nodes.append(make("Mul", [levels, step], [rounded]))
        return rounded

    def run(self, inputs: Mapping[int, str], paired: Collection[str]) -> None:
        """Append the node itself, reading `inputs` where they say so."""
        node = type(self._node)()
        node.CopyFrom(self._node)
        for index, name in sorted(inputs.items()):
            if index == len(node.input):
                node.input.append(name)
            node.input[index] = name
        for index, name in enumerate(self._node.output):
            node.output[index] = f"edgert.int8.{name}"
        self._nodes.append(node)
        self._outputs = [
            self.pair(name, made) if name in paired else made
            for name, made in zip(self._node.output, node.output, strict=True)
        ]

    def graph(self) -> GraphProto:
        """The subgraph."""
        return _branch(self._helper, self._nodes, f"edgert.int8.{self._node.name}", self._outputs)


def _float_branch(helper: object, node: NodeProto) -> GraphProto:
    made = type(node)()
    made.CopyFrom(node)
    for index, name in enumerate(node.output):
        made.output[index] = f"edgert.float.{name}"
    return _branch(helper, [made], f"edgert.float.{node.name}", list(made.output))


def _branch(helper: object, nodes: list[NodeProto], name: str, outputs: list[str]) -> GraphProto:
    onnx = require_onnx()
    values = [
        onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None)
        for output in outputs
    ]
    graph: GraphProto = onnx.helper.make_graph(nodes, name, [], values)
    return graph
