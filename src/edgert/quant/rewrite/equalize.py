"""Equalization: channels of one tensor brought to like ranges, so that one scale serves them all.

Where a convolution's output goes straight or through a Relu into convolutions alone, a channel may
be multiplied on one side and divided on the other: the network computes the same. INT8 has one
scale for all channels of an activation, and a channel that is 50 times smaller than the largest has
2 levels left of 127.

M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV
2019), equalizes the ranges of weights. Weights have a scale a channel here, so it is the
activations' ranges that have to come closer, and these are measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import SourceError
from edgert.quant.model.graph import Graph, attribute

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["Chain", "chains", "equalize", "equalized"]

# A channel that is small at calibration may be larger elsewhere, and would be clipped.
_MOST = 64.0
# The smaller channels gain on this side what the weights' columns lose on the other: the square
# root shares it. Depthwise readers have a weight scale for each channel, and lose nothing.
_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Chain:
    """A tensor whose channels may be scaled.

    Attributes:
        tensor: The one that is read.
        first: The convolution that it comes from.
        readers: The convolutions that read it, and nothing else does.
    """

    tensor: str
    first: NodeProto
    readers: tuple[NodeProto, ...]


def equalize(
    model: str | Path,
    data: Iterable[Any] | str | Path,
    path: str | Path,
    *,
    images: int = 64,
    threads: int | None = None,
) -> int:
    """Write the model with equal ranges where it has chains; it computes the same in float.

    Args:
        model: The float model.
        data: Images of the calibration; what `Trial` takes.
        path: The .onnx file for the result.
        images: Inputs of the network to measure ranges on, the first ones of `data`.
        threads: Threads within an operator; None: all cores.

    Returns:
        How many tensors were scaled. Where it is 0 no file is written.

    Raises:
        ModelError: The model cannot be read or run, or the file not be written.
        SourceError: There are no images.
    """
    from edgert.quant.images.data import items_of
    from edgert.quant.model.files import save

    graph = Graph.load(model)
    found = chains(graph)
    if not found:
        return 0
    save(
        equalized(
            graph, _maxima(graph, found, islice(items_of(graph.path, data), images), threads)
        ),
        path,
    )
    return len(found)


def chains(graph: Graph) -> tuple[Chain, ...]:
    """Where channels may be scaled, in the order of execution."""
    found = []
    for node in graph.nodes:
        if node.op_type != "Conv" or not _scalable(graph, node):
            continue
        tensor = node.output[0]
        uses = graph.uses(tensor)
        if len(uses) == 1 and uses[0].node.op_type == "Relu" and tensor not in graph.outputs:
            tensor = uses[0].node.output[0]
        readers = tuple(use.node for use in graph.uses(tensor))
        if (
            readers
            and tensor not in graph.outputs
            and all(
                reader.op_type == "Conv"
                and list(reader.input).count(tensor) == 1
                and reader.input[0] == tensor
                and _scalable(graph, reader)
                for reader in readers
            )
        ):
            found.append(Chain(tensor, node, readers))
    return tuple(found)


def equalized(graph: Graph, maxima: Mapping[str, NDArray[np.float32]]) -> ModelProto:
    """The model with its chains scaled.

    Args:
        graph: The float model.
        maxima: By tensor of a chain: the largest magnitude of each channel, (C,).
    """
    from onnx import numpy_helper

    values: dict[str, NDArray[np.float64]] = {}

    def value(name: str) -> NDArray[np.float64]:
        if name not in values:
            values[name] = np.array(graph.constant(name), dtype=np.float64)
        return values[name]

    for chain in chains(graph):
        factors = _factors(chain, maxima[chain.tensor])
        for name in filter(None, chain.first.input[1:]):
            constant = value(name)
            constant *= factors.reshape(-1, *[1] * (constant.ndim - 1))
        for reader in chain.readers:
            kernel = value(reader.input[1])
            groups = int(attribute(reader, "group", 1))
            columns = np.repeat(factors.reshape(groups, -1), kernel.shape[0] // groups, axis=0)
            kernel /= columns.reshape(*columns.shape, *[1] * (kernel.ndim - 2))
    made = type(graph.model)()
    made.CopyFrom(graph.model)
    for entry in made.graph.initializer:
        if entry.name in values:
            scaled = values[entry.name].astype(np.float32)
            entry.CopyFrom(numpy_helper.from_array(scaled, entry.name))
    return made


def _scalable(graph: Graph, node: NodeProto) -> bool:
    """Whether weights and bias are the node's own, and float32."""
    for name in filter(None, node.input[1:]):
        constant = graph.initializers.get(name)
        if constant is None or constant.data_type != constant.FLOAT or len(graph.uses(name)) != 1:
            return False
    return True


def _factors(chain: Chain, maxima: NDArray[np.float32]) -> NDArray[np.float64]:
    """What each channel is multiplied with; 1 for the largest and for dead ones."""
    largest = float(np.max(maxima))
    alive = maxima > largest / 2**20
    ratio = np.where(alive, largest / np.where(alive, maxima, 1.0), 1.0).clip(1.0, _MOST)
    depthwise = all(int(attribute(reader, "group", 1)) == len(maxima) for reader in chain.readers)
    return np.asarray(ratio if depthwise else ratio**_SHARE, dtype=np.float64)


def _maxima(
    graph: Graph, found: tuple[Chain, ...], items: Iterable[Any], threads: int | None
) -> dict[str, NDArray[np.float32]]:
    names = [chain.tensor for chain in found]
    content = graph.model.SerializeToString()
    network = OnnxRuntimeGraph(content, outputs=names, threads=threads)
    maxima: dict[str, NDArray[np.float32]] = {}
    for item in items:
        for name, tensor in zip(names, network.run({graph.inputs[0]: item.tensor}), strict=True):
            largest = np.abs(tensor).max(axis=(0, *range(2, tensor.ndim)))
            maxima[name] = np.maximum(maxima.get(name, np.float32(0)), largest)
    if not maxima:
        raise SourceError("no image to measure ranges on: the data is empty")
    return maxima
