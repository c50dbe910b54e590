"""Installed trackers behind one call: `step = make(); output = step(frame)`.

Each gets the frame in the form it likes best, prepared outside the clock. Options are as close to
the defaults of ByteTrack as each allows.
"""

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np


@dataclass
class Peer:
    """One tracker.

    `prepare(boxes, scores)` makes a frame, `make()` a fresh tracker's step over such frames, and
    `count(output)` says how many people a step tracked. Only the step is timed.
    """

    name: str
    package: str
    prepare: Callable[[np.ndarray, np.ndarray], Any]
    make: Callable[[], Callable[[Any], Any]]
    count: Callable[[Any], int] = len
    native: bool = True

    @property
    def title(self) -> str:
        if self.name == "edgert":
            return self.name
        return f"{self.name} {importlib.metadata.version(self.package)}"


def edgert() -> Peer:
    from edgert._core import ByteTrack

    def make():
        tracker = ByteTrack()

        def step(frame):
            tracks = tracker.update(*frame)
            return tracks.ids, tracks.boxes, tracks.detection_indices

        return step

    return Peer("edgert", "edgert", lambda *frame: frame, make, count=lambda output: len(output[0]))


def supervision() -> Peer:
    import supervision as sv

    def make():
        tracker = sv.ByteTrack(track_activation_threshold=0.5)
        return tracker.update_with_detections

    def prepare(boxes, scores):
        return sv.Detections(xyxy=boxes, confidence=scores, class_id=np.zeros(len(scores), int))

    return Peer("supervision", "supervision", prepare, make, native=False)


def trackers() -> Peer:
    import supervision as sv
    from trackers import ByteTrackTracker

    def make():
        tracker = ByteTrackTracker(
            track_activation_threshold=0.6,
            high_conf_det_threshold=0.5,
            minimum_iou_threshold=0.2,
        )
        return tracker.update

    def prepare(boxes, scores):
        return sv.Detections(xyxy=boxes, confidence=scores, class_id=np.zeros(len(scores), int))

    def count(output):
        return int((output.tracker_id >= 0).sum())

    return Peer("trackers", "trackers", prepare, make, count, native=False)


def ioutrack() -> Peer:
    from ioutrack import ByteTrack

    def make():
        tracker = ByteTrack(
            max_age=30,
            min_hits=1,
            iou_threshold=0.2,
            init_tracker_min_score=0.6,
            high_score_threshold=0.5,
            low_score_threshold=0.1,
        )
        return tracker.update

    def prepare(boxes, scores):
        return np.column_stack([boxes, scores]).astype(np.float32)

    return Peer("ioutrack-rs", "ioutrack-rs", prepare, make)


def visiontrack(lapjv: bool) -> Peer:
    from visiontrack_cpp import ByteTracker, TrackerConfig

    def make():
        options = {"use_lapjv": True, "use_mahalanobis_gating": False} if lapjv else {}
        config = TrackerConfig(match_iou_thresh=0.2, n_init=1, class_aware=False, **options)
        tracker = ByteTracker(config)
        return lambda frame: tracker.update(*frame)

    name = "visiontrack-cpp, lapjv, no gating" if lapjv else "visiontrack-cpp, default"
    return Peer(
        name, "visiontrack-cpp", lambda *frame: frame, make, count=lambda output: len(output[0])
    )


def edgefirst() -> Peer:
    from edgefirst.tracker import ByteTrack

    def make():
        tracker = ByteTrack(high_conf=0.5, iou=0.2, lifespan_ns=1_000_000_000)
        clock = 0

        def step(frame):
            nonlocal clock
            clock += 33_333_333
            return tracker.update(*frame, clock)

        return step

    def prepare(boxes, scores):
        return boxes.astype(np.float32), scores.astype(np.float32), np.zeros(len(scores), np.uintp)

    def count(output):
        return sum(track is not None for track in output)

    return Peer("edgefirst-tracker", "edgefirst-tracker", prepare, make, count)


class UltralyticsBoxes:
    """What `BYTETracker.update` reads of a result, and no more."""

    def __init__(self, xyxy, conf):
        self.xyxy, self.conf = xyxy, conf
        self.cls = np.zeros(len(conf), np.float32)
        self.xywh = np.concatenate([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]], 1)

    def __len__(self):
        return len(self.conf)

    def __getitem__(self, rows):
        return UltralyticsBoxes(self.xyxy[rows], self.conf[rows])


def ultralytics() -> Peer:
    from ultralytics.trackers.byte_tracker import BYTETracker

    def make():
        options = SimpleNamespace(
            track_high_thresh=0.5,
            track_low_thresh=0.1,
            new_track_thresh=0.6,
            match_thresh=0.8,
            track_buffer=30,
            fuse_score=True,
        )
        return BYTETracker(options).update

    return Peer("ultralytics", "ultralytics", UltralyticsBoxes, make, native=False)


def boxmot() -> Peer:
    from boxmot import ByteTrack

    frame = np.zeros((1080, 1920, 3), np.uint8)

    def make():
        tracker = ByteTrack(min_conf=0.1, track_thresh=0.5, match_thresh=0.8, track_buffer=30)
        return lambda detections: tracker.update(detections, frame)

    def prepare(boxes, scores):
        return np.column_stack([boxes, scores, np.zeros(len(scores))]).astype(np.float32)

    return Peer("boxmot", "boxmot", prepare, make, native=False)


def installed() -> tuple[list[Peer], list[str]]:
    """The peers that import, edgert first, and why the others do not."""
    makers = {
        "edgert": edgert,
        "visiontrack-cpp, lapjv": lambda: visiontrack(lapjv=True),
        "visiontrack-cpp": lambda: visiontrack(lapjv=False),
        "edgefirst-tracker": edgefirst,
        "ioutrack-rs": ioutrack,
        "trackers": trackers,
        "supervision": supervision,
        "ultralytics": ultralytics,
        "boxmot": boxmot,
    }
    peers, missing = [], []
    for name, maker in makers.items():
        try:
            peers.append(maker())
        except ImportError as error:
            missing.append(f"{name}: {error}")
    return peers, missing
