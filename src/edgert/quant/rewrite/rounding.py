"""Rounding: how a network's weights become 8 bits, and what their biases make up for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgert.engines.base import Array
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import SourceError
from edgert.quant.model.graph import Graph, attribute
from edgert.quant.rewrite.placement import Layer
from edgert.quant.rewrite.plan import Plan
from edgert.quant.thresholds.weights import dequantize, quantize_weight

if TYPE_CHECKING:
    from onnx import NodeProto

    from edgert.quant.images.data import Item

__all__ = ["Rounding"]

Method = Literal["minmax", "mse"]
# FP32 scales need no more room than this; a dead channel's must not be zero.
SMALLEST_FLOAT_SCALE = 2.0**-40
# Of a bias in INT32: half of the range is left to the sum that it is added to.
LARGEST_BIAS_LEVEL = 2.0**30


@dataclass(frozen=True)
class Rounding:
    """How weights are rounded.

    Rounded weights times an input whose mean is not zero make a mean error in each output channel:
    `sum_i E[x_i] sum_k (w - w')_oik`. Depthwise filters, with few weights and inputs past a Relu,
    suffer most: in the first one of a MobileNetV2 it is nearly all of the error. The bias stays in
    float, so adding that sum to it costs nothing at run time.

    M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV
    2019), has the formula; the means are measured here instead of taken from batch normalisation.

    Attributes:
        method: The range of an output channel: see `quantize_weight`.
        shifts: By layer: what is added to its bias, (C_out,) float32.
    """

    method: Method = "minmax"
    shifts: Mapping[str, NDArray[np.float32]] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, weights: Method | Rounding) -> Rounding:
        """The method alone stands for rounding without corrected biases."""
        return weights if isinstance(weights, Rounding) else cls(weights)

    @classmethod
    def fit(
        cls,
        model: str | Path | Graph,
        data: Iterable[Any] | str | Path,
        plan: Plan | None = None,
        *,
        method: Method = "minmax",
        images: int = 32,
        threads: int | None = None,
    ) -> Rounding:
        """Measure the means of the convolutions' inputs and correct the biases.

        Args:
            model: The float model.
            data: Images of the calibration; what `Trial` takes.
            plan: Its candidates are corrected, as far as they are Conv; None: `Plan.default`.
            method: See `quantize_weight`.
            images: Inputs of the network to take the means over, the first ones of `data`.
            threads: Threads within an operator; None: all cores.

        Raises:
            ModelError: The model cannot be read or run.
            SourceError: There are no images.
        """
        from edgert.quant.images.data import items_of

        graph = model if isinstance(model, Graph) else Graph.load(model)
        plan = Plan.default(graph) if plan is None else plan
        items = items_of(graph.path, data)
        layers = [layer for layer in plan.candidates if layer.op == "Conv"]
        nodes = {node.name: node for node in graph.nodes}
        means = _means(graph, {nodes[la.name].input[0] for la in layers}, items, images, threads)
        rounding = cls(method)
        shifts = {
            la.name: _shift(graph, rounding, la, nodes[la.name], means[nodes[la.name].input[0]])
            for la in layers
        }
        return cls(method, MappingProxyType(shifts))

    def weight(
        self, graph: Graph, layer: Layer, smallest_scale: float = SMALLEST_FLOAT_SCALE
    ) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """The levels and steps of a layer's weights."""
        return quantize_weight(
            _constant(graph, layer.weight), layer.axis, self.method, smallest_scale=smallest_scale
        )

    def bias(self, graph: Graph, layer: Layer, node: NodeProto) -> Array | None:
        """The bias of a layer in INT8, where it differs from the float layer's."""
        shift = self.shifts.get(layer.name)
        if shift is None:
            return None
        own = node.input[2] if len(node.input) > 2 else ""
        if not own:
            return shift
        bias = graph.constant(own)
        return None if bias is None else np.asarray(bias + shift, dtype=np.float32)


def _constant(graph: Graph, name: str) -> NDArray[np.float32]:
    value = graph.constant(name)
    assert value is not None, name
    return np.asarray(value, dtype=np.float32)


def _means(
    graph: Graph, tensors: set[str], items: Iterable[Item], images: int, threads: int | None
) -> dict[str, NDArray[np.float64]]:
    """The mean of each channel over images, in the order of the images."""
    inner = sorted(tensors - set(graph.inputs))
    content = graph.model.SerializeToString()
    network = OnnxRuntimeGraph(content, outputs=inner, threads=threads) if inner else None
    sums: dict[str, NDArray[np.float64]] = {}
    count = 0
    for item in islice(items, images):
        feeds = {graph.inputs[0]: item.tensor}
        values = dict(zip(inner, network.run(feeds), strict=True)) if network else {}
        for name in tensors:
            value = values.get(name, item.tensor)
            mean = value.mean(axis=(0, *range(2, value.ndim)), dtype=np.float64)
            sums[name] = sums.get(name, 0.0) + mean
        count += 1
    if not count:
        raise SourceError("no image to take the means of the inputs over: the data is empty")
    return {name: total / count for name, total in sums.items()}


def _shift(
    graph: Graph, rounding: Rounding, layer: Layer, node: NodeProto, mean: NDArray[np.float64]
) -> NDArray[np.float32]:
    weight = _constant(graph, layer.weight).astype(np.float64)
    rounded = dequantize(*rounding.weight(graph, layer), layer.axis)
    error = (weight - rounded).sum(axis=tuple(range(2, weight.ndim)))
    groups = int(attribute(node, "group", 1))
    # (groups, outputs of a group, inputs of a group) times the inputs' means of that group
    error = error.reshape(groups, -1, error.shape[1])
    shift = np.einsum("goi,gi->go", error, mean.reshape(groups, -1))
    return np.asarray(shift.reshape(-1), dtype=np.float32)
