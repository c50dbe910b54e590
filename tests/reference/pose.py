"""Heatmaps to keypoints: the peak, its sub-cell refinement, frame coordinates."""

import cv2
import numpy as np

# The blur of DARK (Zhang et al. 2020, "Distribution-aware coordinate representation") for the
# label sigma of 2 cells that HRNet trains with; OpenCV derives sigma 2.0 from the kernel size.
DARK_KERNEL = 11


def _quarter(heatmap, px, py):
    """HRNet's rule: a quarter cell towards the higher neighbour, none at the border."""
    h, w = heatmap.shape
    if not (1 < px < w - 1 and 1 < py < h - 1):
        return 0.0, 0.0
    dx = np.sign(heatmap[py, px + 1] - heatmap[py, px - 1])
    dy = np.sign(heatmap[py + 1, px] - heatmap[py - 1, px])
    return 0.25 * dx, 0.25 * dy


def blur_for_dark(heatmap):
    """Gaussian blur with zeros outside, brought back to the original maximum."""
    border = DARK_KERNEL // 2
    framed = np.pad(heatmap.astype(np.float64), border)
    blurred = cv2.GaussianBlur(framed, (DARK_KERNEL, DARK_KERNEL), 0)
    blurred = blurred[border:-border, border:-border]
    return blurred * (heatmap.max() / blurred.max()) if blurred.max() > 0 else blurred


def _dark(heatmap, px, py):
    """One Newton step on the logarithm of the blurred heatmap, second differences at two cells."""
    h, w = heatmap.shape
    if not (1 < px < w - 2 and 1 < py < h - 2):
        return 0.0, 0.0
    m = np.log(np.maximum(blur_for_dark(heatmap), 1e-10))
    dx = 0.5 * (m[py, px + 1] - m[py, px - 1])
    dy = 0.5 * (m[py + 1, px] - m[py - 1, px])
    dxx = 0.25 * (m[py, px + 2] - 2 * m[py, px] + m[py, px - 2])
    dyy = 0.25 * (m[py + 2, px] - 2 * m[py, px] + m[py - 2, px])
    dxy = 0.25 * (m[py + 1, px + 1] - m[py - 1, px + 1] - m[py + 1, px - 1] + m[py - 1, px - 1])
    det = dxx * dyy - dxy * dxy
    if det == 0:
        return 0.0, 0.0
    return -(dyy * dx - dxy * dy) / det, -(dxx * dy - dxy * dx) / det


REFINE = {"none": lambda heatmap, px, py: (0.0, 0.0), "quarter": _quarter, "dark": _dark}


def decode_heatmaps(heatmaps, to_frame, refine="quarter", cells="corner", stride=4):
    """(N, K, h, w) and (N, 2, 3) to keypoints (N, K, 2) in frame pixels and scores (N, K)."""
    heatmaps = np.asarray(heatmaps, dtype=np.float32)
    people, joints, _, w = heatmaps.shape
    keypoints = np.zeros((people, joints, 2), dtype=np.float64)
    scores = np.zeros((people, joints), dtype=np.float32)
    for n in range(people):
        for k in range(joints):
            heatmap = heatmaps[n, k]
            py, px = divmod(int(heatmap.argmax()), w)
            dx, dy = REFINE[refine](heatmap, px, py)
            cell = np.array([px + dx, py + dy])
            pixel = cell * stride if cells == "corner" else (cell + 0.5) * stride - 0.5
            keypoints[n, k] = to_frame[n] @ [pixel[0], pixel[1], 1.0]
            scores[n, k] = heatmap[py, px]
    return keypoints.astype(np.float32), scores
