"""Heatmaps to keypoints as HRNet's and DARK's own inference code does: argmax, a loop to refine."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["decode_heatmaps"]

_Floats = npt.NDArray[Any]


def decode_heatmaps(
    heatmaps: npt.NDArray[np.float32],
    to_frame: npt.NDArray[np.float64],
    stride: int = 4,
    dark_kernel: int | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The keypoints of N people.

    Args:
        heatmaps: (N, K, h, w).
        to_frame: (N, 2, 3), network pixels to frame pixels.
        stride: Network pixels a heatmap cell.
        dark_kernel: Cells of the Gaussian of DARK (Zhang et al. 2020); None: HRNet's quarters.

    Returns:
        Keypoints (N, K, 2) in frame pixels and scores (N, K).
    """
    people, joints, _, w = heatmaps.shape
    flat = heatmaps.reshape(people, joints, -1)
    index = flat.argmax(axis=2)
    scores = flat.max(axis=2)
    cells = np.stack([index % w, index // w], axis=2).astype(np.float32)
    for n in range(people):
        for k in range(joints):
            px, py = int(cells[n, k, 0]), int(cells[n, k, 1])
            if dark_kernel is None:
                cells[n, k] += _quarter(heatmaps[n, k], px, py)
            else:
                cells[n, k] += _dark(heatmaps[n, k], px, py, dark_kernel)
    pixels = cells * stride
    keypoints: npt.NDArray[Any] = (
        np.einsum("nij,nkj->nki", to_frame[:, :, :2], pixels) + to_frame[:, None, :, 2]
    )
    return keypoints.astype(np.float32), scores


def _quarter(heatmap: _Floats, px: int, py: int) -> _Floats:
    """A quarter of a cell towards the higher neighbours."""
    h, w = heatmap.shape
    if not (1 < px < w - 1 and 1 < py < h - 1):
        return np.zeros(2)
    gradient = [
        heatmap[py, px + 1] - heatmap[py, px - 1],
        heatmap[py + 1, px] - heatmap[py - 1, px],
    ]
    return np.sign(gradient) * 0.25


def _dark(heatmap: _Floats, px: int, py: int, kernel: int) -> _Floats:
    """To the top of the parabola through the logarithm of the blurred heatmap."""
    h, w = heatmap.shape
    if not (1 < px < w - 2 and 1 < py < h - 2):
        return np.zeros(2)
    # OpenCV's formula, which it does not follow itself for kernels of 7 and less.
    sigma = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    blurred = cv2.GaussianBlur(heatmap, (kernel, kernel), sigma, borderType=cv2.BORDER_CONSTANT)
    blurred *= heatmap.max() / blurred.max()
    log = np.log(np.maximum(blurred[py - 2 : py + 3, px - 2 : px + 3], 1e-10))
    gradient = np.array([log[2, 3] - log[2, 1], log[3, 2] - log[1, 2]]) / 2
    dxx = (log[2, 4] - 2 * log[2, 2] + log[2, 0]) / 4
    dyy = (log[4, 2] - 2 * log[2, 2] + log[0, 2]) / 4
    dxy = (log[3, 3] - log[1, 3] - log[3, 1] + log[1, 1]) / 4
    if dxx * dyy - dxy**2 == 0:
        return np.zeros(2)
    return -np.linalg.inv([[dxx, dxy], [dxy, dyy]]) @ gradient
