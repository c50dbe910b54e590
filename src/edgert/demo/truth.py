"""Truth from what has been drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgert.demo import solids
from edgert.demo.figures import Figures
from edgert.demo.looks import PARTS
from edgert.skeleton import COCO_17

__all__ = ["joint_truth", "shares_within"]

_Floats = npt.NDArray[np.float64]

# A part of the own body hides a joint this far behind its middle, as a share of the height.
_DEEP = 0.07
_JOINTS = len(COCO_17.joints)


def joint_truth(
    figures: Figures,
    height_m: _Floats,
    owners: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int16],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Where joints are and whether they are seen.

    Args:
        figures: M people.
        height_m: (M,) their heights.
        owners: (M,) their numbers in `labels`, the nearer the higher.
        labels: (H, W) what each pixel shows.

    Returns:
        (M, 17, 2) float32 and (M, 17) uint8 as in `Frame`.
    """
    height, width = labels.shape
    joints = figures.pixels[:, :_JOINTS]
    cells = np.floor(joints)
    x, y = cells[..., 0], cells[..., 1]
    within = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    column, row = (np.where(within, v, 0).astype(np.int64) for v in (x, y))
    shown = labels[row, column].astype(np.int64)
    owner, part = shown // solids.PARTS_PER_OWNER, shown % solids.PARTS_PER_OWNER
    hidden = owner > owners[:, None]
    own = owner == owners[:, None]
    surface = np.take_along_axis(figures.part_distance_m, np.minimum(part, len(PARTS) - 1), axis=1)
    deep = figures.distance_m[:, :_JOINTS] - surface > _DEEP * height_m[:, None]
    hidden |= own & deep
    hidden[:, :5] |= ~figures.facing
    visibility = np.where(within, np.where(hidden, 1, 2), 0).astype(np.uint8)
    return np.where(within[..., None], joints, 0).astype(np.float32), visibility


def shares_within(figures: Figures, size: tuple[int, int]) -> _Floats:
    """(M,) the share of each person that lies within the frame.

    A part counts by its length and width, a part across the edge by the share of its box within.
    """
    rows = figures.rows.astype(np.float64)
    start, end = rows[..., solids.START], rows[..., solids.END]
    radius = rows[..., solids.RADII].max(axis=2)
    low = np.minimum(start, end) - radius[..., None]
    high = np.maximum(start, end) + radius[..., None]
    limit = np.array([size[1], size[0]], np.float64)
    inside = np.clip(np.minimum(high, limit) - np.maximum(low, 0), 0, None)
    extent = np.maximum(high - low, 1e-9)
    share = (inside[..., 0] / extent[..., 0]) * (inside[..., 1] / extent[..., 1])
    along = end - start
    weight = radius * (
        np.sqrt(along[..., 0] * along[..., 0] + along[..., 1] * along[..., 1]) + 2 * radius
    )
    total, within = np.zeros(len(rows)), np.zeros(len(rows))
    for part in range(rows.shape[1]):  # in one order on every machine
        total = total + weight[:, part]
        within = within + weight[:, part] * share[:, part]
    return within / np.maximum(total, 1e-9)
