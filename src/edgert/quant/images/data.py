"""The network inputs that a model is calibrated on: exactly those that the pipeline feeds it."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert import _core
from edgert.engine import Engine
from edgert.engines.base import Array
from edgert.errors import SourceError
from edgert.io.frame import Image
from edgert.models import DetectorModel, PoseModel
from edgert.quant.images.check import Survey
from edgert.quant.images.people import Annotated, Detected, People
from edgert.quant.images.picture import Picture
from edgert.quant.images.pictures import Pictures
from edgert.quant.trials.reading import understand

__all__ = ["CalibrationData", "Item", "items_of"]

Box = NDArray[np.float32]
_Place = tuple[str, "Box | None"]


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One network input.

    Attributes:
        tensor: (1, 3, H, W) of the network's input dtype.
        to_frame: (2, 3) float64, network pixels to frame pixels.
        source: The file, "video.mp4#120" or "array 3".
        digest: The image's, SHA-256 in hex of the file's bytes or of an array's or video frame's
            pixels; of a crop, a dash and 16 hex digits of its box follow.
        size: The frame's (height, width).
        box: Of a crop, xyxy in frame pixels.
    """

    tensor: Array
    to_frame: NDArray[np.float64]
    source: str
    digest: str
    size: tuple[int, int]
    box: tuple[float, float, float, float] | None


