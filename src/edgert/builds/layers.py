"""An engine's layers as rows, from the inspector's JSON or from the builder's table."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgert.engines.tensorrt import Binding
from edgert.errors import ModelError

if TYPE_CHECKING:
    from edgert.engines.tensorrt import trt

__all__ = ["Layer", "LayerTensor", "from_inspector", "from_table", "layers_of"]

_NODE = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
# TensorRT's words for types: in the builder's table, in "Datatype", and within the sentences of
# "Format/Datatype", such as "Channel major FP16 format where channel % 4 == 0".
_TYPES = (
    ("bf16", r"BF16|BFloat16"),
    ("fp16", r"FP16|Half"),
    ("fp32", r"FP32|Float"),
    ("fp8", r"FP8"),
    ("fp4", r"FP4"),
    ("uint8", r"UInt8"),
    ("int8", r"Int8"),
    ("int4", r"Int4"),
    ("int32", r"Int32"),
    ("int64", r"Int64"),
    ("bool", r"Bool"),
)


@dataclass(frozen=True, slots=True)
class LayerTensor:
    """A tensor of the engine: "fp32", "fp16", "int8" and so on; -1 stands for an open size."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype} ({', '.join(map(str, self.shape))})"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an engine.

    Attributes:
        name: The engine's.
        kind: TensorRT's: "CaskConvolution", "Reformat", "gemm", "kgen" (generated code) and so on;
            "" where the engine was built without details.
        precision: What it computes in: "fp32", "fp16", "bf16", "int8" ...; "unknown" without
            details.
        inputs: What it reads that other layers wrote.
        outputs: What it writes.
        nodes: Names of the model's nodes that it computes, or parts of them.
    """

    name: str
    kind: str
    precision: str
    inputs: tuple[LayerTensor, ...]
    outputs: tuple[LayerTensor, ...]
    nodes: tuple[str, ...]


def layers_of(bound: Binding, engine: trt.ICudaEngine) -> tuple[Layer, ...]:
    """What a loaded engine says of its layers.

    Raises:
        ModelError: It is not of the form that TensorRT documents.
    """
    inspector = engine.create_engine_inspector()
    return from_inspector(inspector.get_engine_information(bound.api.LayerInformationFormat.JSON))


def from_inspector(text: str) -> tuple[Layer, ...]:
    """The layers in what `EngineInspector.get_engine_information(JSON)` gives.

    Raises:
        ModelError: It is not of the form that TensorRT documents.
    """
    try:
        return tuple(_layer(entry) for entry in json.loads(text)["Layers"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"what the engine says of its layers is not as TensorRT documents it ({error!r}): "
            f"{text[:200]!r}"
        ) from error


def from_table(text: str) -> tuple[Layer, ...]:
    """The layers in the table that TensorRT-RTX's builder logs.

    Raises:
        ModelError: It is not of the form that this version of edgert knows.
    """
    from edgert.quant.builds.kernels import precision, read_table

    layers = []
    for kernel in read_table(text):
        weights = max((v.size for v in kernel.constants if len(v.shape) > 1), default=0)
        outputs = tuple(LayerTensor(_type(value.dtype), value.shape) for value in kernel.outputs)
        found = precision(kernel, weights)
        if found == "unknown" and outputs:
            found = outputs[0].dtype
        inputs = tuple(LayerTensor(_type(value.dtype), value.shape) for value in kernel.inputs)
        layers.append(Layer(kernel.name, kernel.kind, found, inputs, outputs, kernel.nodes))
    return tuple(layers)


def _layer(entry: str | Mapping[str, Any]) -> Layer:
    if isinstance(entry, str):  # an engine that was built with names only
        return Layer(entry, "", "unknown", (), (), ())
    inputs = tuple(map(_tensor, entry.get("Inputs", ())))
    outputs = tuple(map(_tensor, entry.get("Outputs", ())))
    factors = [tensor.dtype for tensor in inputs[:1] or outputs[:1]]
    weights = _weights(entry)
    if weights is not None and weights != "int8":
        factors = [weights]
    # Integers of whichever kind do not multiply with weights of another: those are made floats.
    precision = next(iter(factors), "unknown")
    nodes = _NODE.findall(str(entry.get("Metadata", "")))
    kind = str(entry.get("LayerType", ""))
    return Layer(str(entry["Name"]), kind, precision, inputs, outputs, tuple(nodes))


def _weights(entry: Mapping[str, Any]) -> str | None:
    """The type of a layer's weights, where it says that it has any."""
    weights = entry.get("Weights")
    if isinstance(weights, Mapping) and weights.get("Count", 0):
        return _type(str(weights.get("Type", "")))
    constants: Sequence[LayerTensor] = tuple(map(_tensor, entry.get("Constants", ())))
    matrices = [tensor for tensor in constants if len(tensor.shape) > 1]
    if not matrices:
        return None
    return max(matrices, key=lambda tensor: math.prod(map(abs, tensor.shape))).dtype


def _tensor(entry: Mapping[str, Any]) -> LayerTensor:
    words = entry.get("Datatype") or entry.get("Format/Datatype") or entry.get("Format", "")
    return LayerTensor(_type(str(words)), tuple(int(size) for size in entry.get("Dimensions", ())))


def _type(words: str) -> str:
    for name, pattern in _TYPES:
        if re.search(rf"\b(?:{pattern})\b", words, re.IGNORECASE):
            return name
    return words.lower() or "unknown"
