"""The whole pipeline in pure Python: what `edgert.Pipeline` is compared with."""

from __future__ import annotations

import os
from ast import literal_eval
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from edgert.baseline.detect import decode_yolo
from edgert.baseline.pose import decode_heatmaps
from edgert.baseline.preprocess import MEAN, STD, crop_people, letterbox, stretch_people
from edgert.baseline.track import Tracker

__all__ = ["BaselinePipeline", "BaselineResult"]

_PERSON = 0


class BaselineResult(NamedTuple):
    """The N people of a frame, as arrays like those of `edgert.Result`.

    `ids` are None without a tracker, keypoints without a pose network.
    """

    boxes: npt.NDArray[Any]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int64] | None
    keypoints: npt.NDArray[np.float32] | None
    keypoint_scores: npt.NDArray[np.float32] | None


class BaselinePipeline:
    """People of a frame, tracked if wanted, and, with a pose network, their keypoints.

    Args:
        detector: Path of a YOLOv8, .onnx.
        pose: Path of a pose network with heatmaps, .onnx; None: boxes only.
        tracker: Whose tracks to put out; None: every detection.
        reid: Path of an appearance network for the tracker, .onnx; None: it goes by boxes alone.
        score_threshold: None: 0.1 with a tracker, 0.25 without, as `edgert.Pipeline` has it.
        threads: Threads within an operator; 0: all cores.
        spinning: Whether onnxruntime's threads wait for work by spinning, its default.
    """

    def __init__(
        self,
        detector: str | os.PathLike[str],
        pose: str | os.PathLike[str] | None = None,
        tracker: Tracker | None = None,
        *,
        reid: str | os.PathLike[str] | None = None,
        score_threshold: float | None = None,
        threads: int = 0,
        spinning: bool = True,
    ) -> None:
        self.detector = _session(detector, threads, spinning)
        self.pose = None if pose is None else _session(pose, threads, spinning)
        self.dark_kernel = None if self.pose is None else _dark_kernel(self.pose)
        self.reid = None if reid is None else _session(reid, threads, spinning)
        self.reid_scale = (MEAN, STD) if self.reid is None else _scale(self.reid)
        self.tracker = tracker
        if score_threshold is None:
            score_threshold = 0.25 if tracker is None else 0.1
        self.score_threshold = score_threshold

    def __call__(self, frame: npt.NDArray[np.uint8]) -> BaselineResult:
        """The people of (h, w, 3) uint8 BGR; with a tracker, the next frame of a sequence."""
        tensor, to_frame = letterbox(frame, self.detector.get_inputs()[0].shape[2:])
        output = _run(self.detector, tensor)
        boxes, scores, class_ids = decode_yolo(
            output, to_frame, self.score_threshold, classes=[_PERSON]
        )
        ids = None
        if self.tracker is not None:
            sure = scores > self.tracker.high
            rows = self.tracker.update(boxes, scores, self._looks(frame, boxes, sure))
            taken = np.array([row[-1] for row in rows], np.int64)
            ids = np.array([row[0] for row in rows], np.int64)
            boxes, scores, class_ids = boxes[taken], scores[taken], class_ids[taken]
        if self.pose is None or len(boxes) == 0:
            return BaselineResult(boxes, scores, class_ids, ids, None, None)
        tensor, to_frame = crop_people(frame, boxes, self.pose.get_inputs()[0].shape[2:])
        keypoints, keypoint_scores = decode_heatmaps(
            _run(self.pose, tensor), to_frame, dark_kernel=self.dark_kernel
        )
        return BaselineResult(boxes, scores, class_ids, ids, keypoints, keypoint_scores)

    def _looks(
        self, frame: npt.NDArray[np.uint8], boxes: npt.NDArray[Any], sure: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float64] | None:
        """Vectors of length 1, of the others zeros; None where there is no network or nobody."""
        if self.reid is None or not sure.any():
            return None
        size = self.reid.get_inputs()[0].shape[2:]
        features = _run(self.reid, stretch_people(frame, boxes[sure], size, *self.reid_scale))
        features = features.reshape(len(features), -1)
        looks = np.zeros((len(boxes), features.shape[1]))
        looks[sure] = features / np.linalg.norm(features, axis=1, keepdims=True)
        return looks


def _session(path: str | os.PathLike[str], threads: int, spinning: bool) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    return onnxruntime.InferenceSession(
        os.fspath(path), options, providers=["CPUExecutionProvider"]
    )


def _dark_kernel(session: Any) -> int | None:
    """What a pose network's notes say of how its heatmaps are to be read; see docs/models.md."""
    notes = session.get_modelmeta().custom_metadata_map
    if notes.get("edgert.refine") != "dark":
        return None
    return int(notes.get("edgert.blur_kernel", "[11]").strip("[]"))


def _scale(session: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Mean and deviation of an appearance network's input, ImageNet's where it has no notes."""
    notes = session.get_modelmeta().custom_metadata_map
    mean, deviation = (
        np.array(literal_eval(notes[key]), np.float32) if key in notes else default
        for key, default in (("edgert.mean", MEAN), ("edgert.std", STD))
    )
    return mean, deviation


def _run(session: Any, tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    output: npt.NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: tensor})[0]
    return output
