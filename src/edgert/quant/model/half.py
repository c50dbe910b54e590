"""FP16: a model in which what a GPU computes in half precision is written as such.

The result is "strongly typed": every tensor's type is in the file, none is left to a builder. That
is the only FP16 that TensorRT 11 knows, and what the plain FP16 model and the unquantized rest of
an INT8 model are made of.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from difflib import get_close_matches

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper
from onnx import numpy_helper as arrays

from edgert.engines.base import Array
from edgert.errors import ModelError
from edgert.quant.model.graph import Graph, attribute
from edgert.quant.model.opset import raise_opset, rebuilt, skeleton
from edgert.quant.model.precision import FLOAT_INPUTS, element_types, half_nodes, subgraphs
from edgert.quant.thresholds.scales import SMALLEST_SCALE

__all__ = ["to_half"]

_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST = float(np.finfo(np.float16).smallest_subnormal)

_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16
_SUFFIX: dict[int, str] = {_FLOAT: "float", _HALF: "half"}
_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
# Attributes that name the type of an output.
_TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype")


def to_half(model: ModelProto, *, keep_float: Collection[str] = ()) -> ModelProto:
    """Write a model's FP32 arithmetic as FP16; its inputs and outputs stay FP32.

    FP32 stay, with Casts around them: nodes named in `keep_float`; the last layers (Conv,
    ConvTranspose, Gemm, MatMul) unless the model has INT8, and what follows them, such as a
    detector's decoding of boxes, which FP16 would round by up to half a pixel; operators that ONNX
    does not define for FP16; sums, powers, normalisations and sampling positions (Exp, Pow,
    ReduceSum, LayerNormalization, GridSample ...), which overflow or lose pixels; nodes that hold a
    subgraph (If, Loop, Scan) or are of another domain than ONNX's; and arithmetic on constants and
    integers alone, such as sizes and indices, of which FP16 would keep 11 bits.

    A model with QuantizeLinear is raised to opset 19, the first with FP16 scales. Scales are at
    least 2**-14, and quantized weights are rounded anew where that changes theirs.

    Args:
        model: With its weights loaded (external data too). It is not changed.
        keep_float: Names of nodes to keep in FP32; `Graph` names those without a name.

    Returns:
        The FP16 model, with the same inputs, outputs and metadata. Every node has a unique name.

    Raises:
        ModelError: Weights are not loaded, or a tensor's type cannot be found out.
        ValueError: `keep_float` names a node that is not there.

    Warns:
        UserWarning: A constant is beyond 65504, FP16's largest number; it is clamped.
    """
    if any(node.op_type in _QUANTIZERS for node in model.graph.node):
        model = raise_opset(model, 19)
    return _Rewriter(model, keep_float).run()


class _Rewriter:
    """Walks the nodes in order; knows the name of each FP32 tensor in either precision."""

    def __init__(self, model: ModelProto, keep_float: Collection[str]) -> None:
        self._model = model
        self._graph = Graph(skeleton(model))
        _check_names(keep_float, self._graph)
        self._types = element_types(self._graph.model)
        self._half = half_nodes(self._graph, self._types, keep_float)
        self._constants = _constants(model)
        self._scales = {n.input[1] for n in self._graph.nodes if n.op_type in _QUANTIZERS}
        self._names = {*self._types, *self._constants}
        # name -> {precision: the name of the tensor's copy in it}
        self._versions: dict[str, dict[int, str]] = {}
        self._nodes: list[NodeProto] = []
        self._initializers: list[TensorProto] = []
        self._clamped: list[str] = []

    def run(self) -> ModelProto:
        for name in self._graph.inputs:
            if name not in self._constants:
                self._versions[name] = {_FLOAT: name}
        for node in self._graph.nodes:
            if node.output[0] not in self._constants:
                self._rewrite(node, node.name in self._half)
        for name in self._graph.outputs:
            if self._types[name] == _FLOAT:
                self._version(name, _FLOAT)
        used = {name for node in self._nodes for name in _reads(node)} | {*self._graph.outputs}
        rest = [
            tensor
            for tensor in self._model.graph.initializer
            if tensor.data_type != _FLOAT and tensor.name in used
        ]
        if self._clamped:
            warnings.warn(
                f"clamped to FP16's range of +-{_LARGEST:.0f}: {', '.join(self._clamped)}; name "
                f"the nodes that read them in keep_float to have them as they are",
                UserWarning,
                stacklevel=3,
            )
        return rebuilt(self._model, self._nodes, [*rest, *self._initializers])

    def _rewrite(self, node: NodeProto, half: bool) -> None:
        made = NodeProto()
        made.CopyFrom(node)
        fixed = FLOAT_INPUTS.get(node.op_type, ())
        for index, name in enumerate(node.input):
            if self._types.get(name) == _FLOAT:
                made.input[index] = self._version(
                    name, _HALF if half and index not in fixed else _FLOAT
                )
        if half and node.op_type == "DequantizeLinear":
            made.input[0] = self._requantized(node)
        for entry in made.attribute:
            for graph in subgraphs(entry):
                self._rename_captured(graph)
            if half and entry.name in _TYPE_ATTRIBUTES and entry.i == _FLOAT:
                entry.i = _HALF
        for index, name in enumerate(node.output):
            if self._types.get(name) == _FLOAT:
                # The name of an output of the model belongs to its FP32 copy.
                renamed = half and name in self._graph.outputs
                made.output[index] = self._fresh(f"{name}_half") if renamed else name
                self._versions[name] = {_HALF if half else _FLOAT: made.output[index]}
        self._nodes.append(made)

    def _version(self, name: str, precision: int) -> str:
        """The name of a tensor's copy in that precision, made when it is first asked for."""
        versions = self._versions.setdefault(name, {})
        if precision not in versions:
            output = name in self._graph.outputs
            if name in self._constants:
                free = precision == _FLOAT if output else not versions
                made = name if free else self._fresh(f"{name}_{_SUFFIX[precision]}")
                array = arrays.to_array(self._constants[name])
                if precision == _HALF:
                    array = self._to_half(name, array)
                self._initializers.append(arrays.from_array(array, made))
            else:
                free = output and precision == _FLOAT
                made = name if free else self._fresh(f"{name}_{_SUFFIX[precision]}")
                source = next(iter(versions.values()))
                self._nodes.append(
                    helper.make_node("Cast", [source], [made], name=f"Cast_{made}", to=precision)
                )
            versions[precision] = made
        return versions[precision]

    def _to_half(self, name: str, exact: Array) -> Array:
        if name in self._scales:
            return np.maximum(exact, SMALLEST_SCALE).astype(np.float16)
        over = np.isfinite(exact) & (np.abs(exact) > _LARGEST)
        if over.any():
            self._clamped.append(f"{name} ({exact[over].flat[0]:g})")
        rounded = np.where(over, np.copysign(_LARGEST, exact), exact).astype(np.float16)
        # An epsilon that guards a division must not become zero.
        lost = (rounded == 0) & (exact != 0)
        return np.where(lost, np.copysign(_SMALLEST, exact), rounded).astype(np.float16)

    def _requantized(self, node: NodeProto) -> str:
        """The name of a DequantizeLinear's constant input, rounded anew where its scale grew."""
        name, scale_name, *zero_name = map(str, node.input)
        scale = self._graph.constant(scale_name)
        if name not in self._constants or scale is None or (scale >= SMALLEST_SCALE).all():
            return name
        whole = arrays.to_array(self._constants[name]).astype(np.int64)
        zero = self._graph.constant(zero_name[0]) if zero_name and zero_name[0] else np.int8(0)
        if scale.ndim > 1 or zero is None:
            raise ModelError(
                f"{node.name}: its scale {scale.min():g} is under {SMALLEST_SCALE:g}, FP16's "
                f"smallest normal number, and its weights have a scale a block or a computed zero "
                f"point; expected one constant scale a tensor or a channel"
            )
        shape = [1] * whole.ndim
        if scale.size > 1:
            shape[attribute(node, "axis", 1)] = scale.size
        factor = np.minimum(scale.astype(np.float64) / SMALLEST_SCALE, 1).reshape(shape)
        zero = zero.astype(np.int64).reshape(shape if zero.size > 1 else [1] * whole.ndim)
        changed = np.rint((whole - zero) * factor) + zero
        made = self._fresh(f"{name}_half")
        dtype = helper.tensor_dtype_to_np_dtype(self._types[name])
        self._initializers.append(arrays.from_array(changed.astype(dtype), made))
        return made

    def _rename_captured(self, graph: GraphProto) -> None:
        """Have a subgraph, which stays FP32, read FP32 copies of the tensors around it."""
        own = {value.name for value in (*graph.input, *graph.initializer)}
        own.update(name for node in graph.node for name in node.output)

        def renamed(name: str) -> str:
            captured = name not in own and self._types.get(name) == _FLOAT
            return self._version(name, _FLOAT) if captured else name

        for node in graph.node:
            for index, name in enumerate(node.input):
                node.input[index] = renamed(name)
            for entry in node.attribute:
                for inner in subgraphs(entry):
                    self._rename_captured(inner)
        for value in graph.output:
            value.name = renamed(value.name)

    def _fresh(self, name: str) -> str:
        made, number = name, 1
        while made in self._names:
            number += 1
            made = f"{name}_{number}"
        self._names.add(made)
        return made


def _constants(model: ModelProto) -> dict[str, TensorProto]:
    """Initializers of any type and FP32 Constant nodes, by name."""
    made = {tensor.name: tensor for tensor in model.graph.initializer}
    for tensor in made.values():
        if tensor.data_location == TensorProto.EXTERNAL:
            raise ModelError(
                f"initializer {tensor.name!r} is in an external file that was not loaded; expected "
                f"a model with its weights, as onnx.load(path) gives it"
            )
    for node in model.graph.node:
        value = attribute(node, "value") if node.op_type == "Constant" else None
        if value is not None and value.data_type == _FLOAT:
            made[node.output[0]] = value
    return made


def _reads(node: NodeProto) -> Iterator[str]:
    yield from node.input
    for entry in node.attribute:
        for graph in subgraphs(entry):
            yield from (value.name for value in graph.output)
            for inner in graph.node:
                yield from _reads(inner)


def _check_names(names: Collection[str], graph: Graph) -> None:
    known = [node.name for node in graph.nodes]
    for name in sorted({*names} - {*known}):
        near = ", ".join(get_close_matches(name, known, 3)) or ", ".join(known[:3])
        raise ValueError(f"keep_float names {name!r}, which is no node; there are {near}")
