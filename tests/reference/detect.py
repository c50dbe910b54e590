"""YOLOv8 head to boxes: best class, filters, greedy NMS per class, frame coordinates."""

import numpy as np


def box_iou(box, others):
    """IoU of one xyxy box with (N, 4) others; 0 where the union is empty."""
    w = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    h = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    shared = np.maximum(w, 0) * np.maximum(h, 0)
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    union = area + areas - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def candidates(output, score_threshold, classes=None):
    """Network-pixel xyxy boxes, scores, class ids of the anchors that pass, best score first.

    A box without area is none: the contract has x2 > x1.
    """
    rows = np.asarray(output, dtype=np.float32)
    rows = rows.reshape(rows.shape[-2:]).T
    rows = rows[np.isfinite(rows).all(axis=1)]
    class_ids = rows[:, 4:].argmax(axis=1)
    scores = rows[np.arange(len(rows)), 4 + class_ids]
    keep = (scores >= np.float32(score_threshold)) & (rows[:, 2:4] > 0).all(axis=1)
    if classes is not None:
        keep &= np.isin(class_ids, list(classes))
    rows, scores, class_ids = rows[keep], scores[keep], class_ids[keep]
    order = np.argsort(-scores, kind="stable")
    centre, half = rows[order, 0:2], rows[order, 2:4] / 2
    return np.hstack([centre - half, centre + half]), scores[order], class_ids[order]


def decode_end_to_end(output, to_frame, score_threshold=0.25, classes=None, max_detections=300):
    """(1, N, 6) rows x1, y1, x2, y2, score, class to boxes, scores, class ids, best first."""
    rows = np.asarray(output, dtype=np.float32)
    rows = rows.reshape(rows.shape[-2:])
    rows = rows[np.isfinite(rows).all(axis=1)]
    class_ids = np.rint(rows[:, 5]).astype(int)
    keep = (rows[:, 4] >= np.float32(score_threshold)) & (class_ids >= 0)
    keep &= (rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])
    if classes is not None:
        keep &= np.isin(class_ids, list(classes))
    rows, class_ids = rows[keep], class_ids[keep]
    best = np.argsort(-rows[:, 4], kind="stable")[:max_detections]
    boxes = rows[best, :4].astype(np.float64)
    boxes[:, 0::2] = boxes[:, 0::2] * to_frame[0, 0] + to_frame[0, 2]
    boxes[:, 1::2] = boxes[:, 1::2] * to_frame[1, 1] + to_frame[1, 2]
    return boxes.astype(np.float32), rows[best, 4], class_ids[best].astype(np.int32)


def decode_yolo(
    output, to_frame, score_threshold=0.25, nms_threshold=0.7, classes=None, max_detections=300
):
    """(1, 4 + C, A) head output to boxes (N, 4), scores (N,), class ids (N,), best first."""
    boxes, scores, class_ids = candidates(output, score_threshold, classes)
    alive = np.ones(len(boxes), dtype=bool)
    kept = []
    for i in range(len(boxes)):
        if not alive[i]:
            continue
        kept.append(i)
        rest = np.arange(i + 1, len(boxes))
        rest = rest[(class_ids[rest] == class_ids[i]) & alive[rest]]
        alive[rest[box_iou(boxes[i], boxes[rest]) > np.float32(nms_threshold)]] = False
    kept = kept[:max_detections]
    boxes = boxes[kept].astype(np.float64)
    boxes[:, 0::2] = boxes[:, 0::2] * to_frame[0, 0] + to_frame[0, 2]
    boxes[:, 1::2] = boxes[:, 1::2] * to_frame[1, 1] + to_frame[1, 2]
    return boxes.astype(np.float32), scores[kept], class_ids[kept].astype(np.int32)
