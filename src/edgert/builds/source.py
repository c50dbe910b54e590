"""What an .onnx file says before it is built: its digest, its precision, its notes."""

from __future__ import annotations

import ast
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.errors import ModelError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

__all__ = ["Source", "read"]

_CHUNK_BYTES = 1 << 20
_POSE_BATCH = 16


@dataclass(frozen=True)
class Source:
    """An .onnx file.

    Attributes:
        path: The file.
        digest: SHA-256 in hex of the file and of its external data.
        file_bytes: Size of the file and of its external data.
        precision: "int8" with QuantizeLinear or DequantizeLinear, else what most weights are in:
            "fp32", "fp16" or "bf16".
        inputs: By name, the shape; None for an open size.
        heatmaps: Whether the first output has four sizes, as that of a top-down pose network.
        metadata: The model's own key-value notes.
    """

    path: Path
    digest: str
    file_bytes: int
    precision: str
    inputs: Mapping[str, tuple[int | None, ...]]
    heatmaps: bool
    metadata: Mapping[str, str]

    @property
    def max_batch(self) -> int:
        """The largest batch where nobody says: 16 people for a pose network, 1 frame for others."""
        return _POSE_BATCH if self.heatmaps else 1

    def shapes(self, told: Mapping[str, object]) -> dict[str, tuple[int, ...]]:
        """Shapes for open heights and widths that the notes (`imgsz`) tell; -1: an open batch.

        Args:
            told: Inputs that need none, since the user has said theirs.
        """
        try:
            size = ast.literal_eval(self.metadata.get("imgsz", "None"))
        except (ValueError, SyntaxError):
            size = None
        pair = (size, size) if isinstance(size, int) else tuple(size or ())
        if len(pair) != 2 or not all(isinstance(length, int) and length > 0 for length in pair):
            return {}
        return {
            name: (-1 if shape[0] is None else shape[0], shape[1], *(
                length or other for length, other in zip(shape[2:], pair, strict=True)
            ))
            for name, shape in self.inputs.items()
            if name not in told and len(shape) == 4 and shape[1] and None in shape[2:]
        }  # fmt: skip


def read(path: str | os.PathLike[str]) -> Source:
    """Read a model's structure; of its external data the bytes alone.

    Raises:
        ModelError: The file or its external data is missing, or it is no ONNX model.
        UnavailableError: The package onnx is not installed.
    """
    from edgert.quant.model.graph import require_onnx

    onnx = require_onnx()
    path = Path(path)
    try:
        content = path.read_bytes()
        model = onnx.load_model_from_string(content)
    except OSError as error:
        raise ModelError(f"{path}: no such file, or it cannot be read: {error}") from error
    except Exception as error:  # protobuf's and onnx's exceptions have no common public base
        raise ModelError(f"{path}: not an ONNX model that can be read: {error}") from error
    if not model.graph.node:
        raise ModelError(f"{path}: the model has no nodes: is it an ONNX file?")
    digest, file_bytes = hashlib.sha256(content), len(content)
    for location in sorted(_external_files(model)):
        file_bytes += _add_file(digest, path, path.parent / location)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = {
        value.name: tuple(
            int(size.dim_value) if size.HasField("dim_value") else None
            for size in value.type.tensor_type.shape.dim
        )
        for value in model.graph.input
        if value.name not in constants
    }
    return Source(
        path=path,
        digest=digest.hexdigest(),
        file_bytes=file_bytes,
        precision=_precision(model),
        inputs=inputs,
        heatmaps=len(model.graph.output[0].type.tensor_type.shape.dim) == 4,
        metadata={entry.key: entry.value for entry in model.metadata_props},
    )


def _add_file(digest: hashlib._Hash, model: Path, path: Path) -> int:
    """Gives the file's size."""
    size = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise ModelError(
            f"{model}: its weights are in {path}, which cannot be read: {error}"
        ) from error
    return size


def _precision(model: ModelProto) -> str:
    from onnx import TensorProto

    if any(
        node.op_type in ("QuantizeLinear", "DequantizeLinear")
        for graph in _graphs(model.graph)
        for node in graph.node
    ):
        return "int8"
    counts: Counter[int] = Counter()
    for tensor in _tensors(model.graph):
        counts[tensor.data_type] += prod(tensor.dims)
    floats = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}
    return max(floats.items(), key=lambda kind: counts[kind[0]])[1]


def _external_files(model: ModelProto) -> set[str]:
    return {
        entry.value
        for tensor in _tensors(model.graph)
        for entry in tensor.external_data
        if entry.key == "location"
    }


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    for inner in _graphs(graph):
        yield from inner.initializer
        for node in inner.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and those of its nodes' branches and loop bodies."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _graphs(inner)
