"""One MP4 file, written frame by frame."""

from __future__ import annotations

import contextlib
import io
import math
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgert.errors import SinkError
from edgert.io.sinks.base import sink_error

if TYPE_CHECKING:
    import av
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

__all__ = ["Mp4File"]

# Ticks that hold 24, 25, 30, 50, 60 and 30000/1001 frames a second exactly, and no more than the
# 65535 that MPEG-4 part 2 admits.
_TICKS_PER_SECOND = 60000

# H.264 up to level 5.2, which is as far as players and Cisco's encoder go.
_LONGEST_SIDE_PX = 4096
_SHORTEST_SIDE_PX = 16

# Best first: OpenH264 is BSD with Cisco's patent licence, x264 GPL; every FFmpeg has MPEG-4.
_ENCODERS: dict[str, dict[str, str]] = {
    "libopenh264": {"rc_mode": "quality"},
    "libx264": {"preset": "veryfast", "crf": "23"},
    "mpeg4": {"qmin": "2", "qmax": "8"},
}

# A crash costs the frames since the last of these.
_KEYFRAME_INTERVAL = 30


class Mp4File:
    """Encodes frames to an MP4 that plays up to the last fragment even if it is never closed.

    The first frame decides the size. Frames of other sizes are scaled into it with black bars; odd
    sizes get a row or column repeated, which 4:2:0 needs; sides over 4096 px are scaled down.

    Args:
        path: Path of the file, which is emptied.

    Raises:
        SinkError: It cannot be opened for writing, or its name says another format.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
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
        self._content = (0, 0)
        self._clock = _Clock()

    def add(self, image: npt.NDArray[np.uint8], time_s: float) -> None:
        """Appends a frame.

        Args:
            image: (H, W, 3) uint8 BGR.
            time_s: Time of the frame in seconds; the first frame of the file is its zero.

        Raises:
            SinkError: It cannot be encoded or written.
        """
        import av

        try:
            if self._container is None or self._stream is None:
                self._start(image)
            assert self._container is not None
            assert self._stream is not None
            frame = av.VideoFrame.from_ndarray(_even(_fitted(image, self._content)), format="bgr24")
            frame.pts = self._clock.ticks(time_s)
            frame.time_base = Fraction(1, _TICKS_PER_SECOND)
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
        """Closes the file as it is."""
        with contextlib.suppress(OSError):
            self._file.close()
        container, self._container = self._container, None
        if container is not None:
            # FFmpeg would write an index into a file that lacks a part, and spoil its fragments;
            # it finds the file closed.
            with contextlib.suppress(OSError, ValueError):
                container.close()

    def _start(self, image: npt.NDArray[np.uint8]) -> None:
        import av

        height, width = image.shape[:2]
        shrink = min(1.0, _LONGEST_SIDE_PX / max(height, width))
        self._content = max(1, round(height * shrink)), max(1, round(width * shrink))
        height, width = _even_size(*self._content)
        encoder = _encoder()
        self._container = av.open(
            self._file,
            "w",
            format="mp4",
            container_options={"movflags": _movflags(), "flush_packets": "1"},
        )
        stream = self._container.add_stream(encoder, rate=30, options=dict(_ENCODERS[encoder]))
        assert isinstance(stream, av.VideoStream)
        _configure(stream.codec_context, height, width)
        stream.time_base = Fraction(1, _TICKS_PER_SECOND)
        self._stream = stream


class _File(io.FileIO):
    """A file that takes all bytes or fails, and takes nothing more once it has failed.

    A failure takes back what was written since `mark`, which is the beginning of a fragment.
    """

    _failure: OSError | None = None
    _mark = 0

    def mark(self) -> None:
        """What is written so far is whole."""
        self._mark = self.tell()

    def write(self, data: Any, /) -> int:
        if self._failure is not None:
            raise self._failure
        view = memoryview(data)
        try:
            while view:
                view = view[super().write(view) :]
        except OSError as error:
            self._failure = error
            with contextlib.suppress(OSError):
                self.truncate(self._mark)
            raise
        return len(data)


class _Clock:
    """Frame times as ticks from the first frame on, always growing."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._last = -1
        self._step = _TICKS_PER_SECOND // 30

    def ticks(self, time_s: float) -> int:
        ticks = None
        if math.isfinite(time_s):
            if self._start is None:
                self._start = time_s
            ticks = round((time_s - self._start) * _TICKS_PER_SECOND)
        if ticks is None or ticks <= self._last:
            # A camera that starts over must not end the file: carry on in the last known rhythm.
            ticks = self._last + self._step if self._last >= 0 else 0
            if self._start is not None and math.isfinite(time_s):
                self._start = time_s - ticks / _TICKS_PER_SECOND
        elif self._last >= 0:
            self._step = ticks - self._last
        self._last = ticks
        return ticks


def _configure(context: VideoCodecContext, height: int, width: int) -> None:
    context.height, context.width = height, width
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, _TICKS_PER_SECOND)
    context.gop_size = _KEYFRAME_INTERVAL
    # Fragments have no edit list to take back the delay that B-frames bring.
    context.max_b_frames = 0
    # The matrix that swscale converts with; without the tag, players take another one for HD.
    context.colorspace = 6  # SMPTE 170M, ITU-T H.273 table 4
    context.color_range = 1  # limited


@lru_cache(maxsize=1)
def _encoder() -> str:
    """The best encoder of the installed FFmpeg that opens: some are listed and do not."""
    import av

    reasons = []
    for name, options in _ENCODERS.items():
        try:
            context: Any = av.CodecContext.create(name, "w")
            _configure(context, 64, 64)
            context.options = dict(options)
            context.open()
        except (OSError, ValueError, av.FFmpegError) as error:
            reasons.append(f"{name}: {error}")
        else:
            return name
    raise SinkError(
        f"no video encoder opens in the installed FFmpeg ({'; '.join(reasons)}); "
        "reinstall PyAV from its wheel: pip install --force-reinstall av"
    )


def _movflags() -> str:
    """Fragments, which FFmpeg from 7.1 (libavformat 61.7) on joins to a plain MP4 at the end."""
    import av

    if av.library_versions["libavformat"] >= (61, 7, 0):
        return "hybrid_fragmented"
    return "frag_keyframe+empty_moov+default_base_moof"


def _fitted(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """The image scaled into a size with its aspect kept, black around it."""
    if image.shape[:2] == size:
        return image
    import av

    height, width = image.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    # swscale pads its rows by itself and needs an even width here.
    frame = av.VideoFrame.from_ndarray(_even(image), format="bgr24")
    scaled = frame.reformat(width=inner[1], height=inner[0], interpolation="AREA").to_ndarray()
    fitted = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    fitted[top : top + inner[0], left : left + inner[1]] = scaled
    return fitted


def _even(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image with its last row and column repeated up to a size that 4:2:0 can hold."""
    height, width = image.shape[:2]
    even = _even_size(height, width)
    if even == (height, width):
        return image
    return np.pad(image, ((0, even[0] - height), (0, even[1] - width), (0, 0)), mode="edge")


def _even_size(height: int, width: int) -> tuple[int, int]:
    return max(_SHORTEST_SIDE_PX, height + height % 2), max(_SHORTEST_SIDE_PX, width + width % 2)
