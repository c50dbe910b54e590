"""One MP4 file, written frame by frame."""

from __future__ import annotations

import contextlib
import io
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgert.errors import SinkError
from edgert.io.sinks.base import sink_error
from edgert.io.sinks.encoder import TICKS_PER_SECOND, FrameClock, add_stream

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

__all__ = ["Mp4File"]

# H.264 up to level 5.2, which is as far as players and Cisco's encoder go.
_LONGEST_SIDE_PX = 4096
_SHORTEST_SIDE_PX = 16


class Mp4File:
    """Encodes frames to an MP4 that plays up to the last fragment even if it is never closed.

    The first frame decides the size. Frames of other sizes are scaled into it with black bars; odd
    sizes get a row or column repeated, which 4:2:0 needs; sides over 4096 px are scaled down.

    Args:
        path: Path of the file, which is emptied.
        bit_rate: Bits a second to aim at; None: as many as a constant quality takes.

    Raises:
        SinkError: It cannot be opened for writing, or its name says another format.
    """

    def __init__(self, path: Path, *, bit_rate: int | None = None) -> None:
        self.name = str(path)
        self._bit_rate = bit_rate
        if self.name == "-":
            raise SinkError("standard output: cannot write video to it; name a file, like out.mp4")
        if path.suffix.lower() not in ("", ".mp4", ".m4v"):
            raise SinkError(
                f"{path}: cannot write video as {path.suffix}: only MP4 is supported; "
                f"name it {path.with_suffix('.mp4').name}"
            )
        try:
            # Python's file and not FFmpeg's: it exists at once, and its errors keep their number.
            self._file = _File(path, "wb")
        except OSError as error:
            raise sink_error("open it for writing", self.name, error) from error
        self._container: av.container.OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._clock = FrameClock()

    def add(self, image: npt.NDArray[np.uint8], time_s: float) -> None:
        """Appends a frame.

        Args:
            image: (H, W, 3) uint8 BGR.
            time_s: Time of the frame in seconds; the first frame of the file is its zero.

        Raises:
            SinkError: It cannot be encoded or written.
        """
        import av

        image = _shrunk(image)
        try:
            if self._container is None or self._stream is None:
                self._start(image)
            assert self._container is not None
            assert self._stream is not None
            frame = av.VideoFrame.from_ndarray(
                _even(_letterboxed(image, self._size)), format="bgr24"
            )
            frame.pts = self._clock.ticks(time_s)
            frame.time_base = Fraction(1, TICKS_PER_SECOND)
            packets = self._stream.encode(frame)
            self._file.mark()
            self._container.mux(packets)
        except (OSError, av.FFmpegError) as error:
            raise sink_error("write", self.name, error) from error

    def close(self) -> None:
        """Writes the frames still in the encoder and the index, and closes the file.

        Raises:
            SinkError: It cannot be completed.
        """
        import av

        try:
            if self._container is not None and self._stream is not None:
                self._container.mux(self._stream.encode(None))
                self._file.mark()
                self._container.close()
        except (OSError, av.FFmpegError) as error:
            raise sink_error("complete it", self.name, error) from error
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Closes the file with what is in it."""
        import av

        container, self._container = self._container, None
        if container is not None:
            # FFmpeg writes nothing more to a file that has failed.
            with contextlib.suppress(OSError, av.FFmpegError):
                container.close()
        with contextlib.suppress(OSError):
            self._file.close()

    def _start(self, image: npt.NDArray[np.uint8]) -> None:
        import av

        height, width = image.shape[:2]
        self._size = height, width
        self._container = av.open(
            self._file,
            "w",
            format="mp4",
            container_options={"movflags": _movflags(), "flush_packets": "1"},
        )
        self._stream = add_stream(
            self._container, *_even_size(height, width), bit_rate=self._bit_rate
        )


class _File(io.FileIO):
    """A file that takes all bytes or fails, and then takes back what came since `mark`."""

    _mark = 0

    def mark(self) -> None:
        """What is written so far is whole: a fragment ends here."""
        self._mark = self.tell()

    def write(self, data: Any, /) -> int:
        view = memoryview(data)
        try:
            while view:
                view = view[super().write(view) :]
        except OSError:
            with contextlib.suppress(OSError):
                self.truncate(self._mark)
            raise
        return len(data)


def _movflags() -> str:
    """Fragments, which FFmpeg from 7.1 (libavformat 61.7) on joins to a plain MP4 at the end."""
    import av

    if av.library_versions["libavformat"] >= (61, 7, 0):
        return "hybrid_fragmented"
    return "frag_keyframe+empty_moov+default_base_moof"


def _shrunk(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image with no side over what players take."""
    height, width = image.shape[:2]
    scale = min(1.0, _LONGEST_SIDE_PX / max(height, width))
    return _resized(image, max(1, round(height * scale)), max(1, round(width * scale)))


def _letterboxed(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """The image scaled into a size with its aspect kept, black around it."""
    if image.shape[:2] == size:
        return image
    height, width = image.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = _resized(image, max(1, round(height * scale)), max(1, round(width * scale)))
    boxed = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - inner.shape[0]) // 2, (size[1] - inner.shape[1]) // 2
    boxed[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return boxed


def _resized(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    from PIL import Image

    # Pillow widens its bilinear filter when it shrinks an image, so that fine lines stay.
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def _even(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image with its last row and column repeated up to a size that 4:2:0 can hold."""
    height, width = image.shape[:2]
    even = _even_size(height, width)
    if even == (height, width):
        return image
    return np.pad(image, ((0, even[0] - height), (0, even[1] - width), (0, 0)), mode="edge")


def _even_size(height: int, width: int) -> tuple[int, int]:
    return max(_SHORTEST_SIDE_PX, height + height % 2), max(_SHORTEST_SIDE_PX, width + width % 2)
