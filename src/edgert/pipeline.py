"""Detector, tracker and pose network as one: frames in, results out."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, overload

from edgert import _core
from edgert.devices import describe, on_device
from edgert.io.arrays import DEFAULT_FPS, as_frame
from edgert.io.frame import Frame, Image
from edgert.legs import detector_leg, pose_leg, reid_leg
from edgert.models import DetectorModel, PoseModel, ReidModel
from edgert.networks import Model, check_precision, load_model, one_device, share_memory
from edgert.result import Result
from edgert.run import Run
from edgert.stats import Stats

__all__ = ["Pipeline"]

# At exit, while threads can still run Python: the interpreter's end does not wait for theirs.
_open_pipelines: weakref.WeakSet[Pipeline] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for pipeline in list(_open_pipelines):
        pipeline.close()


_PRECISIONS = ("auto", "fp32", "fp16", "int8")


class Pipeline:
    """Finds the people in frames, follows them, and gives each a skeleton.

    A frame passes two legs: detection (letterbox, detector, boxes, tracker) and pose (crops, pose
    network, keypoints). While one frame is in the pose leg, the next is in the detection leg, and
    the one after that is being decoded.

    Args:
        detector: A model with the YOLOv8 head `(B, 4 + C, A)`, a one-stage YOLOv8-pose model, or
            one that chooses its boxes itself, `(B, N, 6)`: path of an .onnx file or of an engine of
            TensorRT's, what `build` returned, or an `Engine`.
        pose: A top-down pose network with heatmaps `(N, K, h, w)`, likewise. None: boxes and ids
            only.
        tracker: "bytetrack", a `ByteTrack` of your own parameters, or None.
        reid: An appearance network (a person's crop to a feature vector), likewise. It tells people
            apart who cross: see `ByteTrack`'s `appearance_thresh`.
        runtime: "onnxruntime", "tensorrt", "tensorrt-rtx", or "auto": see `Engine`.
        device: "cpu", "cuda:0", or "auto": a GPU where there is one that can be used. All networks
            work on one device.
        precision: "auto" runs a model as it is. "fp32", "fp16" and "int8" are what TensorRT builds
            an .onnx file with, and insist on what other files have; "fp32" without TF32.
        classes: Names (from the model's metadata, else COCO's) or indices of the classes wanted;
            None: all.
        score_threshold: Detections below it are not looked at. None: 0.1 with a tracker, since
            ByteTrack makes use of weak detections, 0.25 without.
        nms_threshold: Of two boxes of a class with a larger IoU the weaker is dropped; not of those
            that a detector has chosen itself.
        max_detections: At most this many in a frame, the best.
        untracked: Also put out detections over the tracker's high threshold that no track took,
            with id -1.
        lanes: Frames in flight in `run`. On a GPU each has a stream and networks of its own.
        graphs: On a GPU, record the work on a frame once and replay it. False enqueues it step by
            step, for comparison.
        fallback: Where an engine cannot be loaded or its first run fails, take the FP16 one that
            `build(fallback=...)` put beside it, with a warning.

    Raises:
        ModelError: A model cannot be loaded or is of the wrong kind.
        ValueError: A parameter is out of its range.
        UnavailableError: The runtime or device asked for is not here; `backends()` says why.
    """

    def __init__(
        self,
        detector: Model,
        pose: Model | None = None,
        tracker: Literal["bytetrack"] | _core.ByteTrack | None = "bytetrack",
        reid: Model | None = None,
        *,
        runtime: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        classes: Sequence[str | int] | None = ("person",),
        score_threshold: float | None = None,
        nms_threshold: float = 0.7,
        max_detections: int = 300,
        untracked: bool = False,
        lanes: int = 2,
        graphs: bool = True,
        fallback: bool = False,
    ) -> None:
        if not 1 <= lanes <= 64:
            raise ValueError(f"lanes is {lanes}, expected 1 to 64")
        if precision not in _PRECISIONS:
            raise ValueError(
                f"precision is {precision!r}, expected one of {', '.join(_PRECISIONS)}"
            )
        native_tracker = _make_tracker(tracker)
        if score_threshold is None:
            score_threshold = 0.25 if native_tracker is None else 0.1
        wanted = {
            "runtime": runtime,
            "device": device,
            "precision": precision,
            "fallback": fallback,
        }
        self._detector = DetectorModel(load_model(detector, wanted))
        self._pose = None if pose is None else PoseModel(load_model(pose, wanted))
        self._reid = None if reid is None else ReidModel(load_model(reid, wanted))
        if self._reid is not None and native_tracker is None:
            raise ValueError("reid is given, but there is no tracker to make use of it")
        engines = [m.engine for m in (self._detector, self._pose, self._reid) if m is not None]
        for engine in engines:
            check_precision(engine, precision)
        self._gpu = one_device(engines)
        self._lane_bytes = share_memory(engines)
        self._core = _core.Pipeline(
            detector_leg(self._detector, classes, score_threshold, nms_threshold, max_detections),
            None if self._reid is None else reid_leg(self._reid),
            native_tracker,
            None if self._pose is None else pose_leg(self._pose),
            untracked,
            lanes,
            self._gpu,
            graphs,
        )
        self._tracker = native_tracker
        self._lanes = lanes
        self._stats = Stats(
            self._core,
            self._detector.engine.path,
            None if self._pose is None else self._pose.engine.path,
        )
        self._busy = threading.Lock()
        self._next_index = 0
        self._current: Run | None = None
        _open_pipelines.add(self)

    def __call__(self, frame: Any, *, time_s: float | None = None) -> Result:
        """Process one image; with a tracker, the next one of a sequence.

        Args:
            frame: (H, W, 3) uint8 BGR of any strides, grey or BGRA; DLPack tensors and buffers too.
                Not copied. On the GPU that the pipeline works on it is used where it is, once the
                stream that writes it is that far.
            time_s: The frame's time in seconds. None: 30 frames a second are assumed.

        Raises:
            ValueError: Wrong dtype or shape.
            RuntimeError: The pipeline is closed, or `run` is under way.
        """
        image = self._take(as_frame(frame, "frame"))
        with self._exclusive():
            index = self._next_index
            self._next_index += 1
            when = index / DEFAULT_FPS if time_s is None else time_s
            tag = Frame(image, index, when, "array")
            self._core.submit(image, tag, 0, when)
            return self._collect()[1]

    @overload
    def run(self, source: Any, *, fps: float | None = None) -> Generator[Result, None, None]: ...

    @overload
    def run(
        self, source: Any, *, fps: float | None = None, frames: Literal[True]
    ) -> Generator[tuple[Image, Result], None, None]: ...

    def run(
        self, source: Any, *, fps: float | None = None, frames: bool = False
    ) -> Generator[Any, None, None]:
        """Process all frames of a source, in order. Tracks start anew.

        Args:
            source: Path of a video or image, a folder or glob of images, a camera (0,
                "v4l2:///dev/video0", "csi://0"), "rtsp://...", an iterable of arrays, or a list of
                these. Arrays must stay unchanged until their result is out.
            fps: Frames per second of sources that do not say.
            frames: Yield (image, result), to draw on the image.

        Yields:
            A `Result` a frame. Of a list of sources, `Result.source` tells which.

        Raises:
            SourceError: The source cannot be opened or read.
            ValueError: A frame has the wrong dtype or shape.
            RuntimeError: The pipeline is closed or running already.
        """
        from edgert.io import open_source

        return self._run(open_source(source, fps=fps), frames)

    def stats(self) -> dict[str, Any]:
        """What the pipeline has done since it was made or `reset`; any thread may ask.

        Returns:
            `stages`: for each of upload, preprocess, detect, boxes, reid, track, crop, pose,
            keypoints, host and total that ran, a dict of count, mean, p50, p95 and p99 in ms (what
            a GPU does between its events, in one frame of 16); `fps`: frames a second while frames
            were in flight; `frames`;
            `dropped_frames`, of live sources; `skipped_frames`, unreadable; `dropped_rows` and
            `dropped_heatmaps`, of the models' outputs, not finite; `temperature` in degrees
            Celsius and `throttled`, None where the machine does not say.
        """
        return self._stats.to_dict()

    def reset(self) -> None:
        """Forget all tracks, count frames and times from 0.

        Raises:
            RuntimeError: The pipeline is closed, or `run` is under way.
        """
        with self._exclusive():
            self._core.reset()
            self._core.clear_times()
            self._next_index = 0
            self._stats.reset()

    def close(self) -> None:
        """Give back threads and memory; the pipeline is of no use afterwards. Twice is fine.

        A `run` that is under way ends.
        """
        if self._current is not None:
            self._current.close()
        self._stats.close()
        self._core.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The detector's classes."""
        return self._detector.names

    def __repr__(self) -> str:
        def describe(model: DetectorModel | PoseModel | ReidModel) -> str:
            network, (height, width) = model.engine.network, model.size
            dtype = model.engine.inputs[0].dtype
            name = Path(network.path).name
            return f"{name} {width}x{height} {dtype}, {network.runtime} on {network.device}"

        lines = [f"detector: {describe(self._detector)}"]
        if self._pose is not None:
            lines.append(f"pose:     {describe(self._pose)}, {self._pose.joints} joints")
        if self._reid is not None:
            lines.append(f"reid:     {describe(self._reid)}, {self._reid.width} values")
        lines.append(f"tracker:  {self._tracker!r}")
        lines.append(f"host:     {_core.num_threads()} threads, {self._lanes} lanes")
        lines.append(f"device:   {self._describe_device()}")
        return "<edgert.Pipeline\n  " + "\n  ".join(lines) + ">"

    def _describe_device(self) -> str:
        why = self._detector.engine.why
        chosen = f" (auto: {why})" if why else ""
        if self._gpu is None:
            return f"CPU{chosen}"
        why = self._core.why_not_recorded()
        how = f"enqueued step by step, since {why}" if why else "replayed as graphs"
        shared = self._lane_bytes
        memory = "" if shared is None else f"; {shared / 1e6:.1f} MB a lane between the layers"
        return f"{describe(self._gpu)}{chosen}; a frame's work is {how}{memory}"

    def _take(self, image: Any) -> Any:
        return on_device(image, self._gpu)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise RuntimeError(
                "the pipeline is at work in run(); finish or close that iteration first, "
                "or make a second Pipeline"
            )
        try:
            with self._stats.busy():
                yield
        finally:
            self._busy.release()

    def _run(self, source: Any, frames: bool) -> Generator[Any, None, None]:
        with source, self._exclusive(), self._stats.reading(source):
            self._core.reset()
            run = self._current = Run(self._core, source, self._take, self._collect)
            try:
                for frame, result in run:
                    yield (frame.image, result) if frames else result
            finally:
                run.close()
                self._current = None

    def _collect(self) -> tuple[Frame, Result]:
        collected = self._core.collect()
        if collected is None:
            raise RuntimeError("the pipeline was stopped")
        frame, boxes, scores, class_ids, ids, keypoints, keypoint_scores, rows, heatmaps = collected
        self._stats.add(frame, rows, heatmaps)
        return frame, Result(
            boxes,
            scores,
            class_ids,
            ids,
            keypoints,
            keypoint_scores,
            frame.index,
            frame.time_s,
            frame.image.shape[:2],
            frame.source,
            self._detector.names,
        )


def _make_tracker(tracker: str | _core.ByteTrack | None) -> _core.ByteTrack | None:
    if tracker is None or isinstance(tracker, _core.ByteTrack):
        return tracker
    if tracker != "bytetrack":
        raise ValueError(f"tracker is {tracker!r}, expected 'bytetrack', a ByteTrack or None")
    return _core.ByteTrack()
