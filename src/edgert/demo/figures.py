"""From poses to solids in pixels and the shadows under them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgert.demo import solids
from edgert.demo.body import point
from edgert.demo.camera import Camera
from edgert.demo.looks import PARTS, part

__all__ = ["Figures", "draw_figures", "shadows_of"]

_Floats = npt.NDArray[np.float64]

_STARTS = np.array([point(p.start) for p in PARTS])
_ENDS = np.array([point(p.end) for p in PARTS])
_NEARER_M = np.array([p.nearer for p in PARTS])
# A trunk is this much thinner from front to back than from side to side.
_FLATNESS = 0.68
_FLAT = np.array([part(name) for name in ("trunk", "hips", "skirt")])
_FACE = np.array([part(name) for name in ("left_eye", "right_eye", "nose", "mouth")])
_SHADOW_PARTS = np.array(
    [
        part(name)
        for name in (
            *("trunk", "head", "left_thigh", "right_thigh", "left_shank", "right_shank"),
            *("left_arm", "right_arm", "left_forearm", "right_forearm", "bag", "backpack"),
        )
    ]
)
_FINEST_PX = 0.15  # what is thinner is not drawn


@dataclass(frozen=True)
class Figures:
    """M people as solids.

    Attributes:
        rows: (M, P, COLUMNS) float32, a person's parts from far to near.
        parts: (M, P) int64: which part each row is.
        part_distance_m: (M, len(PARTS)) of the middle of each part, in the order of `PARTS`.
        pixels: (M, len(POINTS), 2) where the body's points are seen.
        distance_m: (M, len(POINTS)) from the camera.
        facing: (M, 5) whether nose, eyes and ears are on the viewer's side of the head.
    """

    rows: npt.NDArray[np.float32]
    parts: npt.NDArray[np.int64]
    part_distance_m: _Floats
    pixels: _Floats
    distance_m: _Floats
    facing: npt.NDArray[np.bool_]


def draw_figures(
    camera: Camera,
    looks: npt.NDArray[np.float32],
    height_m: _Floats,
    points: _Floats,
    later_points: _Floats,
    trunk: _Floats,
    face: _Floats,
    shift_px: _Floats,
    later_shift_px: _Floats,
) -> Figures:
    """Solids of people.

    Args:
        camera: What sees them.
        looks: (M, len(PARTS), COLUMNS) as of `make_look`, in the scene's light.
        height_m: (M,) the people's heights.
        points: (M, len(POINTS), 3) when the exposure is half over.
        later_points: The same at its end.
        trunk: (M, 3) where trunks look, and
        face: (M, 3) faces.
        shift_px: (2,) how far the shaking camera moves the picture.
        later_shift_px: The same at the end of the exposure.
    """
    pixels, scale, distance = camera.project(points)
    later, _, _ = camera.project(later_points)
    pixels = pixels + shift_px
    rows = looks.copy()
    rows[:, :, solids.START] = pixels[:, _STARTS]
    rows[:, :, solids.END] = pixels[:, _ENDS]
    part_scale = 0.5 * (scale[:, _STARTS] + scale[:, _ENDS]) * height_m[:, None]
    rows[:, :, solids.RADII] *= part_scale[:, :, None]
    moved = 2 * (later + later_shift_px - pixels)
    rows[:, :, solids.BLUR] = 0.5 * (moved[:, _STARTS] + moved[:, _ENDS])

    middles = points[:, [point("chest"), point("head")]]
    turned = camera.directions(middles, np.stack([trunk, face], axis=1))
    towards = turned[:, 0, 2]
    # The outline of an ellipse that is seen from the side by so much.
    broad = np.sqrt(
        towards * towards + _FLATNESS * _FLATNESS * np.maximum(1 - towards * towards, 0)
    )
    rows[:, _FLAT, solids.RADII] *= broad[:, None, None]
    # Seen from the side, hips are no bar across but a disc.
    rows[:, part("trunk"), solids.AXIS] = turned[:, 0]
    rows[:, part("head"), solids.AXIS] = turned[:, 1]
    facing = distance[:, :5] < distance[:, point("head"), None] + 0.005
    features = rows[:, _FACE, solids.RADII]
    mouth = distance[:, point("mouth")] < distance[:, point("head")]
    seen = np.stack([facing[:, 1], facing[:, 2], facing[:, 0], mouth], axis=1)
    rows[:, _FACE, solids.RADII] = features * seen[:, :, None]
    radii = rows[:, :, solids.RADII]
    rows[:, :, solids.RADII] = np.where(radii.max(axis=2, keepdims=True) < _FINEST_PX, 0, radii)
    # Stripes that no pixel can tell apart would flicker.
    fine = rows[:, :, solids.STRIPES] * 2.5 > part_scale * 0.25
    rows[:, :, solids.STRIPES] = np.where(fine, 0, rows[:, :, solids.STRIPES])

    part_distance = 0.5 * (distance[:, _STARTS] + distance[:, _ENDS])
    order = np.argsort(-(part_distance - _NEARER_M), axis=1, kind="stable")
    return Figures(
        np.take_along_axis(rows, order[:, :, None], axis=1),
        order.astype(np.int64),
        part_distance,
        pixels,
        distance,
        facing,
    )


def shadows_of(
    camera: Camera,
    looks: npt.NDArray[np.float32],
    height_m: _Floats,
    points: _Floats,
    to_sun: _Floats,
    shift_px: _Floats,
) -> npt.NDArray[np.float32]:
    """(N, 7) float32 rows for `_core.cast_shadows`: people's shadows on the ground."""
    fallen = points - (points[..., 1] / to_sun[1])[..., None] * to_sun
    pixels, scale, _ = camera.project(fallen)
    pixels = pixels + shift_px
    starts, ends = _STARTS[_SHADOW_PARTS], _ENDS[_SHADOW_PARTS]
    rows = np.zeros((len(points), len(_SHADOW_PARTS), 7), np.float32)
    rows[:, :, 0:2], rows[:, :, 2:4] = pixels[:, starts], pixels[:, ends]
    part_scale = 0.5 * (scale[:, starts] + scale[:, ends])
    # What lies on the ground is seen at a slant.
    size = 0.7 * part_scale * height_m[:, None]
    rows[:, :, 4:6] = looks[:, _SHADOW_PARTS, solids.RADII] * size[:, :, None]
    rows[:, :, 6] = 1 + 0.02 * part_scale
    return rows.reshape(-1, 7)
