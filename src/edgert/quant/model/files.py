"""Writing a model: whole or not at all, and of any size."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto

from edgert.errors import ModelError

__all__ = ["save"]

# A protobuf message ends at 2 GiB; the graph itself needs some of it.
_LARGEST_FILE = 2**31 - 2**24


def save(model: ModelProto, path: str | Path, *, largest: int = _LARGEST_FILE) -> None:
    """Write a model; what lies at `path` is replaced when the new file is complete.

    Args:
        model: With its weights loaded. It is not changed.
        path: The .onnx file. Weights go into `<path>.data` beside it where one file cannot hold
            them.
        largest: Bytes of weights that one file may hold.

    Raises:
        ModelError: The file cannot be written.
    """
    path = Path(path)
    weights = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            made = Path(folder) / path.name
            if weights <= largest:
                onnx.save(model, str(made))
            else:
                onnx.save(_with_external_weights(model, Path(f"{made}.data")), str(made))
                Path(f"{made}.data").replace(f"{path}.data")
            made.replace(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error}") from error


def _with_external_weights(model: ModelProto, data: Path) -> ModelProto:
    """The model without its weights' bytes, which go into the file `data`, aligned to 4 KiB."""
    made = ModelProto()
    for field, value in model.ListFields():
        if field.name != "graph":
            made.MergeFrom(ModelProto(**{field.name: value}))
    for field, value in model.graph.ListFields():
        if field.name != "initializer":
            made.graph.MergeFrom(type(model.graph)(**{field.name: value}))
    with data.open("wb") as file:
        for tensor in model.graph.initializer:
            if not tensor.raw_data:
                made.graph.initializer.append(tensor)
                continue
            file.write(bytes(-file.tell() % 4096))
            entry = made.graph.initializer.add(
                name=tensor.name,
                data_type=tensor.data_type,
                dims=tensor.dims,
                data_location=TensorProto.EXTERNAL,
            )
            for key, note in (
                ("location", data.name),
                ("offset", file.tell()),
                ("length", len(tensor.raw_data)),
            ):
                entry.external_data.add(key=key, value=str(note))
            file.write(tensor.raw_data)
    return made
