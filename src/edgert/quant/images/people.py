"""Where the people of a calibration image are: found by a detector, or annotated."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from edgert.engine import Engine
from edgert.errors import SourceError
from edgert.io.frame import Image
from edgert.pipeline import Pipeline
from edgert.quant.images.picture import Picture
from edgert.quant.model.graph import Graph

__all__ = ["Annotated", "Detected", "People"]

Boxes = NDArray[np.float32]


class People(Protocol):
    """Finds people.

    Attributes:
        description: Canonical, for a calibration's `preprocessing`.
    """

    description: str

    def look(self, picture: Picture) -> tuple[Boxes, Callable[[], Image]]:
        """(N, 4) float32 xyxy in frame pixels, and a way to these pixels.

        Raises:
            SourceError: The image is broken; where the boxes are known without it, its reading
                says so.
        """


class Detected:
    """The people that a detector finds, as a pipeline without a tracker does.

    Raises:
        ModelError: Not a detector.
    """

    def __init__(self, detector: str | Path | Engine) -> None:
        self._pipeline = Pipeline(detector, tracker=None)
        path = detector.path if isinstance(detector, Engine) else detector
        self.description = (
            f"people: as Pipeline without a tracker finds by {Graph.load(path).digest}"
        )

    def look(self, picture: Picture) -> tuple[Boxes, Callable[[], Image]]:
        """See `People.look`."""
        image = picture.read()
        return self._pipeline(image).boxes, lambda: image


class Annotated:
    """The annotated people of a COCO file: no crowds; with keypoints, where it has any.

    Raises:
        SourceError: The file cannot be read, or is not a COCO annotation file.
    """

    description = "people: annotated"

    def __init__(self, annotations: str | Path) -> None:
        self._path = Path(annotations)
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            people = {row["id"] for row in data["categories"] if row["name"] == "person"}
            rows = defaultdict(list)
            for row in data["annotations"]:
                is_one = row["category_id"] in people and not row.get("iscrowd", 0)
                x, y, width, height = map(float, row["bbox"])
                if is_one and row.get("num_keypoints", 1) > 0 and width > 0 and height > 0:
                    rows[row["image_id"]].append((x, y, x + width, y + height))
            self._entries = {
                Path(row["file_name"]).name: (row["height"], row["width"], rows.get(row["id"], ()))
                for row in data["images"]
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{annotations}: not a COCO annotation file that can be read: {error!r}; expected "
                f"a JSON object with images, annotations and categories"
            ) from error

    def look(self, picture: Picture) -> tuple[Boxes, Callable[[], Image]]:
        """See `People.look`."""
        if picture.path is None:
            raise SourceError(
                f"{picture.source}: annotations belong to image files; give the folder or paths of "
                f"the images, or detector= to find the people"
            )
        height, width, rows = self._entries.get(picture.path.name, (0, 0, ()))
        boxes = np.array(rows, np.float32).reshape(-1, 4)
        return boxes, partial(self._read, picture.path, height, width)

    def _read(self, path: Path, height: int, width: int) -> Image:
        # As stored: annotations know nothing of the rotation that a camera notes in the file.
        try:
            with Pillow.open(path) as opened:
                rgb = np.asarray(opened.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise SourceError(f"{path}: broken image: {error}") from error
        if rgb.shape[:2] != (height, width):
            raise SourceError(
                f"{path} is {rgb.shape[1]}x{rgb.shape[0]}, but {self._path} says "
                f"{width}x{height}: is this the folder it was made for?"
            )
        return np.ascontiguousarray(rgb[:, :, ::-1])
