"""A model's operator set, and its graph without the weights' bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx
from onnx import ModelProto, NodeProto, TensorProto

from edgert.errors import ModelError

__all__ = ["raise_opset", "rebuilt", "skeleton"]

# Larger initializers are weights; smaller ones may be sizes and axes, which decide shapes.
_SMALL_ELEMENTS = 256
# onnx/docs/Versioning.md: the format version that an operator set asks for.
_IR_OF_OPSET = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10}


def skeleton(model: ModelProto) -> ModelProto:
    """A copy of the model in which weights are inputs: for onnx's own tools, which copy bytes
    around several times and stop at 2 GB.
    """
    made = ModelProto(ir_version=max(model.ir_version, 4))
    made.opset_import.extend(model.opset_import)
    made.functions.extend(model.functions)
    made.graph.name = model.graph.name or "graph"
    made.graph.node.extend(model.graph.node)
    made.graph.output.extend(model.graph.output)
    made.graph.value_info.extend(model.graph.value_info)
    declared = {value.name for value in model.graph.input}
    made.graph.input.extend(model.graph.input)
    for tensor in model.graph.initializer:
        elements = 1
        for size in tensor.dims:
            elements *= size
        if elements <= _SMALL_ELEMENTS and not _is_external(tensor):
            made.graph.initializer.append(tensor)
        elif tensor.name not in declared:
            made.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    return made


def raise_opset(model: ModelProto, opset: int) -> ModelProto:
    """The model with its standard operators at `opset` or later.

    onnx's version converter does the rewriting, on the graph without its weights: its answer is
    equal to the last bit on YOLOv8n and the MoveNet pose network (opset 17 to 19).

    Args:
        model: Any model; it is not changed, and returned as it is where nothing has to be done.
        opset: The least version of the standard operators that is wanted.

    Returns:
        The model with at least that opset; names, weights and metadata stay.

    Raises:
        ModelError: onnx cannot convert one of the operators.
    """
    found = _opset(model)
    if found >= opset:
        return model
    try:
        graph = onnx.version_converter.convert_version(skeleton(model), opset)
    except Exception as error:  # the converter's own exceptions have no common base
        raise ModelError(
            f"the model has opset {found}, expected {opset} or later, and onnx cannot convert it: "
            f"{error}. Export the model again with opset_version={opset}."
        ) from error
    known = {tensor.name for tensor in model.graph.initializer}
    added = [tensor for tensor in graph.graph.initializer if tensor.name not in known]
    return rebuilt(
        model,
        graph.graph.node,
        [*model.graph.initializer, *added],
        {entry.domain: entry.version for entry in graph.opset_import},
    )


def rebuilt(
    model: ModelProto,
    nodes: Iterable[NodeProto],
    initializers: Iterable[TensorProto],
    opsets: Mapping[str, int] | None = None,
) -> ModelProto:
    """A model with other nodes and initializers; inputs, outputs and notes stay.

    Intermediate tensors' declared types go, since the nodes decide them anew; except those of
    other domains' operators, of which onnx cannot infer any.
    """
    made = ModelProto()
    for field, value in model.ListFields():
        if field.name not in ("graph", "opset_import", "training_info"):
            _put(made, field.name, value)
    for domain, version in (opsets or {o.domain: o.version for o in model.opset_import}).items():
        made.opset_import.append(onnx.helper.make_opsetid(domain, version))
    made.ir_version = max(made.ir_version, 4, _IR_OF_OPSET.get(_opset(made), 4))
    for field, value in model.graph.ListFields():
        if field.name not in ("node", "initializer", "value_info", "input"):
            _put(made.graph, field.name, value)
    made.graph.node.extend(nodes)
    made.graph.initializer.extend(initializers)
    foreign = {
        o for node in made.graph.node if node.domain not in ("", "ai.onnx") for o in node.output
    }
    made.graph.value_info.extend(v for v in model.graph.value_info if v.name in foreign)
    constants = {tensor.name for tensor in made.graph.initializer}
    # Before IR 4 every initializer was an input too, for the caller to override.
    made.graph.input.extend(v for v in model.graph.input if v.name not in constants)
    return made


def _opset(model: ModelProto) -> int:
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)


def _put(message: object, name: str, value: object) -> None:
    if hasattr(value, "extend"):
        getattr(message, name).extend(value)
    else:
        setattr(message, name, value)


def _is_external(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == TensorProto.EXTERNAL)
