"""The whole pipeline on the device, with small models, against the same on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgert.doctor.selftest.models import JOINTS, write_detector, write_network
from edgert.doctor.selftest.networks import build_engine, why_not
from edgert.doctor.selftest.record import Record
from edgert.errors import ModelError
from edgert.pipeline import Pipeline
from edgert.result import Result

__all__ = ["try_pipelines"]

_FRAMES = 10
# Scores of the detector and of joints are sums of a few products; see networks.py for TF32.
_PIXELS, _SCORE = 0.5, 0.02
_RUNTIMES = {
    "onnxruntime:cuda": "onnxruntime",
    "tensorrt": "tensorrt",
    "tensorrt-rtx": "tensorrt-rtx",
}


def try_pipelines(record: Record, folder: Path) -> None:
    """Try the pipeline on the CPU, and then on the GPU with every runtime.

    Args:
        record: Where the steps go.
        folder: For models and engines.
    """
    detector, pose = folder / "detector.onnx", folder / "pose.onnx"
    frames = [_frame(shift) for shift in range(_FRAMES)]
    wanted: list[Result] = []
    with record.trial("pipeline onnxruntime:cpu", ("load", "run", "result")) as trial:

        def load() -> Pipeline:
            write_detector(detector)
            write_network(pose, "fp32", peaks=True)
            return _pipeline(detector, pose, "onnxruntime", "cpu")

        with trial.step("load", load) as pipe:
            wanted = trial.step("run", lambda: list(pipe.run(frames)))
            trial.say(f"{_ms(pipe):.2f} ms a frame")
        trial.say(trial.step("result", lambda: _check(wanted)))
    for name, runtime in _RUNTIMES.items():
        if wanted:
            _on_gpu(record, name, runtime, (detector, pose), frames, wanted)


def _on_gpu(
    record: Record,
    name: str,
    runtime: str,
    models: tuple[Path, Path],
    frames: Sequence[NDArray[np.uint8]],
    wanted: Sequence[Result],
) -> None:
    builds = runtime != "onnxruntime"
    detector, pose = models
    steps = ("load", "run", "result", "replay")
    with record.trial(f"pipeline {name}", ("build", *steps) if builds else steps) as trial:
        if reason := why_not(runtime):
            trial.skip(reason)
        if builds:
            models = trial.step(
                "build", lambda: (build_engine(detector, runtime), build_engine(pose, runtime))
            )
        with trial.step("load", lambda: _pipeline(*models, runtime, "cuda:0")) as pipe:
            found = trial.step("run", lambda: list(pipe.run(frames)))
            trial.say(f"{_ms(pipe):.2f} ms a frame")
            trial.say(trial.step("result", lambda: _compare(found, wanted)))
            trial.step("replay", lambda: _require_graphs(pipe))


def _pipeline(detector: Path, pose: Path, runtime: str, device: str) -> Pipeline:
    return Pipeline(
        detector,
        pose=pose,
        tracker=None,
        runtime=runtime,
        device=device,
        classes=None,
        score_threshold=0.5,
    )


def _frame(shift: int) -> NDArray[np.uint8]:
    """Two bright people on dark ground, who walk to the right."""
    image = np.full((128, 192, 3), 30, np.uint8)
    for left, top in ((20 + 2 * shift, 20), (90 + 2 * shift, 36)):
        image[top : top + 72, left : left + 40] = 230
    return image


def _ms(pipe: Pipeline) -> float:
    return float(pipe.stats()["stages"]["total"]["p50"])


def _check(results: Sequence[Result]) -> str:
    """Every frame has people with joints."""
    people = [len(result) for result in results]
    if min(people) == 0 or len(people) != _FRAMES:
        raise ModelError(f"expected people in each of {_FRAMES} frames, found {people}")
    joints = {result.keypoints.shape[1:] for result in results if result.keypoints is not None}
    if joints != {(JOINTS, 2)}:
        raise ModelError(f"expected {JOINTS} joints of each person, found {joints}")
    return f"{sum(people)} boxes with joints in {_FRAMES} frames"


def _compare(found: Sequence[Result], wanted: Sequence[Result]) -> str:
    """Boxes and joints are those of the CPU; their order may differ where scores are equal."""
    pixels = score = 0.0
    for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
        if len(one) != len(other):
            raise ModelError(
                f"frame {index}: found {len(one)} boxes, expected {len(other)} as on the CPU"
            )
        a, b = (np.lexsort(result.boxes.round().T[:2]) for result in (one, other))
        assert one.keypoints is not None
        assert other.keypoints is not None
        pixels = max(
            pixels,
            float(np.abs(one.boxes[a] - other.boxes[b]).max()),
            float(np.abs(one.keypoints[a] - other.keypoints[b]).max()),
        )
        score = max(score, float(np.abs(one.scores[a] - other.scores[b]).max()))
    told = f"boxes and joints differ by {pixels:.3f} px, scores by {score:.4f}"
    if not (pixels <= _PIXELS and score <= _SCORE):
        raise ModelError(f"{told} from the CPU, expected at most {_PIXELS} px and {_SCORE}")
    return told


def _require_graphs(pipe: Pipeline) -> None:
    _, work, how = repr(pipe).partition("a frame's work is ")
    if not how.startswith("replayed as graphs"):
        raise ModelError(work + how.strip("\n >"))
