"""AP of people whose truth is at hand frame by frame: what `coco` is for annotated files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgert.evaluation.dataset import Dataset
from edgert.evaluation.report import Scores
from edgert.evaluation.rows import Row, box_rows, keypoint_rows
from edgert.evaluation.truth import Truth
from edgert.result import Result

__all__ = ["box_scores", "keypoint_scores"]

_PERSON = 1
# COCO looks at the best 20 people of an image; a street has more.
_MOST_PEOPLE = 100
# Outside of every range of areas, COCOeval matches an object by its IoU like any other, and then
# leaves both out. A crowd would swallow every box within it.
_NO_AREA = -1.0


def box_scores(truths: Sequence[Truth], results: Sequence[Result]) -> Scores:
    """COCO's box AP, computed by pycocotools.

    Args:
        truths: One a frame.
        results: Likewise, in the same order; every box is a person.

    Raises:
        Error: pycocotools is not installed.
        ValueError: There are not as many of one as of the other, or none.
    """
    rows: list[Row] = []
    for number, (_, result) in enumerate(_pairs(truths, results)):
        rows += box_rows(number, result, [_PERSON] * (int(result.class_ids.max(initial=0)) + 1))
    return Dataset.of(_content(truths, "bbox")).score("bbox", rows, [_PERSON])


def keypoint_scores(truths: Sequence[Truth], results: Sequence[Result]) -> Scores:
    """COCO's keypoint AP (OKS-AP), computed by pycocotools, of up to 100 people a frame.

    A pose's score is the box score times the mean of the joints' scores over 0.2, as HRNet's
    evaluation has it.

    Args:
        truths: One a frame.
        results: Likewise, in the same order, with keypoints.

    Raises:
        Error: pycocotools is not installed.
        ValueError: There are not as many of one as of the other, or none; a result has no
            keypoints.
    """
    rows: list[Row] = []
    for number, (_, result) in enumerate(_pairs(truths, results)):
        if result.keypoints is None or result.keypoint_scores is None:
            raise ValueError(f"frame {number} has no keypoints: run it with a pose network")
        rows += keypoint_rows(
            number, _PERSON, result.scores, result.keypoints, result.keypoint_scores
        )
    dataset = Dataset.of(_content(truths, "keypoints"))
    return dataset.score("keypoints", rows, [_PERSON], most=_MOST_PEOPLE)


def _pairs(truths: Sequence[Truth], results: Sequence[Result]) -> list[tuple[Truth, Result]]:
    if not truths or len(truths) != len(results):
        raise ValueError(
            f"truth of {len(truths)} frames and results of {len(results)}; expected one for one"
        )
    return list(zip(truths, results, strict=True))


def _content(truths: Sequence[Truth], task: str) -> dict[str, Any]:
    """The truth in COCO's layout; a frame's number is its image's id."""
    annotations: list[dict[str, Any]] = []
    for number, truth in enumerate(truths):
        for i in range(len(truth)):
            x1, y1, x2, y2 = truth.boxes[i].tolist()
            ignored = bool(truth.ignored[i])
            flat = [
                value
                for (x, y), seen in zip(
                    truth.keypoints[i].tolist(), truth.visibility[i].tolist(), strict=True
                )
                for value in (x, y, seen)
            ]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": _PERSON,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": _NO_AREA if ignored and task == "bbox" else float(truth.areas[i]),
                    "iscrowd": int(ignored and task == "keypoints"),
                    "keypoints": flat,
                    "num_keypoints": sum(seen > 0 for seen in flat[2::3]),
                }
            )
    images = [
        {"id": number, "height": truth.size[0], "width": truth.size[1], "file_name": str(number)}
        for number, truth in enumerate(truths)
    ]
    categories = [{"id": _PERSON, "name": "person"}]
    return {"images": images, "annotations": annotations, "categories": categories}
