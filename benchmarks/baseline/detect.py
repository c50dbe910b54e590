"""YOLOv8 head to boxes with NumPy and OpenCV's NMS."""

import cv2
import numpy as np


def decode_yolo(
    output, to_frame, score_threshold=0.25, nms_threshold=0.7, classes=None, max_detections=300
):
    """(1, 4 + C, A) to boxes (N, 4) in frame pixels, scores (N,), class ids (N,), best first."""
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
    # OpenCV's NMS knows no classes: move each class to a place of its own.
    shifted = boxes.copy()
    shifted[:, 0] += class_ids * 8192
    kept = cv2.dnn.NMSBoxes(shifted, scores, score_threshold, nms_threshold)
    kept = np.asarray(kept, dtype=np.int64).reshape(-1)[:max_detections]
    boxes = boxes[kept]
    boxes[:, 2:] += boxes[:, :2]
    boxes[:, 0::2] = boxes[:, 0::2] * to_frame[0, 0] + to_frame[0, 2]
    boxes[:, 1::2] = boxes[:, 1::2] * to_frame[1, 1] + to_frame[1, 2]
    return boxes, scores[kept], class_ids[kept].astype(np.int32)
