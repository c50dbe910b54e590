"""A result in the formats of other programs; `Result`'s methods say what they give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from edgert.errors import Error

if TYPE_CHECKING:
    import supervision

    from edgert.result import Result

__all__ = ["coco_results", "joint_rows", "rounded", "supervision_detections"]

# The 80 classes of COCO keep the ids that they had among the 90 first announced
# (Lin et al. 2014; cocodataset.org): these ten were never annotated.
_COCO_UNUSED_IDS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
_COCO_IDS = tuple(i for i in range(1, 91) if i not in _COCO_UNUSED_IDS)

# Joints below this do not count in a rescored person (HRNet, `TEST.IN_VIS_THRE`).
_RESCORE_JOINT_THRESHOLD = 0.2


def coco_results(
    result: Result, image_id: int, keypoint_score: Literal["box", "rescored"]
) -> list[dict[str, Any]]:
    """The people as COCO results; see `Result.to_coco`."""
    scores = result.scores.astype(np.float64)
    if keypoint_score == "rescored":
        if result.keypoint_scores is None:
            raise ValueError(
                "keypoint_score='rescored' needs keypoints and this result has none; "
                "give the pipeline a pose network or use keypoint_score='box'"
            )
        joint_scores = result.keypoint_scores.astype(np.float64)
        seen = joint_scores > _RESCORE_JOINT_THRESHOLD
        scores *= (joint_scores * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    elif keypoint_score != "box":
        raise ValueError(f"keypoint_score is {keypoint_score!r}, expected 'box' or 'rescored'")
    boxes = result.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    coco = _is_coco(result.class_names)
    people = [
        {
            "image_id": image_id,
            "category_id": _COCO_IDS[class_id] if coco and class_id < 80 else class_id + 1,
            "bbox": box,
            "score": score,
        }
        for class_id, box, score in zip(
            result.class_ids.tolist(), rounded(boxes, 3), rounded(scores, 6), strict=True
        )
    ]
    if result.keypoints is not None:
        for person, joints in zip(people, joint_rows(result, 3, 6), strict=True):
            # COCO writes a joint that is not there as three zeros.
            known = ([0.0, 0.0, 0.0] if None in joint else joint for joint in joints)
            person["keypoints"] = [value for joint in known for value in joint]
    return [p for p in people if p["score"] is not None and None not in p["bbox"]]


def supervision_detections(result: Result) -> supervision.Detections:
    """The people as `supervision.Detections`; see `Result.to_supervision`."""
    try:
        import supervision
    except ImportError as error:
        raise Error(
            f"to_supervision() needs the package supervision, which cannot be imported "
            f"({error}); install it with: pip install supervision"
        ) from error
    data: dict[str, Any] = {}
    if result.class_names is not None:
        data["class_name"] = np.asarray(result.class_names)[result.class_ids]
    if result.keypoints is not None:
        data["keypoints"] = result.keypoints
        data["keypoint_scores"] = result.keypoint_scores
    untracked = len(result) > 0 and bool((result.ids < 0).all())
    return supervision.Detections(
        xyxy=result.boxes,
        confidence=result.scores,
        class_id=result.class_ids,
        tracker_id=None if untracked else result.ids,
        data=data,
    )


def joint_rows(
    result: Result, pixel_decimals: int, score_decimals: int
) -> list[list[list[float | None]]]:
    """Per person and joint: x, y, score."""
    assert result.keypoints is not None
    assert result.keypoint_scores is not None
    points = rounded(result.keypoints, pixel_decimals)
    scores = rounded(result.keypoint_scores, score_decimals)
    return [
        [[x, y, score] for (x, y), score in zip(joints, joint_scores, strict=True)]
        for joints, joint_scores in zip(points, scores, strict=True)
    ]


def rounded(values: npt.NDArray[Any], decimals: int) -> Any:
    """Nested lists of Python floats, with None for what is not finite."""
    # As float64: a rounded float32 prints 0.9 as 0.8999999761581421. Adding 0.0 turns -0.0, which
    # is what rounding leaves of a small negative number, into 0.0.
    numbers = np.round(values.astype(np.float64), decimals) + 0.0
    finite = np.isfinite(numbers)
    if finite.all():
        return numbers.tolist()
    with_none = numbers.astype(object)
    with_none[~finite] = None
    return with_none.tolist()


def _is_coco(class_names: tuple[str, ...] | None) -> bool:
    # The 80 names are spelled in several ways (tv, tvmonitor); the first and the last are not.
    return class_names is None or (
        len(class_names) == len(_COCO_IDS)
        and class_names[0] == "person"
        and class_names[-1] == "toothbrush"
    )
