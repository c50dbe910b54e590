"""An ONNX model with the questions that quantization asks of it answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgert.engines.base import Array
from edgert.errors import ModelError, UnavailableError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["Graph", "Use", "attribute", "captured", "require_onnx"]


@dataclass(frozen=True, slots=True)
class Use:
    """One input of one node; index -1: a subgraph of the node reads the tensor."""

    node: NodeProto
    index: int


def require_onnx() -> Any:
    """The package onnx.

    Raises:
        UnavailableError: It is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise UnavailableError(
            "ONNX files are read and rewritten with the package onnx, which is not installed: "
            "pip install 'edgert[quant]'"
        ) from error
    return onnx


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """The value of a node's attribute, or the default where the node does not say."""
    from onnx import helper

    for entry in node.attribute:
        if entry.name == name:
            return helper.get_attribute_value(entry)
    return default


class Graph:
    """A typed index over a model: who makes a tensor, who reads it, what is constant.

    Nodes are given unique names where they have none or share one: `<OpType>_<first output>`. The
    index holds for the model as it was given; editing the model wants a new `Graph`.

    Args:
        model: The model; it is changed only in the names of its nodes.
        path: What errors call the model.

    Raises:
        ModelError: The nodes are not in the order of execution.
    """

    def __init__(self, model: ModelProto, path: str = "model") -> None:
        self.model = model
        self.path = path
        self.initializers = {entry.name: entry for entry in model.graph.initializer}
        self.inputs = tuple(
            value.name for value in model.graph.input if value.name not in self.initializers
        )
        self.outputs = tuple(value.name for value in model.graph.output)
        _name_nodes(model)
        self._producers: dict[str, NodeProto] = {}
        self._uses: dict[str, list[Use]] = {}
        known = {*self.inputs, *self.initializers, ""}
        known.update(entry.values.name for entry in model.graph.sparse_initializer)
        for node in self.nodes:
            for index, name in enumerate(node.input):
                if name not in known:
                    raise ModelError(
                        f"{path}: {node.op_type} {node.name!r} reads {name!r} before any node "
                        f"makes it; expected nodes in the order of execution"
                    )
                self._uses.setdefault(name, []).append(Use(node, index))
            for name in captured(node):
                self._uses.setdefault(name, []).append(Use(node, -1))
            for name in node.output:
                self._producers[name] = node
                known.add(name)

    @classmethod
    def load(cls, path: str | Path) -> Graph:
        """Read a model, with its external data where it has any.

        Raises:
            ModelError: The file is missing, is no ONNX model, or its external data is missing.
            UnavailableError: The package onnx is not installed.
        """
        onnx = require_onnx()
        try:
            model = onnx.load(str(path))
        except FileNotFoundError as error:
            missing = error.filename or error
            raise ModelError(f"{path}: no such file: {missing}") from error
        except Exception as error:  # protobuf's and onnx's exceptions have no common public base
            raise ModelError(f"{path}: not an ONNX model that can be read: {error}") from error
        if not model.graph.node:
            raise ModelError(f"{path}: the model has no nodes: is it an ONNX file?")
        return cls(model, str(path))

    @property
    def nodes(self) -> Iterable[NodeProto]:
        """The nodes in the order of execution."""
        nodes: Iterable[NodeProto] = self.model.graph.node
        return nodes

    @property
    def opset(self) -> int:
        """The version of the standard operators."""
        versions = [o.version for o in self.model.opset_import if o.domain in ("", "ai.onnx")]
        return int(versions[0]) if versions else 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of graph and weights in hex: equal for equal models, wherever they lie."""
        digest = hashlib.sha256()
        for opset in sorted((o.domain, o.version) for o in self.model.opset_import):
            digest.update(repr(opset).encode())
        digest.update(self.model.graph.SerializeToString(deterministic=True))
        return digest.hexdigest()

    def producer(self, tensor: str) -> NodeProto | None:
        """The node that makes a tensor; None for inputs and constants."""
        return self._producers.get(tensor)

    def uses(self, tensor: str) -> list[Use]:
        """Every input that reads a tensor, in the order of execution."""
        return self._uses.get(tensor, [])

    def constant(self, tensor: str) -> Array | None:
        """The value of a constant tensor; None where it depends on the input."""
        from onnx import numpy_helper

        if tensor in self.initializers:
            return np.asarray(numpy_helper.to_array(self.initializers[tensor]))
        node = self.producer(tensor)
        if node is None:
            return None
        if node.op_type == "Constant":
            value = attribute(node, "value")
            return None if value is None else np.asarray(numpy_helper.to_array(value))
        if node.op_type == "Identity":
            return self.constant(node.input[0])
        return None

    @cached_property
    def shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Shapes by tensor as far as ONNX can infer them; None for an open size."""
        from onnx import shape_inference

        from edgert.quant.model.opset import skeleton

        try:
            inferred = shape_inference.infer_shapes(skeleton(self.model))
        except Exception:  # an operator that onnx does not know
            inferred = self.model
        graph = inferred.graph
        shapes: dict[str, tuple[int | None, ...]] = {
            entry.name: tuple(entry.dims) for entry in self.model.graph.initializer
        }
        for value in (*graph.input, *graph.value_info, *graph.output):
            tensor = value.type.tensor_type
            if tensor.HasField("shape"):
                shapes[value.name] = tuple(
                    int(size.dim_value) if size.HasField("dim_value") else None
                    for size in tensor.shape.dim
                )
        return shapes

    def unique(self, name: str) -> str:
        """A tensor name that nothing in the model has yet, made of the wish."""
        taken = {*self._producers, *self._uses, *self.initializers, *self.inputs}
        wish, number = name, 1
        while wish in taken:
            number += 1
            wish = f"{name}_{number}"
        return wish


def _name_nodes(model: ModelProto) -> None:
    taken: set[str] = set()
    for node in model.graph.node:
        wish = node.name or f"{node.op_type}_{next(iter(node.output), '')}"
        name, number = wish, 1
        while name in taken:
            number += 1
            name = f"{wish}_{number}"
        taken.add(name)
        if node.name != name:
            node.name = name


def captured(node: NodeProto) -> Iterator[str]:
    """Tensors of the outer graph that a node's subgraphs read."""
    from onnx import AttributeProto

    for entry in node.attribute:
        graphs = [entry.g] if entry.type == AttributeProto.GRAPH else list(entry.graphs)
        for graph in graphs:
            own = {value.name for value in (*graph.input, *graph.initializer)}
            for inner in graph.node:
                for name in (*inner.input, *captured(inner)):
                    if name and name not in own:
                        yield name
                own.update(inner.output)
            for value in graph.output:
                if value.name not in own:
                    yield value.name
