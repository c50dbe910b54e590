"""How far a network's results are those of the float network, where nothing is annotated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgert.engine import Engine
from edgert.engines.base import Array
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.models import DetectorModel
from edgert.quant.images.data import Item
from edgert.quant.trials.agreement import SEEN, agreement
from edgert.quant.trials.reading import make_reader, understand
from edgert.result import Result

__all__ = ["Fidelity"]

# What a person would be shown.
_SHOWN = 0.25
# A joint that has moved by less than this share of its person's box is where it was.
_NEAR = 0.05


class Fidelity:
    """Agreement of results with the float network's. No accuracy: nobody has judged.

    A `metrics.Metric`, for `sensitivity` and `search`.

    Of a detector the F1 score of the detections over a score of 0.25, a pair being two of one class
    that overlap by half; of a pose network the share of its visible joints that are still within 5
    % of the box's longer side.

    Args:
        model: The float network.
        threads: Threads within an operator; None: all cores.

    Attributes:
        name: Of the figure.

    Raises:
        ModelError: Neither a detector nor a pose network.
    """

    def __init__(self, model: str | Path, threads: int | None = None) -> None:
        network = understand(Engine(model, device="cpu", threads=threads))
        self._graph = OnnxRuntimeGraph(model, threads=threads)
        self._own: dict[str, Result] = {}
        self.read = make_reader(network, _SHOWN)
        self.name = (
            "detections in agreement (F1)"
            if isinstance(network, DetectorModel)
            else f"joints within {_NEAR:.0%} of the box"
        )

    def __call__(self, items: Sequence[Item], outputs: Sequence[Sequence[Array]]) -> float:
        """The share, 0 to 1; 1 where there is nothing to agree on."""
        pairs = [
            (self._reference(item), self.read(item, found))
            for item, found in zip(items, outputs, strict=True)
        ]
        share = self.share(pairs)
        return 1.0 if share is None else share

    def share(self, pairs: Sequence[tuple[Result, Result]]) -> float | None:
        """The share of pairs of results (float, quantized); None where there is nothing in them."""
        if pairs and pairs[0][0].keypoints is not None:
            seen, near = np.sum([_joints(*pair) for pair in pairs], axis=0)
            return float(near / seen) if seen else None
        both = sum(len(agreement(*pair).pairs) for pair in pairs)
        total = sum(len(first) + len(second) for first, second in pairs)
        return 2 * both / total if total else None

    def _reference(self, item: Item) -> Result:
        if item.digest not in self._own:
            outputs = self._graph.run({self._graph.inputs[0].name: item.tensor})
            self._own[item.digest] = self.read(item, outputs)
        return self._own[item.digest]


def _joints(first: Result, second: Result) -> tuple[int, int]:
    """Joints that the first sees, and how many of them the second has near by."""
    assert first.keypoints is not None
    assert first.keypoint_scores is not None
    assert second.keypoints is not None
    visible = first.keypoint_scores >= SEEN
    distances = np.linalg.norm(first.keypoints - second.keypoints, axis=2)
    size = (first.boxes[:, 2:] - first.boxes[:, :2]).max(axis=1, keepdims=True)
    return int(visible.sum()), int((visible & (distances <= _NEAR * size)).sum())
