"""What a network is for, as a figure: COCO's AP on annotated images.

Each is a `metrics.Metric`, for `sensitivity` and `search`; higher is better. A figure on few images
moves in jumps: one more or one less of the people found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol

from PIL import Image as Pillow

from edgert.engine import Engine
from edgert.engines.base import Array
from edgert.errors import SourceError
from edgert.evaluation import Report
from edgert.evaluation.dataset import Dataset
from edgert.evaluation.rows import (
    Row,
    box_report,
    box_rows,
    keypoint_rows,
    person_category,
    shared_categories,
)
from edgert.models import DetectorModel, PoseModel
from edgert.quant.images.data import CalibrationData, Item
from edgert.quant.trials.reading import BoxReader, PoseReader, understand
from edgert.result import Result

__all__ = ["CocoBoxes", "CocoKeypoints", "Task", "make_task"]

# As COCO's evaluation of box AP wants it: every detection, the useless ones too.
_LEAST_SCORE = 0.001
# EXIF's tag for how the camera was held, and the value of an image that needs no turning.
_ORIENTATION, _UPRIGHT = 0x0112, 1


class Task(Protocol):
    """A figure against annotations.

    Attributes:
        name: Of the figure.
    """

    name: str

    def __call__(self, items: Sequence[Item], outputs: Sequence[Sequence[Array]]) -> float:
        """The figure of one network's outputs."""

    def read(self, item: Item, outputs: Sequence[Array]) -> Result:
        """One item's outputs, decoded for this figure."""

    def report(self, results: Iterable[Result]) -> Report:
        """All of COCO's figures of such results."""

    def require(self, data: CalibrationData) -> None:
        """See that the annotations are about these images, before time is spent on them."""


def make_task(model: str | Path, annotations: str | Path) -> Task:
    """The figure that suits a network.

    Raises:
        Error: pycocotools is not installed, or the annotations are not of what the model finds.
        ModelError: Neither a detector nor a pose network.
        SourceError: The annotations cannot be read.
    """
    network = understand(Engine(model, device="cpu"))
    if isinstance(network, DetectorModel):
        return CocoBoxes(network, annotations)
    return CocoKeypoints(network, annotations)


class _Coco:
    def __init__(self, annotations: str | Path) -> None:
        self._path = annotations
        self._dataset = Dataset(annotations)
        self._ids = self._dataset.ids
        self._parts: dict[frozenset[int], Dataset] = {}

    def require(self, data: CalibrationData) -> None:
        """See that the annotations are about these images.

        Raises:
            SourceError: An image is not a file that is annotated.
        """
        for picture in data.pictures:
            self._id(picture.source)

    def _images(self, results: Sequence[Result]) -> tuple[Dataset, list[tuple[int, list[Result]]]]:
        """What is annotated of the results' images, and the results image by image."""
        together = groupby(sorted(results, key=lambda found: found.source), lambda f: f.source)
        images = [(self._id(source), list(found)) for source, found in together]
        key = frozenset(image_id for image_id, _ in images)
        if key not in self._parts:
            self._parts[key] = self._dataset.only(key)
        return self._parts[key], images

    def _id(self, source: str) -> int:
        image_id = self._ids.get(Path(source).name)
        if image_id is None:
            raise SourceError(
                f"{source} is not among the {len(self._ids)} images of {self._path}: give images "
                f"that are annotated, or no annotations"
            )
        return image_id


