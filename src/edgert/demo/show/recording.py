"""What the demo leaves behind of its frames: an annotated video, one for the page, JSON lines."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from edgert.draw import draw_people
from edgert.io.sinks.json_lines import JsonLines
from edgert.io.sinks.mp4 import Mp4File
from edgert.result import Result

__all__ = ["Recording"]

# The page's video: a quarter of the pixels, and so many bits that 12 seconds are 2 MB.
_BIT_RATE = 1_300_000


class Recording:
    """Files of frames and results, written as they come.

    Args:
        video: Path of the MP4.
        lines: Path of the JSON lines.

    Raises:
        SinkError: A file cannot be opened for writing.
    """

    def __init__(self, video: Path, lines: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="edgert-demo-")
        self._small_path = Path(self._folder.name, "small.mp4")
        self._lines = JsonLines(lines)
        self._video = Mp4File(video)
        self._small = Mp4File(self._small_path, bit_rate=_BIT_RATE)

    def write(self, images: Sequence[npt.NDArray[np.uint8]], results: Sequence[Result]) -> None:
        """Append frames and what was found in them; the images get drawn on.

        Raises:
            SinkError: A file cannot be written.
        """
        for image, result in zip(images, results, strict=True):
            self._lines.write(result)
            draw_people(image, result)
            self._video.add(image, result.time_s)
            self._small.add(_halved(image), result.time_s)

    def finish(self) -> bytes:
        """Complete the files; returns the page's video, an MP4.

        Raises:
            SinkError: A file cannot be completed.
        """
        self._lines.close()
        self._video.close()
        self._small.close()
        return self._small_path.read_bytes()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Twice is fine: after `finish` there is nothing left to close.
        self._lines.close()
        self._video.abandon()
        self._small.abandon()
        self._folder.cleanup()


def _halved(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(image).reduce(2))
