"""What a network's outputs say, decoded as the pipeline does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgert import _core
from edgert.engine import Engine
from edgert.engines.base import Array
from edgert.errors import ModelError
from edgert.models import DetectorModel, PoseModel
from edgert.op_arguments import make_box_filter
from edgert.result import Result

if TYPE_CHECKING:
    from edgert.quant.images.data import Item

__all__ = ["BoxReader", "PoseReader", "Reader", "make_reader", "understand"]

_MOST_BOXES = 300
_OVERLAP = 0.7


def understand(engine: Engine) -> DetectorModel | PoseModel:
    """A network as one of the two kinds that the pipeline knows.

    Raises:
        ModelError: It is neither.
    """
    try:
        return DetectorModel(engine)
    except ModelError as no_detector:
        try:
            return PoseModel(engine)
        except ModelError as no_pose:
            raise ModelError(f"{no_detector}; or {no_pose}") from None


class BoxReader:
    """Reads the boxes of a detector: all classes, suppression at an IoU of 0.7, at most 300.

    Args:
        model: The detector.
        score_threshold: Boxes under it do not count.
    """

    def __init__(self, model: DetectorModel, score_threshold: float) -> None:
        self._model = model
        self._filter = make_box_filter(score_threshold, _OVERLAP, _MOST_BOXES, [])

    def __call__(self, item: Item, outputs: Sequence[Array]) -> Result:
        """The detections in an image, in frame pixels."""
        return _result(item, *self._model.decode(outputs[0], item.to_frame, self._filter))


class PoseReader:
    """Reads the joints of a pose network."""

    def __init__(self, model: PoseModel) -> None:
        self._heatmaps, self._offsets = model.outputs
        self._layout = model.layout

    def __call__(self, item: Item, outputs: Sequence[Array]) -> Result:
        """The one person of a crop, in frame pixels; the box is the crop's, its score 1."""
        keypoints, scores, _ = _core.decode_heatmaps(
            outputs[self._heatmaps],
            None if self._offsets is None else outputs[self._offsets],
            item.to_frame[None],
            self._layout,
        )
        boxes = np.array([item.box], np.float32)
        found = _result(item, boxes, np.ones(1, np.float32), np.zeros(1, np.int32))
        found.keypoints, found.keypoint_scores = keypoints, scores
        return found


Reader = BoxReader | PoseReader


def make_reader(model: DetectorModel | PoseModel, score_threshold: float) -> Reader:
    """Reads the outputs of a network of either kind."""
    if isinstance(model, DetectorModel):
        return BoxReader(model, score_threshold)
    return PoseReader(model)


def _result(item: Item, boxes: Array, scores: Array, class_ids: Array) -> Result:
    ids = np.full(len(boxes), -1, np.int64)
    return Result(boxes, scores, class_ids, ids, None, None, 0, 0.0, item.size, item.source)
