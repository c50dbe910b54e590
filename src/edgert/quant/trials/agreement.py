"""What somebody who looks at two results of one frame sees: who is gone, who is new, who moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgert.result import Result

__all__ = ["SEEN", "Agreement", "agreement", "with_common_ids"]

SEEN = 0.2
"""Joints of a score of this or more are seen, as in HRNet's evaluation."""

# Two boxes are the same person from here on, as in AP50.
_SAME = 0.5


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two results of one frame, compared.

    Attributes:
        pairs: (row of the first, row of the second) of what both have.
        lost: How many of the first have no partner.
        added: How many of the second have no partner.
        mean_iou: Of the pairs; None without any.
        least_iou: Likewise.
        joints: Joints of the pairs that both see; 0 without keypoints.
        joints_lost: Joints that only the first sees.
        joints_added: Joints that only the second sees.
        mean_px: Distance in frame pixels of joints that both see; None without any.
        most_px: Likewise, the largest.
    """

    pairs: tuple[tuple[int, int], ...]
    lost: int
    added: int
    mean_iou: float | None = None
    least_iou: float | None = None
    joints: int = 0
    joints_lost: int = 0
    joints_added: int = 0
    mean_px: float | None = None
    most_px: float | None = None

    @property
    def severity(self) -> tuple[float, ...]:
        """For sorting: people first, then joints, then how far they moved."""
        return (
            self.lost + self.added,
            self.joints_lost + self.joints_added,
            self.most_px or 0.0,
            0.0 if self.least_iou is None else 1.0 - self.least_iou,
        )


def agreement(first: Result, second: Result) -> Agreement:
    """Compare two results of one frame.

    Pairs are boxes of one class with an IoU of at least 0.5, the largest IoU first.
    """
    overlaps = _overlaps(first.boxes, second.boxes)
    overlaps[first.class_ids[:, None] != second.class_ids[None, :]] = 0.0
    pairs, ious = _pair(overlaps)
    seen = {} if first.keypoints is None or not pairs else _joints(first, second, pairs)
    return Agreement(
        pairs=pairs,
        lost=len(first) - len(pairs),
        added=len(second) - len(pairs),
        mean_iou=float(np.mean(ious)) if ious else None,
        least_iou=min(ious, default=None),
        **seen,
    )


def with_common_ids(first: Result, second: Result, found: Agreement) -> None:
    """Give pairs the same id and so the same colour; who is alone keeps -1, which is grey."""
    for number, (row, column) in enumerate(found.pairs, start=1):
        first.ids[row] = number
        second.ids[column] = number


def _joints(first: Result, second: Result, pairs: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    rows, columns = (list(side) for side in zip(*pairs, strict=True))
    assert first.keypoints is not None
    assert first.keypoint_scores is not None
    assert second.keypoints is not None
    assert second.keypoint_scores is not None
    before = first.keypoint_scores[rows] >= SEEN
    after = second.keypoint_scores[columns] >= SEEN
    moved = first.keypoints[rows] - second.keypoints[columns]
    distances = np.hypot(moved[..., 0], moved[..., 1])[before & after]
    return {
        "joints": len(distances),
        "joints_lost": int((before & ~after).sum()),
        "joints_added": int((after & ~before).sum()),
        "mean_px": float(distances.mean()) if len(distances) else None,
        "most_px": float(distances.max()) if len(distances) else None,
    }


def _pair(overlaps: npt.NDArray[np.float64]) -> tuple[tuple[tuple[int, int], ...], list[float]]:
    left = overlaps.copy()
    pairs, ious = [], []
    while left.size and left.max() >= _SAME:
        row, column = divmod(int(left.argmax()), left.shape[1])
        pairs.append((row, column))
        ious.append(float(left[row, column]))
        left[row, :] = 0.0
        left[:, column] = 0.0
    return tuple(pairs), ious


def _overlaps(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """(N, M) IoU of xyxy boxes."""
    a, b = first.astype(np.float64)[:, None], second.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (a, b)]
    result: npt.NDArray[np.float64] = shared / np.maximum(areas[0] + areas[1] - shared, 1e-12)
    return result
