"""Results of one image as rows of COCO's results format, and what they are scored as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import Error
from edgert.evaluation.dataset import Dataset
from edgert.evaluation.report import Report

__all__ = [
    "Row",
    "box_report",
    "box_rows",
    "keypoint_rows",
    "person_category",
    "shared_categories",
]

Row = dict[str, Any]

# HRNet's rule for the score of a person: box score times the mean of the keypoint scores over
# this value (lib/dataset/coco.py, IN_VIS_THRE).
_VISIBLE = 0.2


def box_rows(image_id: int, result: Any, categories: Sequence[int | None]) -> list[Row]:
    """The boxes of one image's result, in COCO's results format.

    Args:
        image_id: COCO's.
        result: With `boxes` (N, 4) xyxy, `scores` (N,) and `class_ids` (N,).
        categories: The category of each class index; None for those that do not count.
    """
    rows = []
    for box, score, class_id in zip(result.boxes, result.scores, result.class_ids, strict=True):
        category = categories[class_id] if class_id < len(categories) else None
        if category is not None:
            x1, y1, x2, y2 = (float(v) for v in box)
            rows.append(
                {
                    "image_id": image_id,
                    "category_id": category,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": float(score),
                }
            )
    return rows


def keypoint_rows(
    image_id: int,
    category: int,
    box_scores: NDArray[np.float32],
    keypoints: NDArray[np.float32],
    keypoint_scores: NDArray[np.float32],
) -> list[Row]:
    """The poses of one image, in COCO's results format.

    Args:
        image_id: COCO's.
        category: Of a person.
        box_scores: (N,).
        keypoints: (N, K, 2) in frame pixels.
        keypoint_scores: (N, K).
    """
    rows = []
    for box_score, points, scores in zip(box_scores, keypoints, keypoint_scores, strict=True):
        visible = scores[scores > _VISIBLE]
        flat = np.column_stack([points, scores]).astype(float).ravel().tolist()
        rows.append(
            {
                "image_id": image_id,
                "category_id": category,
                "keypoints": flat,
                "score": float(box_score) * (float(visible.mean()) if len(visible) else 0.0),
            }
        )
    return rows


def box_report(dataset: Dataset, rows: list[Row], categories: Sequence[int | None]) -> Report:
    """Box AP of rows over the categories that the model shares, and over people alone."""
    shared = [category for category in categories if category is not None]
    person = dataset.categories.get("person")
    return Report(
        images=len(dataset),
        boxes=dataset.score("bbox", rows, shared),
        person=dataset.score("bbox", rows, [person]) if person in shared else None,
    )


def shared_categories(dataset: Dataset, names: Sequence[str] | None) -> list[int | None]:
    """The category of each class index; None for a class that the annotations do not have.

    Raises:
        Error: They have none in common.
    """
    known = dataset.categories
    if names is None:
        return list(known.values())
    categories = [known.get(name) for name in names]
    if all(category is None for category in categories):
        raise Error(
            f"the model's classes ({', '.join(list(names)[:3])}, ...) and the categories of the "
            f"annotations ({', '.join(list(known)[:3])}, ...) have no name in common"
        )
    return categories


def person_category(dataset: Dataset) -> int:
    """The category of people.

    Raises:
        Error: The annotations have none.
    """
    category = dataset.categories.get("person")
    if category is None:
        raise Error(f"the annotations have no category 'person': found {list(dataset.categories)}")
    return category
