"""What is in an .onnx file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgert.builds.layers import Layer, LayerTensor
from edgert.engines.base import TensorSpec
from edgert.engines.onnxruntime import OnnxRuntimeNetwork, check_file
from edgert.errors import ModelError, UnavailableError
from edgert.inspection.inspection import Inspection

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

    from edgert.quant.model.graph import Graph

__all__ = ["inspect_onnx"]

# They make a tensor of constants: what they compute is computed once.
_NO_LAYERS = ("Constant", "QuantizeLinear", "DequantizeLinear")


def inspect_onnx(path: Path) -> Inspection:
    """Look into an ONNX model.

    Without the package onnx only what ONNX Runtime tells is known.

    Raises:
        ModelError: It cannot be read.
    """
    check_file(path)
    try:
        from edgert.quant.model.graph import Graph, require_onnx

        require_onnx()
    except UnavailableError as error:
        return _by_onnxruntime(path, error)
    graph = Graph.load(path)
    model = graph.model
    from edgert.builds.source import read

    source = read(path)
    layers, remarks = _layers(graph)
    return Inspection(
        path=str(path),
        format="onnx",
        file_bytes=source.file_bytes,
        precision=source.precision,
        inputs=tuple(_spec(v) for v in model.graph.input if v.name not in graph.initializers),
        outputs=tuple(map(_spec, model.graph.output)),
        layers=layers,
        layers_from="the file" if layers else "",
        parameters=sum(math.prod(tensor.dims) for tensor in model.graph.initializer),
        facts={
            **_with_weights(layers),
            "opset": ", ".join(f"{o.domain or 'ai.onnx'} {o.version}" for o in model.opset_import),
            **({"producer": _producer(model)} if model.producer_name else {}),
        },
        metadata=source.metadata,
        remarks=remarks,
    )


def _by_onnxruntime(path: Path, why: UnavailableError) -> Inspection:
    network = OnnxRuntimeNetwork(path, threads=1)
    return Inspection(
        path=str(path),
        format="onnx",
        file_bytes=path.stat().st_size,
        inputs=network.inputs,
        outputs=network.outputs,
        metadata=network.metadata,
        remarks=(f"layers: {why}",),
    )


def _layers(graph: Graph) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    from onnx import shape_inference

    from edgert.quant.builds.planned import LAYERS, planned_precision
    from edgert.quant.model.opset import skeleton
    from edgert.quant.model.precision import element_types

    model = skeleton(graph.model)
    try:
        types = element_types(model)
    except ModelError as error:
        return (), (f"layers: {error}",)
    inferred = shape_inference.infer_shapes(model).graph
    shapes = {v.name: _shape(v) for v in (*inferred.input, *inferred.value_info, *inferred.output)}

    def tensor(name: str) -> LayerTensor:
        return LayerTensor(_name_of(types.get(name, 0)), shapes.get(name, ()))

    def layer(node: NodeProto) -> Layer:
        outputs = tuple(tensor(name) for name in node.output if name)
        inputs = tuple(tensor(name) for name in node.input if name and name in shapes)
        if node.op_type in LAYERS:
            precision = planned_precision(graph, types, node)
        else:
            precision = next((one.dtype for one in outputs), "unknown")
        return Layer(node.name, node.op_type, precision, inputs, outputs, (node.name,))

    nodes = [node for node in graph.nodes if node.op_type not in _NO_LAYERS]
    return tuple(map(layer, nodes)), ()


def _with_weights(layers: Iterable[Layer]) -> dict[str, str]:
    """Those that cost the most, by precision."""
    from edgert.quant.builds.planned import LAYERS

    counts = Counter(layer.precision for layer in layers if layer.kind in LAYERS)
    words = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return {"multiplying": words} if words else {}


def _name_of(element: int) -> str:
    """ "fp32" and so on, for a number of `onnx.TensorProto.DataType`."""
    from onnx import TensorProto

    names = {"float": "fp32", "float16": "fp16", "double": "fp64", "bfloat16": "bf16"}
    name = str(TensorProto.DataType.Name(element)).lower()
    return names.get(name, name)


def _spec(value: ValueInfoProto) -> TensorSpec:
    from onnx import helper

    try:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    except (KeyError, TypeError):
        dtype = np.dtype(object)
    sizes = tuple(size if size >= 0 else None for size in _shape(value))
    return TensorSpec(value.name, dtype, sizes)


def _shape(value: ValueInfoProto) -> tuple[int, ...]:
    """-1 for an open size."""
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims)


def _producer(model: ModelProto) -> str:
    return f"{model.producer_name} {model.producer_version}".strip()
