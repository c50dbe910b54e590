"""One image of a calibration set, and the places that images come from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgert.errors import SourceError
from edgert.io import open_source
from edgert.io.arrays import as_image, is_array
from edgert.io.frame import Image
from edgert.io.images import ImageSource, ImagesSource
from edgert.io.open import IMAGE_SUFFIXES
from edgert.io.picture import read_image
from edgert.io.video import VideoSource

__all__ = ["Part", "Picture", "open_parts"]

Skip = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, known before it is decoded.

    Attributes:
        source: The file, "video.mp4#120" or "array 3".
        digest: SHA-256 in hex of the file's bytes, or of an array's or video frame's pixels.
        read: Gives the pixels, (h, w, 3) uint8 BGR; raises SourceError where they are broken.
        path: Of an image file.
    """

    source: str
    digest: str
    read: Callable[[], Image]
    path: Path | None = None


class Part(Protocol):
    """A place that images come from.

    Attributes:
        count: How many frames it has; None: not known beforehand.
        is_video: Whether neighbouring images are nearly the same.
    """

    count: int | None
    is_video: bool

    def digest(self) -> str:
        """Of a part of one image: equal for equal images."""

    def pictures(self, wanted: Sequence[int] | None, stride: int, skip: Skip) -> Iterator[Picture]:
        """The frames `wanted`, or every `stride`-th; `skip` is told of what is broken."""


def open_parts(source: Any) -> list[Part]:
    """From what the user gives to the places that images come from.

    Raises:
        SourceError: A path does not exist or holds nothing to read.
        TypeError: Nothing that images come from.
    """
    if isinstance(source, (str, os.PathLike)):
        return _open_path(os.fspath(source))
    if is_array(source):
        arrays = source if getattr(source, "ndim", 0) == 4 else [source]
        return [_Array(index, item) for index, item in enumerate(arrays)]
    if isinstance(source, (list, tuple)):
        if not source:
            raise SourceError("data: found an empty list, expected at least one image")
        parts: list[Part] = []
        for index, item in enumerate(source):
            parts.extend([_Array(index, item)] if is_array(item) else open_parts(item))
        return parts
    if isinstance(source, Iterable) and not isinstance(source, (bytes, dict)):
        return [_Stream(iter(source))]
    raise TypeError(
        f"data: found {type(source).__name__}, expected a folder, glob, image or video, a list of "
        f"these or of arrays, or an iterator of arrays"
    )


def _open_path(text: str) -> list[Part]:
    path = Path(text)
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        return [_File(path)]
    with open_source(text) as opened:
        if isinstance(opened, ImagesSource):
            return [_File(found) for found in opened.paths]
        if isinstance(opened, ImageSource):
            return [_File(path)]
        if isinstance(opened, VideoSource):
            return [_Video(text, opened.frame_count)]
    raise SourceError(f"{opened.name}: a live source, expected images or a recording")


class _File:
    count: int | None = 1
    is_video = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def digest(self) -> str:
        try:
            return hashlib.sha256(self._path.read_bytes()).hexdigest()
        except OSError:
            return str(self._path)  # `pictures` says what is wrong with it

    def pictures(self, wanted: Sequence[int] | None, stride: int, skip: Skip) -> Iterator[Picture]:
        try:
            digest = hashlib.sha256(self._path.read_bytes()).hexdigest()
        except OSError as error:
            skip(f"{self._path}: {error.strerror}; skipped")
            return
        yield Picture(str(self._path), digest, partial(read_image, self._path), self._path)


class _Array:
    count: int | None = 1
    is_video = False

    def __init__(self, index: int, item: Any) -> None:
        self._index, self._item = index, item

    def digest(self) -> str:
        return _digest_of(as_image(self._item, f"array {self._index}"))

    def pictures(self, wanted: Sequence[int] | None, stride: int, skip: Skip) -> Iterator[Picture]:
        name = f"array {self._index}"
        yield _picture(name, as_image(self._item, name))


class _Stream:
    """Arrays that come one by one and are gone afterwards."""

    count: int | None = None
    is_video = False

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._begun = False

    def digest(self) -> str:
        raise ValueError("an iterator's images are not known beforehand; give a list")

    def pictures(self, wanted: Sequence[int] | None, stride: int, skip: Skip) -> Iterator[Picture]:
        if self._begun:
            raise ValueError(
                "data: an iterator can be gone through once, and was; give a list of arrays, or "
                "paths, for what needs the images again"
            )
        self._begun = True
        for index, item in enumerate(self._items):
            name = f"array {index}"
            yield _picture(name, as_image(item, name))


class _Video:
    is_video = True

    def __init__(self, path: str, count: int | None) -> None:
        self._path, self.count = path, count

    def digest(self) -> str:
        raise ValueError(f"{self._path}: a video has a digest a frame, not one of its own")

    def pictures(self, wanted: Sequence[int] | None, stride: int, skip: Skip) -> Iterator[Picture]:
        chosen = None if wanted is None else frozenset(wanted)
        with open_source(self._path) as source:
            for frame in source:
                if chosen is None or frame.index in chosen:
                    if chosen is not None or frame.index % stride == 0:
                        name = f"{self._path}#{frame.index}"
                        yield _picture(name, frame.image)
                elif frame.index > max(chosen, default=-1):
                    return
            for message in source.warnings:
                skip(message)


def _picture(name: str, image: Image) -> Picture:
    return Picture(name, _digest_of(image), lambda: image)


def _digest_of(image: Image) -> str:
    digest = hashlib.sha256(f"{image.shape[1]}x{image.shape[0]} BGR ".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
