"""Heatmaps to keypoints as HRNet's own inference code does: vectorised argmax, a loop to refine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["decode_heatmaps"]


def decode_heatmaps(
    heatmaps: npt.NDArray[np.float32], to_frame: npt.NDArray[np.float64], stride: int = 4
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The keypoints of N people.

    Args:
        heatmaps: (N, K, h, w).
        to_frame: (N, 2, 3), network pixels to frame pixels.
        stride: Network pixels a heatmap cell.

    Returns:
        Keypoints (N, K, 2) in frame pixels and scores (N, K).
    """
    people, joints, h, w = heatmaps.shape
    flat = heatmaps.reshape(people, joints, -1)
    index = flat.argmax(axis=2)
    scores = flat.max(axis=2)
    cells = np.stack([index % w, index // w], axis=2).astype(np.float32)
    for n in range(people):
        for k in range(joints):
            heatmap = heatmaps[n, k]
            px, py = int(cells[n, k, 0]), int(cells[n, k, 1])
            if 1 < px < w - 1 and 1 < py < h - 1:
                gradient = np.array(
                    [
                        heatmap[py, px + 1] - heatmap[py, px - 1],
                        heatmap[py + 1, px] - heatmap[py - 1, px],
                    ]
                )
                cells[n, k] += np.sign(gradient) * 0.25
    pixels = cells * stride
    keypoints: npt.NDArray[Any] = (
        np.einsum("nij,nkj->nki", to_frame[:, :, :2], pixels) + to_frame[:, None, :, 2]
    )
    return keypoints.astype(np.float32), scores
