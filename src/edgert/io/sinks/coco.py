"""COCO result files."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt

from edgert.errors import SinkError
from edgert.io.sinks.base import OutputFile, Sink, Splitter, is_image
from edgert.result import Result

__all__ = ["Coco", "image_id"]


class Coco(Sink):
    """Writes the dicts of `Result.to_coco()` as one JSON array, which is whole after every frame.

    The image id is the number that an image's file name ends in, as COCO names them
    (000000000790.jpg is 790), else the index of the frame. Each source has its own file like in
    `Mot`, for frame indices begin anew in each. On standard output and in pipes, where nothing can
    be taken back, the array is closed by `close()`.

    Args:
        path: Path of the file, or "-" for standard output, which takes all sources.

    Raises:
        SinkError: The file cannot be opened for writing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._splitter = Splitter(path)
        self._files = {Path(path): _Array(path)}

    def write(self, result: Result, image: npt.NDArray[np.uint8] | None = None) -> None:
        """Appends the frame's people; the image is not used."""
        path = self._splitter.path_of(result.source)
        if path not in self._files:
            self._files[path] = _Array(path)
        people = result.to_coco(image_id(result))
        self._files[path].append([json.dumps(person, allow_nan=False) for person in people])

    def close(self) -> None:
        """Closes the arrays and the files."""
        for array in self._files.values():
            array.close()


def image_id(result: Result) -> int:
    """The number that an image's file name ends in, else the index of the frame."""
    if is_image(result.source):
        number = re.search(r"\d+$", PurePath(result.source).stem)
        if number:
            return int(number[0])
    return result.frame_index


class _Array:
    """A JSON array in a file, one element a line."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = OutputFile(path)
        self._end = b"\n]\n" if self._file.rewritable else b""
        self._empty = True
        try:
            self._file.write(b"[" + self._end)
        except SinkError:
            self._file.close()
            raise

    def append(self, elements: list[str]) -> None:
        if not elements:
            return
        start = "\n" if self._empty else ",\n"
        self._file.write((start + ",\n".join(elements)).encode() + self._end, over=self._end)
        self._empty = False

    def close(self) -> None:
        try:
            if self._file.usable and not self._end:
                self._file.write(b"\n]\n")
        finally:
            self._file.close()
