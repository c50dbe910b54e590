"""One line of JSON per frame."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from edgert.io.sinks.base import OutputFile, Sink
from edgert.result import Result

__all__ = ["JsonLines"]


class JsonLines(Sink):
    """Writes `Result.to_json()`, one line a frame, each on disk before the next frame.

    All sources go to one file: every line names its own.

    Args:
        path: Path of the file, or "-" for standard output.

    Raises:
        SinkError: The file cannot be opened for writing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = OutputFile(path)

    def write(self, result: Result, image: npt.NDArray[np.uint8] | None = None) -> None:
        """Appends the frame's line; the image is not used."""
        self._file.write(result.to_json().encode() + b"\n")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
