"""Annotated images in COCO's layout: reading them, and scoring results against them."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from edgert.errors import Error, SourceError
from edgert.evaluation.report import Scores

__all__ = ["Dataset"]

# The places of 0.5 and 0.75 among COCO's thresholds.
_AT_50, _AT_75 = 0, 5


class Dataset:
    """One COCO annotation file and the folder of its images.

    Args:
        annotations: `instances_*.json` or `person_keypoints_*.json`.
        images_dir: The folder that holds its `file_name`s; only `frames` looks there.

    Raises:
        Error: pycocotools is not installed.
        SourceError: The file cannot be read, is not a COCO annotation file, or has no images.
    """

    def __init__(self, annotations: str | Path, images_dir: str | Path = ".") -> None:
        _require_pycocotools()
        self._path = Path(annotations)
        self._images_dir = Path(images_dir)
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot read the annotations {self._path}: {error}") from error
        keys = ("images", "annotations", "categories")
        if not isinstance(data, dict) or any(not isinstance(data.get(k), list) for k in keys):
            raise SourceError(
                f"{self._path} is not a COCO annotation file: expected a JSON object with the "
                f"lists {', '.join(keys)}"
            )
        if not data["images"]:
            raise SourceError(f"{self._path} lists no images: there is nothing to evaluate")
        # COCOeval takes an annotation with the id 0 for none at all: number them from 1.
        for number, row in enumerate(data["annotations"], start=1):
            row["id"] = number
        self._coco = _indexed(data)

    @classmethod
    def of(cls, content: dict[str, Any]) -> Dataset:
        """A dataset without a file, to score against.

        Args:
            content: COCO's images, annotations (their ids from 1) and categories.

        Raises:
            Error: pycocotools is not installed.
        """
        _require_pycocotools()
        made = cls.__new__(cls)
        made._path, made._images_dir = Path("annotations"), Path()
        made._coco = _indexed(content)
        return made

    def __len__(self) -> int:
        """Number of images."""
        return len(self._coco.imgs)

    @property
    def categories(self) -> dict[str, int]:
        """Category ids by name, in the order of their ids."""
        return {self._coco.cats[i]["name"]: i for i in sorted(self._coco.cats)}

    @property
    def sizes(self) -> dict[int, tuple[int, int]]:
        """(height, width) of each image, by its id."""
        return {i: (row["height"], row["width"]) for i, row in self._coco.imgs.items()}

    @property
    def ids(self) -> dict[str, int]:
        """Image ids by the name of the file, without folders."""
        return {Path(row["file_name"]).name: i for i, row in self._coco.imgs.items()}

    def only(self, image_ids: Collection[int]) -> Dataset:
        """These images alone, with all categories."""
        part = copy.copy(self)
        whole = self._coco.dataset
        content = {
            **whole,
            "images": [row for row in whole["images"] if row["id"] in image_ids],
            "annotations": [row for row in whole["annotations"] if row["image_id"] in image_ids],
        }
        part._coco = _indexed(content)
        return part

    def frames(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Image id and (h, w, 3) uint8 BGR of every image, in the order of the ids.

        The pixels are taken as stored, since annotations refer to them: an EXIF rotation is not
        applied.

        Raises:
            SourceError: An image is missing, unreadable, or not of the annotated size.
        """
        for image_id in sorted(self._coco.imgs):
            entry = self._coco.imgs[image_id]
            path = self._images_dir / entry["file_name"]
            try:
                with Image.open(path) as image:
                    rgb = np.asarray(image.convert("RGB"))
            except (OSError, UnidentifiedImageError) as error:
                raise SourceError(
                    f"cannot read {path}, which {self._path} lists: {error}"
                ) from error
            expected = (entry["height"], entry["width"])
            if rgb.shape[:2] != expected:
                raise SourceError(
                    f"{path} is {rgb.shape[1]}x{rgb.shape[0]}, but {self._path} says "
                    f"{expected[1]}x{expected[0]}: is this the folder it was made for?"
                )
            yield image_id, np.ascontiguousarray(rgb[:, :, ::-1])

    def people(self, image_id: int) -> NDArray[np.float32]:
        """(N, 4) xyxy boxes of the annotated people of an image that have keypoints."""
        annotations = self._coco.imgToAnns.get(image_id, [])
        rows = [
            (a["bbox"][0], a["bbox"][1], a["bbox"][0] + a["bbox"][2], a["bbox"][1] + a["bbox"][3])
            for a in annotations
            if not a.get("iscrowd", 0) and a.get("num_keypoints", 0) > 0
        ]
        return np.array(rows, dtype=np.float32).reshape(-1, 4)

    def score(
        self,
        task: str,
        results: list[dict[str, Any]],
        category_ids: Sequence[int],
        *,
        most: int | None = None,
    ) -> Scores:
        """COCO's figures for results in its own format.

        Args:
            task: "bbox" or "keypoints".
            results: Rows as of COCO's results format; those of other categories do not count.
            category_ids: The categories to average over.
            most: How many results of an image count, the best. None: COCO's 100 boxes, 20 people.
        """
        from pycocotools.cocoeval import COCOeval

        wanted = set(category_ids)
        rows = [row for row in results if row["category_id"] in wanted]
        truths = sum(
            a["category_id"] in wanted
            and not a.get("iscrowd", 0)
            and a.get("area", 0) >= 0
            and (task == "bbox" or a.get("num_keypoints", 0) > 0)
            for a in self._coco.anns.values()
        )
        if not rows or not truths:  # loadRes cannot take an empty list, and AP is defined anyway
            return Scores(0.0, 0.0, 0.0, 0.0, truths, len(rows))
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(self._coco, self._coco.loadRes(rows), task)
            evaluation.params.catIds = sorted(wanted)
            if most is not None:
                evaluation.params.maxDets = [most]
            evaluation.evaluate()
            evaluation.accumulate()
        # What COCOeval.summarize prints of all sizes, which knows no other limits than COCO's.
        precision = evaluation.eval["precision"][..., 0, -1]
        recall = evaluation.eval["recall"][..., 0, -1]
        figures = (precision, precision[_AT_50], precision[_AT_75], recall)
        ap, ap50, ap75, ar = (_mean_of_known(values) for values in figures)
        return Scores(ap, ap50, ap75, ar, truths, len(rows))


def _mean_of_known(values: NDArray[np.float64]) -> float:
    """The mean of what COCOeval has not marked as unknown, by -1."""
    known = values[values > -1]
    return float(known.mean()) if len(known) else 0.0


def _require_pycocotools() -> None:
    try:
        import pycocotools.coco  # noqa: F401
    except ImportError as error:
        raise Error(
            "COCO evaluation needs the package pycocotools, which is not installed: "
            "pip install 'edgert[eval]'"
        ) from error


def _indexed(content: dict[str, Any]) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
