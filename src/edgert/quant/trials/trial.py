"""Trial: a network tried in float and in INT8 on a few images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.engines.base import Array
from edgert.errors import SourceError
from edgert.quant.model.graph import Graph
from edgert.quant.rewrite.plan import Plan
from edgert.quant.rewrite.rounding import Method, Rounding
from edgert.quant.thresholds.scales import Scales
from edgert.quant.trials.metrics import EXACT_DB, Metric, SignalToNoise
from edgert.quant.trials.simulate import Simulator

if TYPE_CHECKING:
    from edgert.quant.images.data import CalibrationData, Item

__all__ = ["Trial"]


class Trial:
    """The same images through every variant of a network.

    The images and the float network's outputs are kept: about 8 MB an image for YOLOv8 at 640x640.

    Args:
        model: The float model.
        data: What `collect` takes, or a list of items of a `CalibrationData`; images other than
            those that the scales come from.
        plan: The layers in question; None: `Plan.default(model)`.
        images: At most so many images; None: all.
        weights: How weights are rounded: a method, or a `Rounding` with corrected biases.
        threads: Threads within an operator; None: all cores.

    Raises:
        ModelError: The model cannot be read or run.
        SourceError: There are no images.
    """

    def __init__(
        self,
        model: str | Path | Graph,
        data: CalibrationData | list[Item] | Sequence[Array] | str | Path,
        plan: Plan | None = None,
        *,
        images: int | None = None,
        weights: Method | Rounding = "minmax",
        threads: int | None = None,
    ) -> None:
        from edgert.quant.images.data import items_of

        graph = model if isinstance(model, Graph) else Graph.load(model)
        self.plan = Plan.default(graph) if plan is None else plan
        self._simulator = Simulator(graph, self.plan, weights=weights, threads=threads)
        self.items: list[Item] = list(islice(items_of(graph.path, data), images))
        if not self.items:
            raise SourceError("no image to try the network on: the data is empty")
        self.reference = [self._simulator.run(item.tensor) for item in self.items]

    def measure(
        self,
        metric: str | Metric,
        scales: Scales | None,
        layers: Collection[str] | None = None,
        images: int | None = None,
    ) -> tuple[float, float]:
        """A metric, and the signal to noise in the same run.

        Args:
            metric: "sqnr" for the mean signal to noise of the outputs in dB, or a callable.
            scales: The activations' scales; None: the float network.
            layers: The layers in INT8; None: those that the plan says.
            images: At most so many images.

        Returns:
            The metric's value, and the mean signal to noise of the outputs in dB.

        Raises:
            ValueError: There is no such metric.
        """
        if isinstance(metric, str) and metric != "sqnr":
            raise ValueError(f"metric is {metric!r}, expected 'sqnr' or a callable")
        if isinstance(metric, str):
            if scales is None:
                return EXACT_DB, EXACT_DB
            found = self.signal_to_noise(scales, layers, images).mean
            return found, found
        items, reference = self.items[:images], self.reference[:images]
        if scales is None:
            return float(metric(items, reference)), EXACT_DB
        noise = SignalToNoise()
        outputs = []
        for item, expected in zip(items, reference, strict=True):
            outputs.append(self._simulator.run(item.tensor, scales, layers))
            noise.add(self._simulator.outputs, expected, outputs[-1])
        return float(metric(items, outputs)), noise.mean

    def signal_to_noise(
        self, scales: Scales, layers: Collection[str] | None = None, images: int | None = None
    ) -> SignalToNoise:
        """What the rounding of these layers does to each part of the outputs."""
        found = SignalToNoise()
        for item, expected in zip(self.items[:images], self.reference, strict=False):
            got = self._simulator.run(item.tensor, scales, layers)
            found.add(self._simulator.outputs, expected, got)
        return found
