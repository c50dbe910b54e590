"""The whole pipeline in pure Python: what `edgert.Pipeline` without a tracker is compared with."""

from typing import NamedTuple

import numpy as np
import onnxruntime

from .detect import decode_yolo
from .pose import decode_heatmaps
from .preprocess import crop_people, letterbox

PERSON = 0


class Result(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    keypoints: np.ndarray | None
    keypoint_scores: np.ndarray | None


def _session(path, threads, spinning):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class BaselinePipeline:
    """People of a frame and, with a pose network, their keypoints.

    `threads` 0 is all cores; `spinning` is onnxruntime's default way to wait for work.
    """

    def __init__(self, detector, pose=None, *, score_threshold=0.25, threads=0, spinning=True):
        self.detector = _session(detector, threads, spinning)
        self.pose = None if pose is None else _session(pose, threads, spinning)
        self.score_threshold = score_threshold

    @staticmethod
    def _run(session, tensor):
        return session.run(None, {session.get_inputs()[0].name: tensor})[0]

    def __call__(self, frame):
        tensor, to_frame = letterbox(frame, self.detector.get_inputs()[0].shape[2:])
        output = self._run(self.detector, tensor)
        found = decode_yolo(output, to_frame, self.score_threshold, classes=[PERSON])
        if self.pose is None or len(found[0]) == 0:
            return Result(*found, None, None)
        tensor, to_frame = crop_people(frame, found[0], self.pose.get_inputs()[0].shape[2:])
        return Result(*found, *decode_heatmaps(self._run(self.pose, tensor), to_frame))
