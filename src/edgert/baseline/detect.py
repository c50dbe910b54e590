"""YOLOv8 head to boxes with NumPy and OpenCV's NMS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["decode_yolo"]

# OpenCV's NMS knows no classes: each class is moved to a place of its own.
_FAR_PX = 8192


def decode_yolo(
    output: npt.NDArray[np.float32],
    to_frame: npt.NDArray[np.float64],
    score_threshold: float = 0.25,
    nms_threshold: float = 0.7,
    classes: Sequence[int] | None = None,
    max_detections: int = 300,
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """The boxes of one frame, best first.

    Args:
        output: (1, 4 + C, A), the head's.
        to_frame: (2, 3), network pixels to frame pixels.
        score_threshold: Rows below it are dropped.
        nms_threshold: IoU over which the weaker of two boxes is dropped.
        classes: Class ids wanted; None: all.
        max_detections: At most so many.

    Returns:
        Boxes (N, 4) xyxy in frame pixels, scores (N,), class ids (N,).
    """
    best = output[0, 4:].max(axis=0)
    passed = np.flatnonzero(best >= score_threshold)
    rows = output[0, :, passed]
    class_ids = rows[:, 4:].argmax(axis=1)
    scores = best[passed]
    if classes is not None:
        wanted = np.isin(class_ids, classes)
        rows, scores, class_ids = rows[wanted], scores[wanted], class_ids[wanted]
    corners = rows[:, :2] - rows[:, 2:4] / 2
    boxes = np.hstack([corners, rows[:, 2:4]])
    shifted = boxes.copy()
    shifted[:, 0] += class_ids * _FAR_PX
    chosen: Any = cv2.dnn.NMSBoxes(shifted, scores, score_threshold, nms_threshold)
    kept = np.asarray(chosen, dtype=np.int64).reshape(-1)[:max_detections]
    boxes = boxes[kept]
    boxes[:, 2:] += boxes[:, :2]
    boxes[:, 0::2] = boxes[:, 0::2] * to_frame[0, 0] + to_frame[0, 2]
    boxes[:, 1::2] = boxes[:, 1::2] * to_frame[1, 1] + to_frame[1, 2]
    return boxes, scores[kept], class_ids[kept].astype(np.int32)
