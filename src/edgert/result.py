"""What one frame holds: parallel arrays of people, and the formats they leave in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from edgert.export import coco_results, joint_rows, rounded, supervision_detections

if TYPE_CHECKING:
    import supervision

__all__ = ["Person", "Result"]


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
        boxes = rounded(self.boxes, 2)
        scores = rounded(self.scores, 4)
        people = [
            {"id": track_id, "box": box, "score": score, "class": class_id}
            for track_id, box, score, class_id in zip(
                self.ids.tolist(), boxes, scores, self.class_ids.tolist(), strict=True
            )
        ]
        if self.keypoints is not None:
            for person, joints in zip(people, joint_rows(self, 2, 4), strict=True):
                person["keypoints"] = joints
        (time_s,) = rounded(np.array([self.time_s]), 6)
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
            (id -1), and boxes that are not finite, have no row.
        """
        tracked = (self.ids >= 0) & np.isfinite(self.boxes).all(axis=1)
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
            names, and `class_id + 1` for any other. A joint that is not finite is 0, 0, 0; a person
            whose box or score is not finite is left out.

        Raises:
            ValueError: `"rescored"` without keypoints, or an unknown `keypoint_score`.
        """
        return coco_results(self, image_id, keypoint_score)

    def to_supervision(self) -> supervision.Detections:
        """The people as `supervision.Detections`.

        Keypoints, which `Detections` has no field for, travel in its `data` as `keypoints` and
        `keypoint_scores`, class names as `class_name`.

        Raises:
            Error: The package supervision is not installed.
        """
        return supervision_detections(self)

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


def _check(
    name: str, array: npt.NDArray[Any], dtype: npt.DTypeLike, shape: tuple[int, ...]
) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"{name} is {array.dtype} of shape {array.shape}, "
            f"expected {np.dtype(dtype)} of shape {shape}"
        )