class CocoBoxes(_Coco):
    """COCO's box AP over the classes that model and annotations share.

    Detections of every class over a score of 0.001, 300 an image, suppressed at an IoU of 0.7; on
    the images that the items come from. The same as `evaluation.coco` of a `Pipeline`.

    Args:
        model: The detector.
        annotations: COCO's `instances_*.json`.

    Raises:
        Error: pycocotools is not installed, or there are no classes in common.
        ModelError: Not a detector.
        SourceError: The annotations cannot be read.
    """

    name = "box AP"

    def __init__(self, model: str | Path | DetectorModel, annotations: str | Path) -> None:
        super().__init__(annotations)
        network = (
            model
            if isinstance(model, DetectorModel)
            else DetectorModel(Engine(model, device="cpu"))
        )
        self._categories = shared_categories(self._dataset, network.names)
        self._read = BoxReader(network, _LEAST_SCORE)

    def __call__(self, items: Sequence[Item], outputs: Sequence[Sequence[Array]]) -> float:
        """AP, 0 to 1."""
        found = self.report(map(self._read, items, outputs)).boxes
        return 0.0 if found is None else found.ap

    def require(self, data: CalibrationData) -> None:
        """See that the annotations are about these images; broken ones are left to others.

        Raises:
            SourceError: An image is not a file that is annotated, or its EXIF data turn it.
        """
        super().require(data)
        for picture in data.pictures:
            try:
                with Pillow.open(picture.source) as opened:
                    turned = opened.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT
            except (OSError, SyntaxError, ValueError):
                continue
            if turned:
                raise SourceError(
                    f"{picture.source}: its EXIF data turn or mirror it, which annotations know "
                    f"nothing of: store it upright, or leave it out"
                )

    def read(self, item: Item, outputs: Sequence[Array]) -> Result:
        """Every detection of one image."""
        return self._read(item, outputs)

    def report(self, results: Iterable[Result]) -> Report:
        """AP, AP50, AP75 and recall, of all classes and of people."""
        dataset, images = self._images(list(results))
        rows = [
            row
            for image_id, found in images
            for result in found
            for row in box_rows(image_id, result, self._categories)
        ]
        return box_report(dataset, rows, self._categories)


class CocoKeypoints(_Coco):
    """COCO's keypoint AP (OKS) on annotated boxes, so that no detector is in the figure.

    Items are the annotated people of images, as `CalibrationData(..., annotations=...)` makes them;
    of an image all of them, or those that are missing count as not found. The same as
    `evaluation.coco(CropPose(...), boxes="annotated")`.

    Args:
        model: The pose network.
        annotations: COCO's `person_keypoints_*.json`.

    Raises:
        Error: pycocotools is not installed, or people are not annotated.
        ModelError: Not a pose network.
        SourceError: The annotations cannot be read.
    """

    name = "keypoint AP"

    def __init__(self, model: str | Path | PoseModel, annotations: str | Path) -> None:
        super().__init__(annotations)
        network = model if isinstance(model, PoseModel) else PoseModel(Engine(model, device="cpu"))
        self._person = person_category(self._dataset)
        self._read = PoseReader(network)

    def __call__(self, items: Sequence[Item], outputs: Sequence[Sequence[Array]]) -> float:
        """AP, 0 to 1."""
        found = self.report(map(self._read, items, outputs)).keypoints
        return 0.0 if found is None else found.ap

    def require(self, data: CalibrationData) -> None:
        """See that the annotations are about these images, and the people those annotated.

        Raises:
            SourceError: An image is not a file that is annotated.
            ValueError: The people are those that a detector found.
        """
        super().require(data)
        if not data.annotated:
            raise ValueError(
                "keypoint AP is measured on annotated boxes, but the images' people are found by a "
                "detector: give CalibrationData annotations= instead of detector="
            )

    def read(self, item: Item, outputs: Sequence[Array]) -> Result:
        """One person's joints."""
        return self._read(item, outputs)

    def report(self, results: Iterable[Result]) -> Report:
        """AP, AP50, AP75 and recall."""
        dataset, images = self._images(list(results))
        rows = [
            row
            for image_id, found in images
            for result in found
            for row in _pose_rows(image_id, self._person, result)
        ]
        scores = dataset.score("keypoints", rows, [self._person])
        return Report(images=len(dataset), keypoints=scores, keypoint_boxes="annotated")


def _pose_rows(image_id: int, person: int, result: Result) -> list[Row]:
    assert result.keypoints is not None
    assert result.keypoint_scores is not None
    return keypoint_rows(image_id, person, result.scores, result.keypoints, result.keypoint_scores)
