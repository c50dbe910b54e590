"""Keypoints of given boxes: crop, network, decode, without a detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops

__all__ = ["CropPose"]

Array = NDArray[np.float32]


class CropPose:
    """A pose network applied to boxes that are already known, such as annotated ones.

    Args:
        network: Takes (N, 3, H, W) float32 crops and gives (N, K, h, w) float32 heatmaps.
        size: (H, W) of the crops.
        crop: Further arguments of `edgert.ops.crop_people` (mean, std, padding).
        decode: Further arguments of `edgert.ops.decode_heatmaps` (refine, cells).
    """

    def __init__(
        self,
        network: Callable[[Array], Array],
        size: tuple[int, int],
        *,
        crop: dict[str, Any] | None = None,
        decode: dict[str, Any] | None = None,
    ) -> None:
        self._network = network
        self._size = size
        self._crop = crop or {}
        self._decode = decode or {}

    def __call__(self, frame: NDArray[np.uint8], boxes: Array) -> tuple[Array, Array]:
        """Keypoints (N, K, 2) in frame pixels and their scores (N, K) for N >= 1 boxes."""
        tensor, to_frame = ops.crop_people(frame, boxes, size=self._size, **self._crop)
        keypoints, scores = ops.decode_heatmaps(self._network(tensor), to_frame, **self._decode)
        return keypoints, scores