class CalibrationData:
    """Images as a model sees them in the pipeline. Iterate over its `Item`s, as often as wanted.

    A detector gets each image letterboxed; a pose network gets each person cut out. An image that
    is broken is skipped, named in `skipped` and warned of once.

    Args:
        model: Path of the model, or an `Engine`.
        source: A folder, glob or image file, a video, a list of these or of (H, W, 3) uint8 BGR
            arrays, or an iterator of arrays (which can be gone through only once).
        detector: Of a pose network: what finds the people, path or `Engine`.
        annotations: Of a pose network: a COCO file with the people's boxes, instead.
        stride: Of a video, every how many-th frame to take.
        limit: At most so many images: the first ones, or with `seed` a random choice.
        seed: Of that choice.

    Attributes:
        preprocessing: What is done to an image, in words that are equal where it is the same.
        survey: What the images looked like that were read since `images` or an iteration began.

    Raises:
        ModelError: The model is neither a detector nor a pose network that the pipeline knows.
        SourceError: A path does not exist or holds nothing to read.
        ValueError: A parameter is out of its range; a pose network without people, or the reverse.
    """

    def __init__(
        self,
        model: str | Path | Engine,
        source: Any,
        *,
        detector: str | Path | Engine | None = None,
        annotations: str | Path | None = None,
        stride: int = 1,
        limit: int | None = None,
        seed: int | None = None,
    ) -> None:
        self.pictures = Pictures(source, stride=stride, limit=limit, seed=seed)
        network = understand(model if isinstance(model, Engine) else Engine(model, device="cpu"))
        self._people = _people(network, detector, annotations)
        # What is needed of the network, not the network: its session would keep its memory.
        self._size, self._dtype = network.size, network.engine.inputs[0].dtype
        self._normalization = network.normalization
        self._padding = network.padding if isinstance(network, PoseModel) else 0.0
        self.preprocessing = self._describe()
        self.survey = Survey()

    def __len__(self) -> int:
        """How many items there are, those of broken images included.

        Raises:
            TypeError: It is not known beforehand: people are yet to be found, or images to come.
        """
        if self._people is not None:
            raise TypeError("how many people are in the images is not known before they are read")
        return len(self.pictures)

    def __iter__(self) -> Iterator[Item]:
        for _, items in self.images():
            yield from items

    @property
    def skipped(self) -> list[str]:
        """What was broken so far, each named once."""
        return self.pictures.skipped

    @property
    def annotated(self) -> bool:
        """Whether the items are annotated people."""
        return isinstance(self._people, Annotated)

    def images(
        self, known: Collection[str] = (), finished: Collection[str] = ()
    ) -> Iterator[tuple[str, Iterator[Item]]]:
        """The images one by one, each with its items; take these before the next image.

        Args:
            known: Digests of items to leave out.
            finished: Digests of images to leave out all items of; they are not even decoded.

        Yields:
            The image's digest, also of one that is left out, and its items. Of broken images,
            nothing.

        Raises:
            SourceError: No image can be read, or there are no people in any.
        """
        self.survey = Survey()
        images = items = 0
        for picture in self.pictures:
            if picture.digest in finished:
                images, items = images + 1, items + 1
                yield picture.digest, iter(())
                continue
            try:
                places, read = self._look(picture)
                todo = [place for place in places if place[0] not in known]
                items += len(places)
                image = read() if todo else None
            except SourceError as error:
                self.pictures.skip(f"{error}; skipped")
                continue
            images += 1
            if image is None:
                yield picture.digest, iter(())
                continue
            self.survey.add(picture, image, None if self._people is None else len(places))
            yield picture.digest, (self._item(picture, image, *place) for place in todo)
        if not images:
            raise SourceError(
                f"no image can be used for calibration; {len(self.skipped)} are broken"
                + (f", the first: {self.skipped[0]}" if self.skipped else "")
            )
        if not items:
            raise SourceError(
                f"no person in any of {images} images, and a pose network is calibrated on people; "
                f"give images with people, or another detector or annotations"
            )

    def split(self, share: float, seed: int) -> tuple[CalibrationData, CalibrationData]:
        """Two sets of disjoint images, the first with `share` of them.

        Equal images stay together, as do the neighbouring frames of a video.

        Args:
            share: More than 0, less than 1.
            seed: Of the choice.

        Raises:
            ValueError: `share` is out of its range, or the images are of an iterator.
        """
        halves = copy.copy(self), copy.copy(self)
        halves[0].pictures, halves[1].pictures = self.pictures.split(share, seed)
        return halves

    def _look(self, picture: Picture) -> tuple[list[_Place], Callable[[], Image]]:
        if self._people is None:
            return [(picture.digest, None)], picture.read
        boxes, read = self._people.look(picture)
        return [(_crop_digest(picture, box), box) for box in boxes], read

    def _item(self, picture: Picture, image: Image, digest: str, box: Box | None) -> Item:
        tensor = np.empty((1, 3, *self._size), self._dtype)
        size = image.shape[0], image.shape[1]
        if box is None:
            to_frame = _core.letterbox_into(image, tensor, self._normalization)
            return Item(tensor, to_frame, picture.source, digest, size, None)
        to_frame = _core.crop_people_into(
            image, box[None], tensor, self._normalization, self._padding
        )[0]
        x1, y1, x2, y2 = map(float, box)
        return Item(tensor, to_frame, picture.source, digest, size, (x1, y1, x2, y2))

    def _describe(self) -> str:
        normal, (height, width) = self._normalization, self._size
        parts = [
            f"{width}x{height} planar RGB {self._dtype}",
            f"gain {normal.gain}, bias {normal.bias}, outside {normal.fill}",
            "bilinear with half-pixel centres in float32",
        ]
        if self._people is None:
            return "; ".join(["letterbox", *parts])
        return "; ".join([f"crops, padding {self._padding}", *parts, self._people.description])


def items_of(model: str | Path, data: Any) -> Iterable[Item]:
    """The inputs that some data holds for a model.

    Args:
        model: Path of the model.
        data: A `CalibrationData`, a list of items of one, or what that takes as its source.

    Raises:
        ModelError, SourceError: See `CalibrationData`.
    """
    if isinstance(data, CalibrationData):
        return data
    if isinstance(data, list) and all(isinstance(item, Item) for item in data):
        return data
    return CalibrationData(model, data)


def _people(
    network: DetectorModel | PoseModel,
    detector: str | Path | Engine | None,
    annotations: str | Path | None,
) -> People | None:
    path = network.engine.path
    if isinstance(network, DetectorModel):
        if detector is not None or annotations is not None:
            raise ValueError(f"{path} is a detector and sees whole images: leave out people")
        return None
    if detector is not None and annotations is None:
        return Detected(detector)
    if annotations is not None and detector is None:
        return Annotated(annotations)
    raise ValueError(
        f"{path} is a pose network and sees people cut out of images: give either detector=, "
        f"to find them, or annotations=, a COCO file with their boxes"
    )


def _crop_digest(picture: Picture, box: Box) -> str:
    return f"{picture.digest}-{hashlib.sha256(box.astype('<f4').tobytes()).hexdigest()[:16]}"
