"""Where two models of one network part: their common tensors, and the noise in each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgert.engines.base import Array
from edgert.errors import ModelError, UnavailableError

if TYPE_CHECKING:
    from onnx import GraphProto

__all__ = [
    "Common",
    "Noise",
    "SharedLayer",
    "common_layers",
    "drops",
    "incomparable",
    "measure",
]

# What computes and what joins. Activations and what only moves numbers show nothing of their own.
_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Mul", "Concat"})

# Elements that are turned into float64 at a time: half a megabyte, which stays in the cache.
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class SharedLayer:
    """A tensor that both models compute.

    Attributes:
        name: Of the tensor.
        op: What computes it in the first model.
        before: Positions of the nearest shared layers that it is computed from.
    """

    name: str
    op: str
    before: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Common:
    """What two models have in common.

    Attributes:
        layers: The shared layers, in topological order.
        missing: (tensor, op) of the first model's layers that the second has no tensor for.
        outputs: Names of the model outputs among the shared layers.
    """

    layers: tuple[SharedLayer, ...]
    missing: tuple[tuple[str, str], ...]
    outputs: tuple[str, ...]


def common_layers(model: str | Path, other: str | Path) -> Common:
    """Match two models by the names of what their nodes compute.

    Only what depends on the input counts: layers that compute or join, the outputs, and what these
    are made of.

    Args:
        model: The reference, an .onnx file.
        other: The same network in another precision.

    Raises:
        ModelError: A file cannot be read, or no layer of the first has a name in the second.
    """
    graph, names = _graph(model), _computed(_graph(other))
    outputs = {value.name for value in graph.output}
    # The last values before they are joined to one output: boxes and scores are of other sizes, and
    # in the output's sum the larger hide the noise in the smaller.
    heads = {name for node in graph.node if outputs & {*node.output} for name in node.input}
    inputs = {value.name for value in graph.input} - {value.name for value in graph.initializer}
    # For each tensor that depends on the input, the nearest shared layers that it comes from.
    sources: dict[str, frozenset[int]] = {name: frozenset() for name in inputs}
    layers: list[SharedLayer] = []
    missing: list[tuple[str, str]] = []
    for node in graph.node:
        fed_by = [sources[name] for name in node.input if name in sources]
        if not fed_by:
            continue
        before = frozenset[int]().union(*fed_by)
        for name in filter(None, node.output):
            sources[name] = before
            if node.op_type not in _LAYERS and name not in outputs | heads:
                continue
            if name in names:
                sources[name] = frozenset({len(layers)})
                layers.append(SharedLayer(name, node.op_type, tuple(sorted(before))))
            else:
                missing.append((name, node.op_type))
    if not layers:
        raise ModelError(
            f"{model} and {other} have no layer in common: none of {len(missing)} layers of the "
            f"first has its name among the {len(names)} tensors of the second, expected two files "
            f"made from one network; give the .onnx that the other was made from"
        )
    shared = tuple(layer.name for layer in layers if layer.name in outputs)
    return Common(tuple(layers), tuple(missing), shared)


@dataclass(slots=True)
class Noise:
    """Running sums over the frames: power of the signal, power of the difference.

    Attributes:
        signal: Sum of squares of the reference.
        noise: Sum of squares of the difference.
        nonfinite: Elements left out of both, since one of the models has NaN or infinity there
            (FP16 ends at 65504).
    """

    signal: float = 0.0
    noise: float = 0.0
    nonfinite: int = 0

    def add(self, other: Noise) -> None:
        """Takes in what was measured elsewhere."""
        self.signal += other.signal
        self.noise += other.noise
        self.nonfinite += other.nonfinite

    @property
    def signal_to_noise_db(self) -> float | None:
        """10 log10(signal / noise); infinite where both are equal, None where nothing was seen."""
        if self.noise > 0:
            return 10 * math.log10(self.signal / self.noise) if self.signal > 0 else -math.inf
        return math.inf if self.signal > 0 else None


def measure(reference: Array, value: Array) -> Noise:
    """The noise in one tensor.

    Args:
        reference: Floating point, any shape.
        value: Of the same shape.
    """
    total = Noise()
    left, right = reference.reshape(-1), value.reshape(-1)
    for start in range(0, left.size, _CHUNK):
        a = left[start : start + _CHUNK].astype(np.float64)
        b = right[start : start + _CHUNK].astype(np.float64)
        finite = np.isfinite(a) & np.isfinite(b)
        if not finite.all():
            total.nonfinite += int(finite.size - finite.sum())
            a, b = a[finite], b[finite]
        difference = a - b
        total.signal += float(a @ a)
        total.noise += float(difference @ difference)
    return total


def incomparable(reference: Array, value: Array) -> str | None:
    """Why two arrays of one name are not to be compared; None where they are."""
    if value.dtype.kind != "f":
        return f"holds {value.dtype} in the second model, expected floating point"
    if reference.shape != value.shape:
        return f"has shape {reference.shape} in the first model, {value.shape} in the second"
    return None


def drops(
    layers: Sequence[SharedLayer], decibels: Mapping[str, float | None]
) -> list[float | None]:
    """How much further down each layer is than the worst of those it is computed from, in dB.

    None where that has no number: for the first layers, and where nothing was measured.
    """
    found: list[float | None] = []
    for layer in layers:
        own = decibels.get(layer.name)
        above = [
            value
            for index in layer.before
            if (value := decibels.get(layers[index].name)) is not None
        ]
        if own is None or not above or not math.isfinite(own) or not math.isfinite(min(above)):
            found.append(None)
        else:
            found.append(min(above) - own)
    return found


def _graph(path: str | Path) -> GraphProto:
    try:
        import onnx
    except ImportError as error:
        raise UnavailableError(
            "comparing models needs the package onnx, which is not installed: "
            "pip install 'edgert[quant]'"
        ) from error
    try:
        return onnx.load(str(path), load_external_data=False).graph
    except Exception as error:  # protobuf's error is not onnx's, nor ValueError
        raise ModelError(f"{path}: not a model that onnx can load: {error}") from error


def _computed(graph: GraphProto) -> frozenset[str]:
    return frozenset(name for node in graph.node for name in node.output if name)
