"""Boxes, ids and skeletons on a frame."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgert._core import draw_shapes
from edgert.draw.palette import SIDE_COLOURS, Colour, id_colour, text_colour
from edgert.draw.text import label_mask
from edgert.skeleton import Skeleton, skeleton_of

if TYPE_CHECKING:
    from edgert.result import Result

__all__ = ["draw_people"]

_Floats = npt.NDArray[np.float32]
_Label = tuple[int, int, npt.NDArray[np.uint8], Colour, Colour]


def draw_people(
    image: npt.NDArray[np.uint8], result: Result, *, keypoint_threshold: float = 0.3
) -> None:
    """Draws a result into an image.

    Args:
        image: (H, W, 3) uint8 BGR, writeable, the pixels of a row packed; changed in place.
        result: The people, in the image's pixels.
        keypoint_threshold: Joints that score less are left out, and the bones to them.

    Raises:
        ValueError: The image has another dtype, shape or layout.
    """
    height, width = image.shape[:2]
    # One size of pen for a frame: 3 px at 1280x720, in proportion for others.
    pen = max(1.5, 0.003 * (height + width) / 2)
    people = np.flatnonzero(np.isfinite(result.boxes).all(axis=1))
    # The nearest person, whose box ends lowest, comes last and on top.
    people = people[np.argsort(result.boxes[people, 3], kind="stable")]
    colours = [id_colour(track_id) for track_id in result.ids[people].tolist()]
    outlines = np.empty((len(people), 8), np.float32)
    outlines[:, :4] = result.boxes[people]
    outlines[:, 4] = round(pen)
    outlines[:, 5:] = np.reshape(colours, (-1, 3))
    strokes = _skeletons(result, people, outlines[:, 5:], pen, keypoint_threshold)
    draw_shapes(image, outlines, strokes, _labels(result, people, colours, pen))


def _skeletons(
    result: Result, people: npt.NDArray[np.intp], colours: _Floats, pen: float, threshold: float
) -> _Floats:
    """Rows of start, end, radius and colour: all bones, then all joints."""
    if result.keypoints is None or result.keypoint_scores is None:
        return np.empty((0, 8), np.float32)
    points = result.keypoints[people]
    # Half a frame's size outside the frame is no joint of a person that is seen in it.
    extent = np.array(result.size[::-1], np.float32)
    near = (np.abs(points - extent / 2) <= extent).all(axis=2)
    seen = near & (result.keypoint_scores[people] >= threshold)
    # A small person gets a finer pen, or the skeleton would fill it.
    boxes = result.boxes[people].astype(np.float64)
    heights = boxes[:, 3] - boxes[:, 1]
    pens = np.clip(0.018 * heights, 1.2, 1.25 * pen)
    skeleton = skeleton_of(points.shape[1])
    if skeleton is None:
        person, joint = np.nonzero(seen)
        centres = points[person, joint]
        return _strokes(centres, centres, pens[person], colours[person])
    bones, bone_colours, joint_colours = _tables(skeleton)
    person, bone = np.nonzero(seen[:, bones[:, 0]] & seen[:, bones[:, 1]])
    starts, ends = points[person, bones[bone, 0]], points[person, bones[bone, 1]]
    lines = _strokes(starts, ends, pens[person] / 2, bone_colours[bone])
    person, joint = np.nonzero(seen)
    centres = points[person, joint]
    dots = _strokes(centres, centres, 1.15 * pens[person], joint_colours[joint])
    return np.concatenate([lines, dots])


def _strokes(
    starts: _Floats, ends: _Floats, radii: npt.NDArray[np.floating[Any]], colours: _Floats
) -> _Floats:
    rows: _Floats = np.empty((len(starts), 8), np.float32)
    rows[:, 0:2] = starts
    rows[:, 2:4] = ends
    rows[:, 4] = radii
    rows[:, 5:8] = colours
    return rows


@lru_cache
def _tables(skeleton: Skeleton) -> tuple[npt.NDArray[np.intp], _Floats, _Floats]:
    """The ends of the bones, and the colours of the bones and of the joints."""
    bones = [SIDE_COLOURS[skeleton.bone_side(bone)] for bone in skeleton.bones]
    joints = [SIDE_COLOURS[skeleton.joint_side(joint)] for joint in range(len(skeleton.joints))]
    return (
        np.array(skeleton.bones, np.intp),
        np.array(bones, np.float32),
        np.array(joints, np.float32),
    )


def _labels(
    result: Result, people: npt.NDArray[np.intp], colours: list[Colour], pen: float
) -> list[_Label]:
    size = max(12, round(6 * pen))
    frame_height, frame_width = result.size
    # Cut well outside the frame first: a box may hold numbers that no pixel index can.
    reach = frame_height + frame_width
    corners = np.clip(result.boxes[people, :2], -reach, 2 * reach).round().astype(int).tolist()
    texts = [_text(result, person) for person in people.tolist()]
    labels = []
    for (left, top), text, colour in zip(corners, texts, colours, strict=True):
        mask = label_mask(text, size)
        height, width = mask.shape
        left = max(0, min(left, frame_width - width))
        top = top - height if top >= height else max(top, 0)
        labels.append((left, top, mask, text_colour(colour), colour))
    return labels


def _text(result: Result, person: int) -> str:
    track_id = int(result.ids[person])
    parts = [] if track_id < 0 else [f"#{track_id}"]
    if result.class_names is not None:
        name = result.class_names[result.class_ids[person]]
        if name != "person":
            parts.append(name)
    return "  ".join([*parts, f"{result.scores[person]:.2f}"])
