"""Boxes, labels and skeletons as programs draw them with OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgert.draw.palette import SIDE_COLOURS, id_colour, text_colour
from edgert.result import Result
from edgert.skeleton import COCO_17

__all__ = ["draw_people"]

_BONES = [(a, b, SIDE_COLOURS[COCO_17.bone_side((a, b))]) for a, b in COCO_17.bones]
_JOINTS = [SIDE_COLOURS[COCO_17.joint_side(joint)] for joint in range(len(COCO_17.joints))]
# Coordinates of anti-aliased shapes have this many bits after the point.
_SHIFT = 4


def draw_people(
    image: npt.NDArray[np.uint8], result: Result, keypoint_threshold: float = 0.3
) -> None:
    """Draw tracked people with skeletons into (h, w, 3) uint8 BGR."""
    assert result.keypoints is not None
    assert result.keypoint_scores is not None
    height, width = image.shape[:2]
    pen = max(1.5, 0.003 * (height + width) / 2)
    order = sorted(range(len(result)), key=lambda i: float(result.boxes[i, 3]))
    boxes = result.boxes.round().astype(int).tolist()
    colours = [id_colour(i) for i in result.ids.tolist()]
    for i in order:
        left, top, right, bottom = boxes[i]
        cv2.rectangle(image, (left, top), (right, bottom), colours[i], round(pen))
    joints = (result.keypoints * (1 << _SHIFT)).round().astype(int).tolist()
    seen = (result.keypoint_scores >= keypoint_threshold).tolist()
    for i in order:
        for a, b, colour in _BONES:
            if seen[i][a] and seen[i][b]:
                ends = joints[i][a], joints[i][b]
                cv2.line(image, *ends, colour, round(1.25 * pen), cv2.LINE_AA, _SHIFT)
    radius = round(1.15 * 1.25 * pen * (1 << _SHIFT))
    for i in order:
        for point, is_seen, colour in zip(joints[i], seen[i], _JOINTS, strict=True):
            if is_seen:
                cv2.circle(image, point, radius, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)
    for i in order:
        left, top = boxes[i][:2]
        text = f"#{result.ids[i]}  {result.scores[i]:.2f}"
        (text_width, text_height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
        top = max(top - text_height - below - 8, 0)
        corner = left + text_width + 8, top + text_height + below + 8
        cv2.rectangle(image, (left, top), corner, colours[i], cv2.FILLED)
        ink = text_colour(colours[i])
        base = left + 4, top + text_height + 4
        cv2.putText(image, text, base, cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, 1, cv2.LINE_AA)
