"""MOTChallenge result files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgert.io.sinks.base import OutputFile, Sink, Splitter
from edgert.result import Result

__all__ = ["Mot"]


class Mot(Sink):
    """Writes the rows of `Result.to_mot()`, a frame's all at once.

    The format holds one sequence: the first source goes to the given path, each further one to a
    file with its name put in (`out.txt`, `out.street.txt`). Images in one folder are one sequence.

    Args:
        path: Path of the file, or "-" for standard output, which takes all sources.

    Raises:
        SinkError: The file cannot be opened for writing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._splitter = Splitter(path)
        self._files = {Path(path): OutputFile(path)}

    def write(self, result: Result, image: npt.NDArray[np.uint8] | None = None) -> None:
        """Appends the frame's rows; the image is not used."""
        path = self._splitter.path_of(result.source)
        if path not in self._files:
            self._files[path] = OutputFile(path)
        rows = "".join(
            f"{frame:.0f},{track:.0f},{x:.2f},{y:.2f},{width:.2f},{height:.2f},{score:.4f},-1,-1,-1\n"
            for frame, track, x, y, width, height, score, *_ in result.to_mot().tolist()
        )
        self._files[path].write(rows.encode())

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()
