"""What one frame holds: parallel arrays of people, and the formats they leave in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from edgert.errors import Error

if TYPE_CHECKING:
    import supervision

__all__ = ["Person", "Result"]

# The 80 classes of COCO keep the ids that they had among the 90 first announced
# (Lin et al. 2014; cocodataset.org): these ten were never annotated.
_COCO_UNUSED_IDS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
_COCO_IDS = tuple(i for i in range(1, 91) if i not in _COCO_UNUSED_IDS)

# Joints below this do not count in a rescored person (HRNet, `TEST.IN_VIS_THRE`).
_RESCORE_JOINT_THRESHOLD = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One row of a `Result`; the arrays are views of the result's.

    Attributes:
        id: Track id, -1 when not tracked.
        box: (4,) float32, x1 y1 x2 y2 in frame pixels.
        score: Detection score in [0, 1].
        class_id: Index into the detector's classes.
        keypoints: (K, 2) float32 frame pixels, or None without a pose network.
        keypoint_scores: (K,) float32, or None without a pose network.
    """

    id: int
    box: npt.NDArray[np.float32]
    score: float
    class_id: int
    keypoints: npt.NDArray[np.float32] | None = None
    keypoint_scores: npt.NDArray[np.float32] | None = None


@dataclass(slots=True, eq=False)
class Result:
    """The N people of one frame as parallel arrays.

    Attributes:
        boxes: (N, 4) float32, x1 y1 x2 y2 in frame pixels.
        scores: (N,) float32 in [0, 1].
        class_ids: (N,) int32, indices into the detector's classes.
        ids: (N,) int64 track ids, -1 when not tracked.
        keypoints: (N, K, 2) float32 frame pixels, or None without a pose network.
        keypoint_scores: (N, K) float32, or None without a pose network.
        frame_index: Index of the frame in its source, from 0.
        time_s: Time of the frame in its source, in seconds.
        size: Height and width of the frame in pixels.
        source: The path or address that the frame came from.
        class_names: The detector's class names, or None where the model names none (COCO's).

    Raises:
        ValueError: An array has another dtype or shape than listed here.
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int64]
    keypoints: npt.NDArray[np.float32] | None
    keypoint_scores: npt.NDArray[np.float32] | None
    frame_index: int
    time_s: float
    size: tuple[int, int]
    source: str
    class_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.boxes)
        _check("boxes", self.boxes, np.float32, (n, 4))
        _check("scores", self.scores, np.float32, (n,))
        _check("class_ids", self.class_ids, np.int32, (n,))
        _check("ids", self.ids, np.int64, (n,))
        if self.keypoints is None or self.keypoint_scores is None:
            if self.keypoints is not self.keypoint_scores:
                raise ValueError(
                    "keypoints and keypoint_scores must both be arrays or both be None, "
                    "found one of each"
                )
            return
        k = self.keypoints.shape[1] if self.keypoints.ndim == 3 else 0
        _check("keypoints", self.keypoints, np.float32, (n, k, 2))
        _check("keypoint_scores", self.keypoint_scores, np.float32, (n, k))

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Person]:
        for i in range(len(self)):
            yield Person(
                id=int(self.ids[i]),
                box=self.boxes[i],
                score=float(self.scores[i]),
                class_id=int(self.class_ids[i]),
                keypoints=None if self.keypoints is None else self.keypoints[i],
                keypoint_scores=None if self.keypoint_scores is None else self.keypoint_scores[i],
            )

    def to_dict(self) -> dict[str, Any]:
        """The frame as plain Python values, the content of one JSON line.

        Pixels are rounded to 2 decimals, scores to 4, the time to 6. What is not finite is None.
        `"keypoints"` is absent without a pose network.
        """
        boxes = _rounded(self.boxes, 2)
        scores = _rounded(self.scores, 4)
        people = [
            {"id": track_id, "box": box, "score": score, "class": class_id}
            for track_id, box, score, class_id in zip(
                self.ids.tolist(), boxes, scores, self.class_ids.tolist(), strict=True
            )
        ]
        if self.keypoints is not None:
            for person, joints in zip(people, self._joints(2, 4), strict=True):
                person["keypoints"] = joints
        time_s = _rounded(np.asarray(self.time_s), 6)
        return {
            "frame": int(self.frame_index),
            "time": time_s,
            "source": self.source,
            "people": people,
        }

    def to_json(self) -> str:
        """`to_dict()` as one line of JSON, without a line end."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def to_mot(self) -> npt.NDArray[np.float64]:
        """The tracked people as rows of a MOTChallenge result file.

        Returns:
            (M, 10) float64: frame (from 1), id, left, top, width, height, score, -1, -1, -1. Pixels
            keep their origin at 0, as the reference ByteTrack writes them. People without a track
            (id -1) have no row.
        """
        tracked = self.ids >= 0
        boxes = self.boxes[tracked].astype(np.float64)
        rows = np.full((len(boxes), 10), -1.0)
        rows[:, 0] = self.frame_index + 1
        rows[:, 1] = self.ids[tracked]
        rows[:, 2:4] = boxes[:, :2]
        rows[:, 4:6] = boxes[:, 2:] - boxes[:, :2]
        rows[:, 6] = self.scores[tracked]
        return rows

    def to_coco(
        self, image_id: int, *, keypoint_score: Literal["box", "rescored"] = "box"
    ) -> list[dict[str, Any]]:
        """The people as COCO results, for boxes and keypoints alike.

        Args:
            image_id: COCO's id of the image.
            keypoint_score: `"box"`: `score` is the box's. `"rescored"`: the box's score times the
                mean score of the joints over 0.2, which is how HRNet's evaluation ranks people
                (Sun et al. 2019, `lib/dataset/coco.py`); needs keypoints.

        Returns:
            One dict a person: `image_id`, `category_id`, `bbox` (x, y, width, height), `score` and,
            with a pose network, `keypoints` (x, y, score for each joint in one flat list). The
            category is COCO's id (person is 1) for a detector of COCO's 80 classes or without
            names, and `class_id + 1` for any other.

        Raises:
            ValueError: `"rescored"` without keypoints, or an unknown `keypoint_score`.
        """
        scores = self.scores.astype(np.float64)
        if keypoint_score == "rescored":
            if self.keypoint_scores is None:
                raise ValueError(
                    "keypoint_score='rescored' needs keypoints and this result has none; "
                    "give the pipeline a pose network or use keypoint_score='box'"
                )
            joint_scores = self.keypoint_scores.astype(np.float64)
            seen = joint_scores > _RESCORE_JOINT_THRESHOLD
            scores *= (joint_scores * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        elif keypoint_score != "box":
            raise ValueError(f"keypoint_score is {keypoint_score!r}, expected 'box' or 'rescored'")
        boxes = self.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        coco = _is_coco(self.class_names)
        people = [
            {
                "image_id": image_id,
                "category_id": _COCO_IDS[class_id] if coco else class_id + 1,
                "bbox": box,
                "score": score,
            }
            for class_id, box, score in zip(
                self.class_ids.tolist(), _rounded(boxes, 3), _rounded(scores, 6), strict=True
            )
        ]
        if self.keypoints is not None:
            for person, joints in zip(people, self._joints(3, 6), strict=True):
                person["keypoints"] = [value for joint in joints for value in joint]
        return people

    def to_supervision(self) -> supervision.Detections:
        """The people as `supervision.Detections`.

        Keypoints, which `Detections` has no field for, travel in its `data` as `keypoints` and
        `keypoint_scores`, class names as `class_name`.

        Raises:
            Error: The package supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise Error(
                f"to_supervision() needs the package supervision, which cannot be imported "
                f"({error}); install it with: pip install supervision"
            ) from error
        data: dict[str, Any] = {}
        if self.class_names is not None:
            data["class_name"] = np.asarray(self.class_names)[self.class_ids]
        if self.keypoints is not None:
            data["keypoints"] = self.keypoints
            data["keypoint_scores"] = self.keypoint_scores
        untracked = len(self) > 0 and bool((self.ids < 0).all())
        return supervision.Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.class_ids,
            tracker_id=None if untracked else self.ids,
            data=data,
        )

    def draw(
        self, frame: npt.NDArray[np.uint8], *, keypoint_threshold: float = 0.3
    ) -> npt.NDArray[np.uint8]:
        """The frame with boxes, ids in stable colours, and skeletons.

        Args:
            frame: (H, W, 3) uint8 BGR, the frame of this result; any strides, never changed.
            keypoint_threshold: Joints that score less are left out, and the bones to them.

        Returns:
            (H, W, 3) uint8 BGR, a new array.

        Raises:
            ValueError: The frame has another dtype, shape or size than the result's.
        """
        from edgert.draw import draw_people

        _check("frame", frame, np.uint8, (*self.size, 3))
        image = np.array(frame, order="C")
        draw_people(image, self, keypoint_threshold=keypoint_threshold)
        return image

    def _joints(self, pixel_decimals: int, score_decimals: int) -> list[list[list[float | None]]]:
        """Per person and joint: x, y, score."""
        assert self.keypoints is not None
        assert self.keypoint_scores is not None
        points = _rounded(self.keypoints, pixel_decimals)
        scores = _rounded(self.keypoint_scores, score_decimals)
        return [
            [[x, y, score] for (x, y), score in zip(joints, joint_scores, strict=True)]
            for joints, joint_scores in zip(points, scores, strict=True)
        ]


def _check(
    name: str, array: npt.NDArray[Any], dtype: npt.DTypeLike, shape: tuple[int, ...]
) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"{name} is {array.dtype} of shape {array.shape}, "
            f"expected {np.dtype(dtype)} of shape {shape}"
        )


def _rounded(values: npt.NDArray[Any], decimals: int) -> Any:
    """Nested lists of Python floats, with None for what is not finite."""
    # As float64: a rounded float32 prints 0.9 as 0.8999999761581421. Adding 0.0 turns -0.0, which
    # is what rounding leaves of a small negative number, into 0.0.
    rounded = np.round(values.astype(np.float64), decimals) + 0.0
    finite = np.isfinite(rounded)
    if finite.all():
        return rounded.tolist()
    values = rounded.astype(object)
    values[~finite] = None
    return values.tolist()


def _is_coco(class_names: tuple[str, ...] | None) -> bool:
    # The 80 names are spelled in several ways (tv, tvmonitor); the first and the last are not.
    return class_names is None or (
        len(class_names) == len(_COCO_IDS)
        and class_names[0] == "person"
        and class_names[-1] == "toothbrush"
    )
