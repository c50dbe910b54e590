"""What a quantized model is worth: COCO's figures and the distance of its outputs from FP32's.

SQNR of an output is 10 log10(sum y^2 / sum (y - y')^2) in dB, both sums over all values of all test
images; y is FP32's output, y' the quantized model's.

A Q/DQ file is run as it is written: `session.disable_quant_qdq` keeps ONNX Runtime from fusing the
pairs into integer kernels and from rewriting int8 activations as uint8, while every float
optimization stays on. `bench_quant_speed.py` says how far the integer kernels are from that.
"""

import json
import tempfile
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import onnx
import onnxruntime as ort

from edgert import ops
from edgert.evaluation.dataset import Dataset
from edgert.evaluation.rows import box_report, box_rows, keypoint_rows, person_category
from quant_splits import subset

# HRNet's limit for a keypoint that counts.
VISIBLE = 0.2
EVERY_BOX = {"score_threshold": 0.001, "nms_threshold": 0.7, "max_detections": 300}


def simulation(path, *, threads=None, exact=True, optimize=True):
    """A session that computes what a Q/DQ file says; with `exact` off, as ONNX Runtime would.

    With `optimize` off the same numbers are summed in another order, by other float kernels.
    """
    options = ort.SessionOptions()
    # On a busy machine threads that spin for each other take ten times as long.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    if exact:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def float_convolutions(path):
    """Convolutions of a file whose input is not dequantized, and all of them."""
    nodes = onnx.load(path).graph.node
    made_by = {output: node.op_type for node in nodes for output in node.output}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    kept = [node for node in convolutions if made_by.get(node.input[0]) != "DequantizeLinear"]
    return len(kept), len(convolutions)


class Noise:
    """Signal and noise of named parts of an output, summed over images."""

    def __init__(self):
        self._signal, self._noise = defaultdict(float), defaultdict(float)

    def add(self, name, reference, value):
        reference = reference.astype(np.float64)
        self._signal[name] += float(np.square(reference).sum())
        self._noise[name] += float(np.square(reference - value).sum())

    def decibels(self):
        """SQNR of each part; infinite where nothing differs."""
        with np.errstate(divide="ignore"):
            return {
                name: float(10 * np.log10(self._signal[name] / np.float64(self._noise[name])))
                for name in self._signal
            }


class Task:
    """A network and the annotated images that judge it.

    Args:
        model: The FP32 file.
        data: Folder with images/, instances_train2017.json and person_keypoints_train2017.json.

    Subclasses say which file of `annotations` judges, by which of COCO's tasks, which `parts` of
    the output have an SQNR of their own, how a frame is fed and how outputs are scored.
    """

    annotations: ClassVar[str]
    judged_by: ClassVar[str]
    parts: ClassVar[dict[str, slice]]

    def __init__(self, model, data):
        self.model, self.images = Path(model), Path(data) / "images"
        self.annotated = Path(data) / self.annotations
        self._reference = {}

    @property
    def people(self):
        """Where people come from, as `edgert.quant.CalibrationData` takes it."""
        return {}

    def paths(self, ids):
        """Files of these images."""
        rows = json.loads(self.annotated.read_text(encoding="utf-8"))["images"]
        return [self.images / row["file_name"] for row in rows if row["id"] in set(ids)]

    def calibration(self, ids):
        """(N, 3, H, W) float32: what the network is fed for these images."""
        with tempfile.TemporaryDirectory() as folder:
            dataset = Dataset(subset(self.annotated, ids, folder), self.images)
            feeds = [self.feed(dataset, image, frame) for image, frame in dataset.frames()]
        return np.concatenate([feed for feed in feeds if feed is not None])

    def figures(self, path, ids, **options):
        """COCO's figures, SQNR and the number of convolutions in float of a file.

        Args:
            path: An .onnx file with this network's inputs and outputs.
            ids: Test images.
            options: See `simulation`.

        Returns:
            The figures, and the results that they are of, as rows of COCO's format.
        """
        session, noise = simulation(path, **options), Noise()

        def infer(feed):
            (value,) = session.run(None, {session.get_inputs()[0].name: feed})
            for name, part in self.parts.items():
                noise.add(name, self._expected(feed)[:, part], value[:, part])
            return value

        with tempfile.TemporaryDirectory() as folder:
            dataset = Dataset(subset(self.annotated, ids, folder), self.images)
            scores, rows = self.scores(infer, dataset)
        kept, total = float_convolutions(path)
        figures = {
            **scores,
            **{f"SQNR {name}": db for name, db in noise.decibels().items()},
            "float convolutions": kept,
            "convolutions": total,
        }
        return figures, rows

    def _expected(self, feed):
        key = hash(feed.tobytes())
        if key not in self._reference:
            session = self._reference.setdefault(None, simulation(self.model))
            (self._reference[key],) = session.run(None, {session.get_inputs()[0].name: feed})
        return self._reference[key]


class Detector(Task):
    """YOLOv8: every class, every box above 0.001, as COCO's protocol has it."""

    annotations = "instances_train2017.json"
    judged_by = "bbox"
    parts: ClassVar = {"output": slice(None), "boxes": slice(0, 4), "class scores": slice(4, None)}

    def feed(self, dataset, image, frame):
        return ops.letterbox(frame)[0]

    def scores(self, infer, dataset):
        categories, rows = list(dataset.categories.values()), []
        for image, frame in dataset.frames():
            feed, to_frame = ops.letterbox(frame)
            boxes, scores, class_ids = ops.decode_yolo(infer(feed), to_frame, **EVERY_BOX)
            found = SimpleNamespace(boxes=boxes, scores=scores, class_ids=class_ids)
            rows += box_rows(image, found, categories)
        report = box_report(dataset, rows, categories)
        found = {"AP": report.boxes.ap, "AP50": report.boxes.ap50, "person AP": report.person.ap}
        return found, rows


class Pose(Task):
    """A heatmap network on annotated people, so that no detector is in the figure."""

    annotations = "person_keypoints_train2017.json"
    judged_by = "keypoints"
    parts: ClassVar = {"heatmaps": slice(None)}
    size = (384, 288)

    @property
    def people(self):
        return {"annotations": self.annotated}

    def feed(self, dataset, image, frame):
        boxes = dataset.people(image)
        return ops.crop_people(frame, boxes, self.size)[0] if len(boxes) else None

    def scores(self, infer, dataset):
        person, rows, moved = person_category(dataset), [], []
        for image, frame in dataset.frames():
            boxes = dataset.people(image)
            if not len(boxes):
                continue
            feed, to_frame = ops.crop_people(frame, boxes, self.size)
            heatmaps = infer(feed)
            in_crop = np.tile(np.eye(2, 3), (len(feed), 1, 1))
            expected, sure = ops.decode_heatmaps(self._expected(feed), in_crop)
            found, _ = ops.decode_heatmaps(heatmaps, in_crop)
            moved.extend(np.linalg.norm(found - expected, axis=-1)[sure > VISIBLE])
            certain = np.ones(len(boxes), dtype=np.float32)
            rows += keypoint_rows(image, person, certain, *ops.decode_heatmaps(heatmaps, to_frame))
        scores = dataset.score("keypoints", rows, [person])
        found = {
            "OKS-AP": scores.ap,
            "OKS-AP50": scores.ap50,
            # Keypoints against FP32's, mean distance: no step in it, as in AP of 40 people.
            "moved, px": float(np.mean(moved)),
        }
        return found, rows


TASKS = {"yolov8n": Detector, "pose_heatmap_384x288": Pose}
