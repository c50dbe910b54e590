"""Video with boxes, ids and skeletons drawn in."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgert.draw import draw_people
from edgert.errors import SinkError
from edgert.io.sinks.base import Sink, Splitter
from edgert.io.sinks.mp4 import Mp4File
from edgert.result import Result

__all__ = ["Video"]

# Frames that wait for the encoder before `write` does.
_QUEUE_LENGTH = 8


class Video(Sink):
    """Writes MP4 (H.264, or MPEG-4 where FFmpeg has no H.264 encoder) with the people drawn in.

    Drawing and encoding have their own thread; `write` waits only when it is 8 frames behind. The
    times between frames are those of the results. If the process dies, the file plays up to the
    last fragment, at most 30 frames and what the encoder held before the end. Each source has its
    own file like in `Mot`.

    Args:
        path: Path of the file, ending in .mp4 or .m4v.
        keypoint_threshold: Joints that score less are not drawn.

    Raises:
        SinkError: The file cannot be opened for writing, or its name says another format.
    """

    def __init__(self, path: str | os.PathLike[str], *, keypoint_threshold: float = 0.3) -> None:
        self._path = Path(path)
        self._splitter = Splitter(path)
        self._threshold = keypoint_threshold
        self._files = {self._path: Mp4File(self._path)}
        self._queue: queue.Queue[tuple[Result, npt.NDArray[np.uint8]] | None]
        self._queue = queue.Queue(_QUEUE_LENGTH)
        self._error: Exception | None = None
        self._error_seen = False
        self._closed = False
        # A daemon: a program that forgets close() must still end, and the file is valid as it is.
        self._thread = threading.Thread(target=self._work, name="edgert-video-sink", daemon=True)
        self._thread.start()

    def write(self, result: Result, image: npt.NDArray[np.uint8] | None) -> None:
        """Hands a copy of the frame to the encoder.

        Raises:
            SinkError: An earlier frame could not be written, or the sink is closed.
            ValueError: The image is missing or not the result's frame.
        """
        if self._closed:
            raise SinkError(f"{self._path}: cannot write: it is closed; open a new sink")
        self._raise_error()
        if image is None or image.dtype != np.uint8 or image.shape != (*result.size, 3):
            found = "None" if image is None else f"{image.dtype} of shape {image.shape}"
            raise ValueError(
                f"image is {found}, the video sink draws on uint8 of shape {(*result.size, 3)}, "
                "the frame of the result"
            )
        self._queue.put((result, np.array(image, order="C")))

    def close(self) -> None:
        """Encodes what waits, completes the files and closes them.

        Raises:
            SinkError: A frame could not be written, and no `write` has said so before.
        """
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        if not self._error_seen:
            self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            self._error_seen = True
            raise self._error

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            # After an error the queue is still emptied, or `write` would wait for ever.
            if self._error is None:
                self._try(self._encode, *item)
        for file in self._files.values():
            if self._error is None:
                self._try(file.close)
            else:
                file.abandon()

    def _encode(self, result: Result, image: npt.NDArray[np.uint8]) -> None:
        path = self._splitter.path_of(result.source)
        if path not in self._files:
            self._files[path] = Mp4File(path)
        draw_people(image, result, keypoint_threshold=self._threshold)
        self._files[path].add(image, result.time_s)

    def _try(self, step: Callable[..., None], *arguments: object) -> None:
        try:
            step(*arguments)
        except Exception as error:
            self._error = error
