"""The whole path of one frame, networks through onnxruntime. There is no tracker in it."""

import ast
from typing import NamedTuple

import numpy as np
import onnxruntime

from .detect import decode_yolo
from .pose import decode_heatmaps
from .preprocess import crop_people, letterbox


class ReferenceResult(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    keypoints: np.ndarray | None
    keypoint_scores: np.ndarray | None


class Network:
    """An ONNX model with one image input and, of its outputs, the first."""

    def __init__(self, path, threads=None):
        options = onnxruntime.SessionOptions()
        # Threads that spin while they wait would slow whatever runs beside this in a test.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None:
            options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0]
        self.size = tuple(self.input.shape[2:])
        names = self.session.get_modelmeta().custom_metadata_map.get("names")
        self.names = list(ast.literal_eval(names).values()) if names else None

    def __call__(self, tensor):
        return self.session.run(None, {self.input.name: tensor})[0]


class ReferencePipeline:
    """What `edgert.Pipeline(detector, pose=pose, tracker=None)` must agree with.

    The stages are attributes, so that a variant (8-bit resampling, say) replaces one of them and
    leaves the rest alone.
    """

    def __init__(
        self,
        detector,
        pose=None,
        *,
        score_threshold=0.25,
        nms_threshold=0.7,
        max_detections=300,
        classes=None,
        refine="quarter",
        cells="corner",
        threads=None,
    ):
        self.detector = Network(detector, threads)
        self.pose = None if pose is None else Network(pose, threads)
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.max_detections = max_detections
        self.classes = classes
        self.refine = refine
        self.cells = cells
        self.letterbox = letterbox
        self.crop_people = crop_people
        self.decode_yolo = decode_yolo
        self.decode_heatmaps = decode_heatmaps

    def class_indices(self):
        if self.classes is None:
            return None
        return [self.detector.names.index(c) if isinstance(c, str) else c for c in self.classes]

    def detect(self, frame):
        tensor, to_frame = self.letterbox(frame, self.detector.size)
        return self.decode_yolo(
            self.detector(tensor),
            to_frame,
            self.score_threshold,
            self.nms_threshold,
            self.class_indices(),
            self.max_detections,
        )

    def heatmaps(self, frame, boxes):
        """Heatmaps and transforms, one network call a person so that no result sees another."""
        tensor, to_frame = self.crop_people(frame, boxes, self.pose.size)
        return np.concatenate([self.pose(one[None]) for one in tensor]), to_frame

    def estimate(self, frame, boxes):
        if len(boxes) == 0:
            return np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32)
        heatmaps, to_frame = self.heatmaps(frame, boxes)
        stride = self.pose.size[0] // heatmaps.shape[2]
        return self.decode_heatmaps(heatmaps, to_frame, self.refine, self.cells, stride)

    def __call__(self, frame):
        boxes, scores, class_ids = self.detect(frame)
        if self.pose is None:
            return ReferenceResult(boxes, scores, class_ids, None, None)
        return ReferenceResult(boxes, scores, class_ids, *self.estimate(frame, boxes))
