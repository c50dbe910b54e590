"""Keypoints of given boxes: the pipeline's pose leg, without a detector before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgert import _core
from edgert.engine import Engine
from edgert.models import PoseModel

__all__ = ["CropPose"]

Float32 = NDArray[np.float32]


class CropPose:
    """A pose network applied to boxes that are already known, such as annotated ones.

    Crop, network and decoding are what `Pipeline` makes of the same model, its metadata included.

    Args:
        pose: Path of a top-down pose network, or an `Engine`.

    Raises:
        ModelError: The model cannot be loaded or is of another kind.
    """

    def __init__(self, pose: str | Path | Engine) -> None:
        self._model = PoseModel(pose if isinstance(pose, Engine) else Engine(pose))
        self._bound = self._model.bind_on_host()

    def __call__(self, frame: NDArray[np.uint8], boxes: Float32) -> tuple[Float32, Float32]:
        """Estimate the poses of the people in some boxes.

        Args:
            frame: (h, w, 3) uint8 BGR.
            boxes: (N, 4) float32 xyxy in frame pixels, N >= 1.

        Returns:
            Keypoints (N, K, 2) float32 in frame pixels and their scores (N, K) float32.
        """
        batch = len(self._bound.input)
        parts = [self._estimate(frame, boxes[i : i + batch]) for i in range(0, len(boxes), batch)]
        keypoints, scores = zip(*parts, strict=True)
        return np.concatenate(keypoints), np.concatenate(scores)

    def _estimate(self, frame: NDArray[np.uint8], boxes: Float32) -> tuple[Float32, Float32]:
        count, model = len(boxes), self._model
        feed = self._bound.input[:count]
        to_frame = _core.crop_people_into(frame, boxes, feed, model.normalization, model.padding)
        self._bound.run(count)
        heatmaps, *offsets = (output[:count] for output in self._bound.outputs)
        keypoints, scores, _ = _core.decode_heatmaps(
            heatmaps, offsets[0] if offsets else None, to_frame, model.layout
        )
        return keypoints, scores
