"""Which nodes of a model FP16 is good enough for."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from edgert.errors import ModelError
from edgert.quant.model.graph import Graph
from edgert.quant.model.values import reads_distribution

__all__ = ["FLOAT_INPUTS", "HALF_TYPE", "element_types", "half_nodes", "subgraphs"]

HALF_TYPE = "tensor(float16)"
# Inputs that stay FP32 though their operator is FP16: sampling positions.
FLOAT_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}

# What is computed in FP32 whatever the type of the rest, since FP16 would overflow (sums, powers,
# normalisations: 65504 is soon reached) or blur coordinates (from 1024 on its step is a pixel).
_FLOAT_OPS = frozenset(
    (
        "CumSum",
        "Exp",
        "Pow",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "LpNormalization",
        "MeanVarianceNormalization",
        "RMSNormalization",
        "AffineGrid",
        "GridSample",
        "RoiAlign",
    )
)
_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_WHOLE = (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL)
# Sequences, optionals and maps: known to be no tensors.
_NO_TENSOR = -1


def element_types(model: ModelProto) -> dict[str, int]:
    """The element type (`onnx.TensorProto.DataType`) of every tensor outside subgraphs.

    Args:
        model: Its weights are not read, and may be inputs (`opset.skeleton`).

    Raises:
        ModelError: The type of a tensor cannot be inferred.
    """
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception as error:  # onnx's own exceptions have no common base
        raise ModelError(f"onnx cannot infer the types of the model's tensors: {error}") from error
    types: dict[str, int] = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.HasField("tensor_type")
        types[value.name] = value.type.tensor_type.elem_type if tensor else _NO_TENSOR
    for node in model.graph.node:
        for name in filter(None, node.output):
            if not types.get(name):
                raise ModelError(
                    f"{node.name}: the type of its output {name!r} is unknown (operator "
                    f"{node.domain or 'ai.onnx'}.{node.op_type}); declare it in the graph's "
                    f"value_info"
                )
    return types


def half_nodes(graph: Graph, types: dict[str, int], keep_float: Collection[str]) -> frozenset[str]:
    """Names of the nodes to compute in FP16; `half.to_half` says which are not, and why.

    Args:
        graph: The model.
        types: Of its tensors, see `element_types`.
        keep_float: Names of nodes that stay FP32.
    """
    data = _data_tensors(graph, types)
    tail = _tail(graph)
    opset = graph.opset

    def is_half(node: NodeProto) -> bool:
        tensors = (*node.input, *node.output)
        quantizer = node.op_type in _QUANTIZERS
        return (
            node.name not in keep_float
            and (quantizer or node.name not in tail)
            and node.op_type not in _FLOAT_OPS
            and node.domain in ("", "ai.onnx")
            and not any(True for entry in node.attribute for _ in subgraphs(entry))
            and not any(types.get(name) == _NO_TENSOR for name in tensors)
            # A weight's DequantizeLinear reads constants alone, and yet makes what a layer reads.
            and (quantizer or not data.isdisjoint(tensors))
            and _takes_half(node, opset, types)
        )

    return frozenset(node.name for node in graph.nodes if is_half(node))


def subgraphs(attribute: AttributeProto) -> Iterator[GraphProto]:
    """The graphs that an attribute of a node holds: branches and loop bodies."""
    if attribute.type == AttributeProto.GRAPH:
        yield attribute.g
    yield from attribute.graphs


def _takes_half(node: NodeProto, opset: int, types: dict[str, int]) -> bool:
    """Whether ONNX defines the operator for FP16 wherever the node has FP32."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return False
    fixed = FLOAT_INPUTS.get(node.op_type, ())
    for names, formal in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for index, name in enumerate(names):
            if types.get(name) != TensorProto.FLOAT or (names is node.input and index in fixed):
                continue
            # The last formal parameter stands for all that follow where an operator is variadic.
            if HALF_TYPE not in formal[min(index, len(formal) - 1)].types:
                return False
    return True


def _tail(graph: Graph) -> frozenset[str]:
    """Names of the last layers, which no layer follows, and of what comes behind them.

    This is where boxes become pixels, and FP16 keeps a logit of 10 to 1/128: where a box is a mean
    over a distribution, two thirds of its error come about here. It costs little: what is last is
    mostly a 1x1 convolution, and its results leave in FP32 anyway. The last layers do not count
    where there are no others, and in a model with INT8, whose rounding is far beyond that.
    """
    layers = {
        node.name
        for node in graph.nodes
        if node.op_type in _LAYERS and not reads_distribution(graph, node)
    }
    leading: set[str] = set()
    for node in reversed(list(graph.nodes)):
        uses = [use.node.name for name in node.output for use in graph.uses(name)]
        if any(name in layers or name in leading for name in uses):
            leading.add(node.name)
    following: set[str] = set()
    tail = set()
    for node in graph.nodes:
        if node.name in layers or not following.isdisjoint(node.input):
            following.update(filter(None, node.output))
            if node.name not in leading:
                tail.add(node.name)
    quantized = any(node.op_type in _QUANTIZERS for node in graph.nodes)
    return frozenset(tail - layers if quantized or layers.isdisjoint(leading) else tail)


def _data_tensors(graph: Graph, types: dict[str, int]) -> frozenset[str]:
    """Tensors that hold what the network was given, or made of it.

    The others are sizes, indices and constants, and arithmetic on them: whole numbers break the
    chain (what comes of Shape or ArgMax is none of the data), layers begin it anew.
    """
    data = {name for name in graph.inputs if types[name] not in _WHOLE}
    for node in graph.nodes:
        if node.op_type in _LAYERS or not data.isdisjoint(node.input):
            data.update(name for name in node.output if name and types[name] not in _WHOLE)
    return frozenset(data)
