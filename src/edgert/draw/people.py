"""Boxes, ids and skeletons on a frame."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgert.draw.canvas import Canvas, text_size
from edgert.draw.palette import SIDE_COLOURS, Colour, id_colour, text_colour
from edgert.draw.strokes import Strokes
from edgert.skeleton import Skeleton, skeleton_of

if TYPE_CHECKING:
    from edgert.result import Person, Result

__all__ = ["draw_people"]


def draw_people(
    image: npt.NDArray[np.uint8], result: Result, *, keypoint_threshold: float = 0.3
) -> None:
    """Draws a result into an image.

    Args:
        image: (H, W, 3) uint8 BGR, C-contiguous, writable, changed in place.
        result: The people, in the image's pixels.
        keypoint_threshold: Joints that score less are left out, and the bones to them.
    """
    canvas = Canvas(image)
    # One size of pen for a frame: 3 px at 1280x720, in proportion for others.
    pen = max(1.5, 0.003 * (canvas.height + canvas.width) / 2)
    people = [person for person in result if np.isfinite(person.box).all()]
    # The nearest person, whose box ends lowest, comes last and on top.
    people.sort(key=lambda person: float(person.box[3]))
    for person in people:
        _draw_box(canvas, person, round(pen))
    # Bones and joints apart: the widest stroke sets the window that all of a pass are looked at in.
    bones, joints = Strokes(), Strokes()
    for person in people:
        _add_skeleton(bones, joints, person, pen, keypoint_threshold, result.size)
    bones.draw(image)
    joints.draw(image)
    for person in people:
        _draw_label(canvas, person, _label(person, result.class_names), pen)


def _draw_box(canvas: Canvas, person: Person, width: int) -> None:
    left, top, right, bottom = _corners(canvas, person)
    colour = id_colour(person.id)
    canvas.rectangle(left, top, right, top + width, colour)
    canvas.rectangle(left, bottom - width, right, bottom, colour)
    canvas.rectangle(left, top, left + width, bottom, colour)
    canvas.rectangle(right - width, top, right, bottom, colour)


def _add_skeleton(
    bones: Strokes,
    joints: Strokes,
    person: Person,
    pen: float,
    threshold: float,
    size: tuple[int, int],
) -> None:
    if person.keypoints is None or person.keypoint_scores is None:
        return
    # Half a frame's size outside the frame is no joint of a person that is seen in it.
    extent = np.array([size[1], size[0]], np.float32)
    near = (np.abs(person.keypoints - extent / 2) <= extent).all(axis=1)
    seen = np.flatnonzero(near & (person.keypoint_scores >= threshold)).tolist()
    points = dict(zip(seen, person.keypoints[seen].tolist(), strict=True))
    # A small person gets a finer pen, or the skeleton would fill it.
    pen = min(1.25 * pen, max(1.2, 0.018 * float(person.box[3] - person.box[1])))
    skeleton = skeleton_of(len(person.keypoints))
    if skeleton is None:
        for point in points.values():
            joints.dot(point, pen, id_colour(person.id))
        return
    bone_colours, joint_colours = _skeleton_colours(skeleton)
    for (a, b), colour in zip(skeleton.bones, bone_colours, strict=True):
        if a in points and b in points:
            bones.line(points[a], points[b], pen, colour)
    for joint, point in points.items():
        joints.dot(point, 1.15 * pen, joint_colours[joint])


@lru_cache
def _skeleton_colours(skeleton: Skeleton) -> tuple[list[Colour], list[Colour]]:
    """The colours of the bones and of the joints."""
    bones = [SIDE_COLOURS[skeleton.bone_side(bone)] for bone in skeleton.bones]
    joints = [SIDE_COLOURS[skeleton.joint_side(joint)] for joint in range(len(skeleton.joints))]
    return bones, joints


def _draw_label(canvas: Canvas, person: Person, text: str, pen: float) -> None:
    size = max(12, round(6 * pen))
    padding = max(2, size // 4)
    text_width, text_height = text_size(text, size)
    width, height = text_width + 2 * padding, text_height + 2 * padding
    left, top, _, _ = _corners(canvas, person)
    left = max(0, min(left, canvas.width - width))
    top = top - height if top >= height else max(top, 0)
    colour = id_colour(person.id)
    canvas.rectangle(left, top, left + width, top + height, colour)
    canvas.text(left + padding, top + padding, text, size, text_colour(colour))


def _corners(canvas: Canvas, person: Person) -> tuple[int, int, int, int]:
    # Cut well outside the frame first: a box may hold numbers that no pixel index can.
    reach = canvas.height + canvas.width
    left, top, right, bottom = np.clip(person.box, -reach, 2 * reach).round().astype(int).tolist()
    return left, top, right, bottom


def _label(person: Person, class_names: tuple[str, ...] | None) -> str:
    parts = [] if person.id < 0 else [f"#{person.id}"]
    if class_names is not None and class_names[person.class_id] != "person":
        parts.append(class_names[person.class_id])
    return "  ".join([*parts, f"{person.score:.2f}"])
