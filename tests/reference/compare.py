"""How far two sets of results of the same frames lie apart."""

from dataclasses import dataclass, field

import numpy as np

from .detect import box_iou


def match(boxes, class_ids, others, other_class_ids, iou=0.95):
    """Index of the best unused other box of the same class at `iou` or more, or -1, per box."""
    taken = np.zeros(len(others), dtype=bool)
    found = np.full(len(boxes), -1)
    for i, box in enumerate(boxes):
        overlap = box_iou(box, others) * (other_class_ids == class_ids[i]) * ~taken
        if len(others) and overlap.max() >= iou:
            found[i] = overlap.argmax()
            taken[found[i]] = True
    return found


@dataclass
class Agreement:
    """Running comparison of results, both directions, so that neither may find more.

    A result is held to have a partner among all results of the other side, those below the
    threshold included: a score that sits on the threshold is no disagreement.
    """

    box_threshold: float = 0.25
    person_threshold: float = 0.5
    detections: int = 0
    matched: int = 0
    score_gaps: list = field(default_factory=list)
    keypoint_gaps: list = field(default_factory=list)
    keypoint_score_gaps: list = field(default_factory=list)

    def add_boxes(self, one, other):
        for a, b in ((one, other), (other, one)):
            found = match(a.boxes, a.class_ids, b.boxes, b.class_ids)
            wanted = a.scores >= self.box_threshold
            self.detections += int(wanted.sum())
            pairs = np.flatnonzero(wanted & (found >= 0))
            self.matched += len(pairs)
            self.score_gaps.append(np.abs(a.scores[pairs] - b.scores[found[pairs]]))

    def add_keypoints(self, one, other):
        found = match(one.boxes, one.class_ids, other.boxes, other.class_ids)
        pairs = np.flatnonzero((one.scores >= self.person_threshold) & (found >= 0))
        gap = one.keypoints[pairs] - other.keypoints[found[pairs]]
        self.keypoint_gaps.append(np.linalg.norm(gap, axis=-1).ravel())
        gap = one.keypoint_scores[pairs] - other.keypoint_scores[found[pairs]]
        self.keypoint_score_gaps.append(np.abs(gap).ravel())

    @property
    def matched_share(self):
        return self.matched / self.detections

    def summary(self):
        scores = np.concatenate(self.score_gaps)
        lines = [
            f"detections over {self.box_threshold} (both directions): {self.detections}, "
            f"matched at IoU >= 0.95: {100 * self.matched_share:.2f} %, "
            f"largest score gap: {scores.max():.2e}"
        ]
        if self.keypoint_gaps:
            gaps = np.concatenate(self.keypoint_gaps)
            lines.append(
                f"keypoints of people over {self.person_threshold}: {len(gaps)}, gap in px: "
                f"median {np.median(gaps):.4f}, p99 {np.percentile(gaps, 99):.4f}, "
                f"max {gaps.max():.3f}, over 2 px: {100 * (gaps > 2).mean():.2f} %"
            )
        return "\n".join(lines)
