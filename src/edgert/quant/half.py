"""FP16: a model in which what a GPU computes in half precision is written as such.

The result is "strongly typed": every tensor's type is in the file, none is left to a builder. That
is the only FP16 that TensorRT 11 knows, and what the plain FP16 model and the unquantized rest of
an INT8 model are made of.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper
from onnx import numpy_helper as arrays

from edgert.errors import ModelError
from edgert.quant.opset import opset_of, raise_opset, rebuilt, skeleton

__all__ = ["SMALLEST_SCALE", "to_half"]

# The smallest normal FP16 number. TensorRT refuses a scale of 0, and one below this loses digits.
SMALLEST_SCALE = 2.0**-14
_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST = float(np.finfo(np.float16).smallest_subnormal)

_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16
# Sequences, optionals and maps: known to be no tensors.
_NO_TENSOR = -1
_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")

# What is computed in FP32 whatever the type of the rest, since FP16 would overflow (sums, powers,
# normalisations: 65504 is soon reached) or blur coordinates (above 1024 its step is a whole pixel).
_KEPT = frozenset(
    """
    CumSum Exp Pow ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceProd ReduceSum
    ReduceSumSquare GroupNormalization InstanceNormalization LayerNormalization LpNormalization
    MeanVarianceNormalization RMSNormalization
    AffineGrid GridSample RoiAlign NonMaxSuppression
    """.split()
)
# Inputs that stay FP32 though their operator is FP16: sampling positions.
_KEPT_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}
# Attributes that name the type of an output.
_TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype")


def to_half(model: ModelProto, *, keep_float: Collection[str] = ()) -> ModelProto:
    """Write a model's FP32 arithmetic as FP16; its inputs and outputs stay FP32.

    FP32 stay, with Casts around them: nodes named in `keep_float`; operators that ONNX does not
    define for FP16; sums, powers, normalisations and sampling positions (Exp, Pow, ReduceSum,
    LayerNormalization, GridSample ...), which overflow or lose pixels; nodes that hold a subgraph
    (If, Loop, Scan) or are of another domain than ONNX's; and arithmetic on constants and integers
    alone, such as sizes and indices, of which FP16 would keep 11 bits.

    A model with QuantizeLinear is raised to opset 19, the first with FP16 scales. Scales are at
    least 2**-14, and int8 weights are rounded anew where that changes theirs.

    Args:
        model: With its weights loaded (external data too). It is not changed.
        keep_float: Names of nodes to keep in FP32; one without a name is called
            "<OpType>_<first output>".

    Returns:
        The FP16 model: same inputs, outputs, metadata and node names.

    Raises:
        ModelError: Weights are not loaded, or a tensor's type cannot be found out.
        ValueError: `keep_float` names a node that is not there.

    Warns:
        UserWarning: A constant is beyond 65504, FP16's largest number; it is clamped.
    """
    if any(node.op_type in _QUANTIZERS for node in model.graph.node):
        model = raise_opset(model, 19)
    return _Rewriter(model, frozenset(keep_float)).run()


class _Rewriter:
    """Walks the nodes in order; keeps each FP32 tensor's name in either precision."""

    def __init__(self, model: ModelProto, keep_float: frozenset[str]) -> None:
        self._model = model
        self._opset = opset_of(model)
        self._constants = _constants(model)
        self._types = _types(model)
        self._scales = {
            node.input[1] for node in model.graph.node if node.op_type in _QUANTIZERS
        }
        self._keep = keep_float
        _check_names(keep_float, model)
        self._names = set(self._types) | {o for n in model.graph.node for o in n.output}
        self._outputs = {value.name for value in model.graph.output}
        # name -> {_FLOAT or _HALF: the name of its copy of that type}
        self._versions: dict[str, dict[int, str]] = {}
        self._nodes: list[NodeProto] = []
        self._initializers: list[TensorProto] = []
        self._clamped: list[str] = []

    def run(self) -> ModelProto:
        graph = self._model.graph
        for value in graph.input:
            if self._types.get(value.name) == _FLOAT and value.name not in self._constants:
                self._versions[value.name] = {_FLOAT: value.name}
        data = _data_tensors(self._model, self._types)
        for node in graph.node:
            if node.output[0] not in self._constants:
                self._rewrite(node, self._is_half(node, data))
        for value in graph.output:
            if self._types.get(value.name) == _FLOAT:
                self._version(value.name, _FLOAT)
        used = {name for node in self._nodes for name in _reads(node)} | self._outputs
        rest = [t for t in graph.initializer if t.data_type != _FLOAT and t.name in used]
        made = rebuilt(
            self._model, nodes=self._nodes, initializers=[*rest, *self._initializers]
        )
        if self._clamped:
            warnings.warn(
                f"clamped to FP16's range of +-{_LARGEST:.0f}: {', '.join(self._clamped)}; name "
                f"the nodes that use them in keep_float to keep them as they are",
                UserWarning,
                stacklevel=3,
            )
        return made

    def _is_half(self, node: NodeProto, data: frozenset[str]) -> bool:
        if _name(node) in self._keep or node.op_type in _KEPT or node.domain not in ("", "ai.onnx"):
            return False
        if any(True for attribute in node.attribute for _ in _subgraphs(attribute)):
            return False
        names = (*node.input, *node.output)
        if any(self._types.get(name) == _NO_TENSOR for name in names):
            return False
        if node.op_type not in _QUANTIZERS and not any(name in data for name in names):
            return False
        return all(
            "tensor(float16)" in kinds
            for index, name, kinds in self._signature(node)
            if self._types.get(name) == _FLOAT
            and index not in _KEPT_INPUTS.get(node.op_type, ())
        )

    def _signature(self, node: NodeProto) -> Iterator[tuple[int, str, Collection[str]]]:
        """Every input and output with the types that ONNX allows for it; outputs count from -1."""
        try:
            schema = onnx.defs.get_schema(node.op_type, self._opset, "")
        except onnx.defs.SchemaError:
            yield from ((index, name, ()) for index, name in enumerate(node.input))
            return
        for index, name in enumerate(node.input):
            yield index, name, schema.inputs[min(index, len(schema.inputs) - 1)].types
        for index, name in enumerate(node.output):
            yield ~index, name, schema.outputs[min(index, len(schema.outputs) - 1)].types

    def _rewrite(self, node: NodeProto, half: bool) -> None:
        made = NodeProto()
        made.CopyFrom(node)
        kept_inputs = _KEPT_INPUTS.get(node.op_type, ())
        if half and node.op_type == "DequantizeLinear":
            made.input[0] = self._requantized(node)
        for index, name in enumerate(node.input):
            if self._types.get(name) == _FLOAT:
                wanted = _HALF if half and index not in kept_inputs else _FLOAT
                made.input[index] = self._version(name, wanted)
        for attribute in made.attribute:
            for graph in _subgraphs(attribute):
                self._rename_captured(graph)
            if half and attribute.name in _TYPE_ATTRIBUTES and attribute.i == _FLOAT:
                attribute.i = _HALF
        for index, name in enumerate(node.output):
            if self._types.get(name) == _FLOAT:
                precision = _HALF if half else _FLOAT
                renamed = half and name in self._outputs
                made.output[index] = self._fresh(f"{name}_half") if renamed else name
                self._versions[name] = {precision: made.output[index]}
        self._nodes.append(made)

    def _version(self, name: str, precision: int) -> str:
        """The name of a tensor's copy of that precision; made when it is first asked for."""
        versions = self._versions.setdefault(name, {})
        if precision in versions:
            return versions[precision]
        if name in self._constants:
            # A second copy gets a name of its own, and so does one that an output's name belongs to.
            taken = bool(versions) or (name in self._outputs and precision == _HALF)
            made = self._fresh(f"{name}_{_suffix(precision)}") if taken else name
            tensor = self._constants[name]
            if precision == _HALF:
                self._initializers.append(arrays.from_array(self._half_array(name), made))
            else:
                copy = TensorProto()
                copy.CopyFrom(tensor)
                copy.name = made
                self._initializers.append(copy)
        else:
            source = versions[_FLOAT if precision == _HALF else _HALF]
            promised = precision == _FLOAT and name in self._outputs
            made = name if promised else self._fresh(f"{name}_{_suffix(precision)}")
            self._nodes.append(
                helper.make_node("Cast", [source], [made], name=f"Cast_{made}", to=precision)
            )
        versions[precision] = made
        return made

    def _half_array(self, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
        exact = arrays.to_array(self._constants[name])
        if name in self._scales:
            return np.maximum(exact, SMALLEST_SCALE).astype(np.float16)
        over = np.isfinite(exact) & (np.abs(exact) > _LARGEST)
        if over.any():
            self._clamped.append(f"{name} ({exact[over].flat[0]:g})")
        with np.errstate(over="ignore"):
            rounded = np.where(over, np.copysign(_LARGEST, exact), exact).astype(np.float16)
        # An epsilon that guards a division must not become zero.
        lost = (rounded == 0) & (exact != 0)
        rounded[lost] = np.copysign(_SMALLEST, exact[lost])
        return rounded

    def _requantized(self, node: NodeProto) -> str:
        """The name of a DequantizeLinear's constant whole numbers, for its scale in FP16.

        Only scales under the least one change; their numbers are rounded anew.
        """
        name, scale_name = node.input[0], node.input[1]
        if name not in self._constants or scale_name not in self._constants:
            return name
        scale = arrays.to_array(self._constants[scale_name]).astype(np.float64)
        if self._types[scale_name] != _FLOAT or (scale >= SMALLEST_SCALE).all():
            return name
        whole = arrays.to_array(self._constants[name])
        if scale.ndim > 1:
            raise ModelError(
                f"{_name(node)}: a scale a block, of which one is {scale.min():g}; expected at "
                f"least {SMALLEST_SCALE:g}, FP16's smallest normal number"
            )
        shape = [1] * whole.ndim
        if scale.size > 1:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            shape[axis] = scale.size
        factor = np.where(scale < SMALLEST_SCALE, scale / SMALLEST_SCALE, 1.0).reshape(shape)
        zero = self._zero_point(node, shape)
        limits = np.iinfo(whole.dtype)
        changed = np.rint((whole.astype(np.float64) - zero) * factor) + zero
        made = self._fresh(f"{name}_half")
        self._initializers.append(
            arrays.from_array(changed.clip(limits.min, limits.max).astype(whole.dtype), made)
        )
        return made

    def _zero_point(self, node: NodeProto, shape: list[int]) -> np.ndarray[Any, np.dtype[Any]]:
        if len(node.input) < 3 or not node.input[2]:
            return np.zeros([1] * len(shape))
        if node.input[2] not in self._constants:
            raise ModelError(f"{_name(node)}: its zero point is no constant, expected one")
        zero = arrays.to_array(self._constants[node.input[2]]).astype(np.float64)
        return zero.reshape(shape if zero.size > 1 else [1] * len(shape))

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
            for attribute in node.attribute:
                for inner in _subgraphs(attribute):
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


def _types(model: ModelProto) -> dict[str, int]:
    """The element type of every tensor, as onnx infers it."""
    try:
        graph = onnx.shape_inference.infer_shapes(skeleton(model)).graph
    except Exception as error:  # onnx's own exceptions have no common base
        raise ModelError(f"onnx cannot infer the types of the model's tensors: {error}") from error
    types: dict[str, int] = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.HasField("tensor_type")
        types[value.name] = value.type.tensor_type.elem_type if tensor else _NO_TENSOR
    for node in model.graph.node:
        for name in filter(None, node.output):
            if not types.get(name):
                raise ModelError(
                    f"{_name(node)}: the type of its output {name!r} is not known "
                    f"({node.domain or 'ai.onnx'} operator), expected one; add it to the graph's "
                    f"value_info"
                )
    return types


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
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = node.attribute[0].t
            if tensor.data_type == _FLOAT:
                named = made[node.output[0]] = TensorProto()
                named.CopyFrom(tensor)
                named.name = node.output[0]
    return made


def _data_tensors(model: ModelProto, types: dict[str, int]) -> frozenset[str]:
    """Tensors that hold what the network was given or made of it, rather than sizes and indices."""
    whole = (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL)
    constants = {tensor.name for tensor in model.graph.initializer}
    data = {v.name for v in model.graph.input if types[v.name] not in whole} - constants
    for node in model.graph.node:
        if node.op_type in _LAYERS or not data.isdisjoint(node.input):
            data.update(name for name in node.output if types.get(name) not in whole)
    return frozenset(data - {""})


def _subgraphs(attribute: AttributeProto) -> Iterator[GraphProto]:
    if attribute.type == AttributeProto.GRAPH:
        yield attribute.g
    yield from attribute.graphs


def _reads(node: NodeProto) -> Iterator[str]:
    yield from node.input
    for attribute in node.attribute:
        for graph in _subgraphs(attribute):
            for inner in graph.node:
                yield from _reads(inner)


def _check_names(names: Collection[str], model: ModelProto) -> None:
    known = {_name(node) for node in model.graph.node}
    for name in sorted(set(names) - known):
        near = get_close_matches(name, known, 3)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise ValueError(f"keep_float names {name!r}, and the model has no such node{hint}")


def _name(node: NodeProto) -> str:
    return node.name or f"{node.op_type}_{node.output[0]}"


def _suffix(precision: int) -> str:
    return "half" if precision == _HALF else "float"
