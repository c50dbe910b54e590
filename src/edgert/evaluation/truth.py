"""What is known of the people in a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Truth"]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The N people of a frame as parallel arrays.

    Attributes:
        ids: (N,) int64, the same person the same in every frame.
        boxes: (N, 4) float64, x1 y1 x2 y2 in frame pixels.
        keypoints: (N, K, 2) float64, frame pixels.
        visibility: (N, K) uint8: 2 seen, 1 hidden but marked, 0 not marked.
        areas: (N,) float64, what each covers of the picture in square pixels: the scale of OKS.
        ignored: (N,) bool: not to be found is no miss, to be found is no false alarm.
        size: Height and width of the frame in pixels.
    """

    ids: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]
    keypoints: npt.NDArray[np.float64]
    visibility: npt.NDArray[np.uint8]
    areas: npt.NDArray[np.float64]
    ignored: npt.NDArray[np.bool_]
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.ids)
