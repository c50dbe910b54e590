"""Pictures for those who watch: encoded in one thread, the newest only, and only on demand."""

from __future__ import annotations

import threading
import time
import warnings
from dataclasses import replace
from io import BytesIO
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt

from edgert.draw import draw_people
from edgert.result import Result

__all__ = ["BOUNDARY", "Encoder", "View", "encode"]

BOUNDARY = b"edgert-picture"
"""What separates the parts of a `multipart/x-mixed-replace` stream (RFC 2046, section 5.1)."""

_LONGEST_SIDE = 1280
_JPEG_QUALITY = 80
_PERIOD_S = 1 / 15


class View:
    """The newest picture of one source.

    Watchers wait in `next`; as long as none does, nobody copies or encodes a frame. A watcher who
    is still busy with the picture before does not wait, so a slow one takes fewer pictures and a
    stuck one none.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._part = b""
        self._number = 0
        self._waiting = 0
        self._due = 0.0
        self._encoding = False
        self._closed = False

    @property
    def number(self) -> int:
        """Number of the newest picture; 0 before the first."""
        return self._number

    def take_turn(self, now: float) -> bool:
        """Whether the frame at hand is to be encoded; if so, `publish` must follow."""
        if not self._waiting or self._encoding or now < self._due:
            return False
        self._encoding, self._due = True, now + _PERIOD_S
        return True

    def publish(self, jpeg: bytes | None) -> None:
        """Hands a picture to those who wait; None: it could not be encoded."""
        with self._changed:
            self._encoding = False
            if jpeg is not None:
                # The boundary comes at once: a browser shows a part when it has seen its end.
                head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                self._part = b"%s%s\r\n--%s\r\n" % (head, jpeg, BOUNDARY)
                self._number += 1
                self._changed.notify_all()

    def next(self, number: int, timeout_s: float) -> tuple[int, bytes] | None:
        """Waits for a picture newer than that number.

        Returns:
            Its number and its part of the stream, from the part's headers to the boundary after
            it. None when the time is up, or the view is closed.
        """
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._closed or self._number > number, timeout_s)
            finally:
                self._waiting -= 1
            return None if self._closed or self._number <= number else (self._number, self._part)

    def close(self) -> None:
        """Wakes all who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Encoder:
    """The thread that draws and encodes, started with the first picture that is wanted."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[View, Result, npt.NDArray[np.uint8]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._warned = False

    def offer(self, view: View, result: Result, image: npt.NDArray[np.uint8]) -> None:
        """Takes a copy of the frame if somebody waits for it; else costs a few comparisons."""
        if not view.take_turn(time.monotonic()):
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="edgert-serve-jpeg")
            self._thread.daemon = True
            self._thread.start()
        self._queue.put((view, result, np.array(image, order="C")))

    def close(self) -> None:
        """Ends the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            view, result, image = item
            jpeg = None
            try:
                jpeg = encode(result, image)
            except Exception as error:
                self._warn(result, error)
            finally:
                view.publish(jpeg)

    def _warn(self, result: Result, error: Exception) -> None:
        # A page without pictures is no reason to end a pipeline that works.
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"live page: frame {result.frame_index} of {result.source} cannot be shown: "
                f"{type(error).__name__}: {error}; later ones that fail are not named",
                RuntimeWarning,
                stacklevel=3,
            )


def encode(result: Result, image: npt.NDArray[np.uint8]) -> bytes:
    """The frame as JPEG, at most 1280 px on its longer side, with the people drawn in.

    Args:
        result: The people of the frame.
        image: (H, W, 3) uint8 BGR, C-contiguous; drawn into where it needs no scaling.
    """
    from PIL import Image as pillow  # noqa: N813

    height, width = image.shape[:2]
    scale = _LONGEST_SIDE / max(height, width)
    if scale < 1:
        # Scaled first and drawn then: lines and labels stay sharp, and there is less to draw on.
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = pillow.frombuffer("RGB", (width, height), image, "raw", "RGB", 0, 1)
        image = np.array(picture.resize(size, pillow.Resampling.BILINEAR, reducing_gap=2.0))
        result = _scaled(result, size[0] / width, size[1] / height)
    draw_people(image, result)
    height, width = image.shape[:2]
    jpeg = BytesIO()
    picture = pillow.frombuffer("RGB", (width, height), image, "raw", "BGR", 0, 1)
    picture.save(jpeg, "JPEG", quality=_JPEG_QUALITY)
    return jpeg.getvalue()


def _scaled(result: Result, x: float, y: float) -> Result:
    """The result in the pixels of a scaled frame; `size` too."""
    factors = np.array([x, y, x, y], np.float32)
    keypoints = None if result.keypoints is None else result.keypoints * factors[:2]
    size = round(result.size[0] * y), round(result.size[1] * x)
    return replace(result, boxes=result.boxes * factors, keypoints=keypoints, size=size)
