"""What two models of one network make of a frame, as the pipeline runs them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np

from edgert import _core
from edgert.engine import Engine
from edgert.engines.base import Array
from edgert.errors import ModelError
from edgert.evaluation import CropPose
from edgert.io.frame import Frame
from edgert.models import DetectorModel, PoseModel
from edgert.pipeline import Pipeline
from edgert.result import Result

__all__ = ["View", "make_view"]


class View(ABC):
    """Both models on one frame. A context manager."""

    def __init__(self) -> None:
        self._open = ExitStack()

    @abstractmethod
    def results(self, frame: Frame) -> tuple[Result, Result]:
        """What the first model and the second make of a frame."""

    @abstractmethod
    def feeds(self, frame: Frame, result: Result) -> Iterator[Array]:
        """The network inputs of a frame, (1, 3, H, W) or the models' fixed batch, float32."""

    def __enter__(self) -> View:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()


def make_view(
    model: str | Path, other: str | Path, detector: str | Path | Engine | None, threads: int | None
) -> View:
    """Load two models of one network.

    Raises:
        ModelError: One cannot be loaded, or their inputs differ.
        ValueError: A pose network without a detector.
    """
    engines = (
        Engine(model, device="cpu", threads=threads),
        Engine(other, device="cpu", threads=threads),
    )
    shapes = [engine.inputs[0].shape for engine in engines]
    if shapes[0][1:] != shapes[1][1:]:
        raise ModelError(
            f"{model} and {other} are not of one network: their inputs are {engines[0].inputs[0]} "
            f"and {engines[1].inputs[0]}, expected equal sizes; export both with the same"
        )
    if any(len(output.shape) == 4 for output in engines[0].outputs):
        if detector is None:
            raise ValueError(
                f"{model} is a pose network: it needs a detector that finds the people, "
                f"give detector= (--detector)"
            )
        people = (
            detector
            if isinstance(detector, Engine)
            else Engine(detector, device="cpu", threads=threads)
        )
        return _Poses(*engines, people)
    return _Detectors(*engines)


class _Detectors(View):
    def __init__(self, first: Engine, second: Engine) -> None:
        super().__init__()
        self._model, other = DetectorModel(first), DetectorModel(second)
        _check_same(
            first,
            second,
            *(f"{len(m.names)} classes and {m.joints} joints" for m in (self._model, other)),
        )
        self._pipes = [
            self._open.enter_context(Pipeline(engine, tracker=None, classes=None))
            for engine in (first, second)
        ]

    def results(self, frame: Frame) -> tuple[Result, Result]:
        first, second = (pipe(frame.image) for pipe in self._pipes)
        return first, second

    def feeds(self, frame: Frame, result: Result) -> Iterator[Array]:
        tensor = np.empty((1, 3, *self._model.size), np.float32)
        _core.letterbox_into(frame.image, tensor, self._model.normalization)
        yield _in_batches(tensor, self._model.engine)


class _Poses(View):
    """The people are the same for both models: what differs is the poses."""

    def __init__(self, first: Engine, second: Engine, detector: Engine) -> None:
        super().__init__()
        self._model = PoseModel(first)
        _check_same(
            first, second, *(f"{m.joints} joints" for m in (self._model, PoseModel(second)))
        )
        self._poses = (CropPose(first), CropPose(second))
        self._pipe = self._open.enter_context(Pipeline(detector, tracker=None))

    def results(self, frame: Frame) -> tuple[Result, Result]:
        people = self._pipe(frame.image)
        first, second = (self._with_poses(people, pose, frame) for pose in self._poses)
        return first, second

    def feeds(self, frame: Frame, result: Result) -> Iterator[Array]:
        for box in result.boxes:
            tensor = np.empty((1, 3, *self._model.size), np.float32)
            _core.crop_people_into(
                frame.image, box[None], tensor, self._model.normalization, self._model.padding
            )
            yield _in_batches(tensor, self._model.engine)

    def _with_poses(self, people: Result, pose: CropPose, frame: Frame) -> Result:
        points = np.empty((0, self._model.joints, 2), np.float32)
        scores = np.empty((0, self._model.joints), np.float32)
        if len(people):
            points, scores = pose(frame.image, people.boxes)
        return replace(people, ids=people.ids.copy(), keypoints=points, keypoint_scores=scores)


def _check_same(first: Engine, second: Engine, found: str, other: str) -> None:
    if found != other:
        raise ModelError(
            f"{first.path} and {second.path} are not of one network: the first has {found}, "
            f"the second {other}, expected the same"
        )


def _in_batches(tensor: Array, engine: Engine) -> Array:
    """As often as a model of fixed batch wants it: ratios of sums do not change."""
    return np.repeat(tensor, engine.inputs[0].shape[0] or 1, axis=0)
