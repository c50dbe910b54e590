"""Whether two programs find the same people. Results first: nothing is timed that differs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["LEAST_SHARE", "matched_share"]

# The baseline resamples to 8 bits, which moves boxes by fractions of a pixel and single detections
# over the threshold.
LEAST_SHARE = 0.97
_IOU = 0.9
_SURE = 0.5


def matched_share(pairs: Iterable[tuple[Any, Any]]) -> float:
    """The share of one program's surer boxes that the other has too, at IoU 0.9.

    Args:
        pairs: Of each frame what the two found, with `boxes` (N, 4) xyxy and `scores` (N,). The
            boxes over 0.5 of the second are looked for among those of the first.

    Returns:
        From 0 to 1; 1 where there are none to look for.
    """
    total = matched = 0
    for ours, theirs in pairs:
        sure = np.asarray(theirs.boxes)[np.asarray(theirs.scores) >= _SURE]
        total += len(sure)
        for box in sure:
            low = np.maximum(ours.boxes[:, :2], box[:2])
            high = np.minimum(ours.boxes[:, 2:], box[2:])
            shared = np.prod(np.clip(high - low, 0, None), axis=1)
            areas = np.prod(ours.boxes[:, 2:] - ours.boxes[:, :2], axis=1)
            union = areas + np.prod(box[2:] - box[:2]) - shared
            matched += bool(np.any(shared / union >= _IOU))
    return matched / total if total else 1.0
