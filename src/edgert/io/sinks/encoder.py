"""The video encoder: which one, how it is set, and the times it is given."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from edgert.errors import SinkError

if TYPE_CHECKING:
    import av
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

__all__ = ["TICKS_PER_SECOND", "FrameClock", "add_stream"]

# Ticks that hold 24, 25, 30, 50, 60 and 30000/1001 frames a second exactly, and no more than the
# 65535 that MPEG-4 part 2 admits.
TICKS_PER_SECOND = 60000

# Best first: OpenH264 is BSD with Cisco's patent licence, x264 GPL; every FFmpeg has MPEG-4.
_ENCODERS: dict[str, dict[str, str]] = {
    "libopenh264": {"rc_mode": "quality"},
    "libx264": {"preset": "veryfast", "crf": "23"},
    "mpeg4": {"qmin": "2", "qmax": "8"},
}

# The same where a bit rate is given.
_AIMING: dict[str, dict[str, str]] = {
    "libopenh264": {"rc_mode": "bitrate"},
    "libx264": {"preset": "veryfast"},
    "mpeg4": {},
}

# A crash costs the frames since the last of these.
_KEYFRAME_INTERVAL = 30


class FrameClock:
    """Frame times as ticks from the first frame on, always growing."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._last = -1
        self._step = TICKS_PER_SECOND // 30

    def ticks(self, time_s: float) -> int:
        """The ticks of a frame at that time, in seconds."""
        ticks = None
        if math.isfinite(time_s):
            if self._start is None:
                self._start = time_s
            ticks = round((time_s - self._start) * TICKS_PER_SECOND)
        if ticks is None or ticks <= self._last:
            # A camera that starts over must not end the file: carry on in the last known rhythm.
            ticks = self._last + self._step if self._last >= 0 else 0
            if self._start is not None and math.isfinite(time_s):
                self._start = time_s - ticks / TICKS_PER_SECOND
        elif self._last >= 0:
            self._step = ticks - self._last
        self._last = ticks
        return ticks


def add_stream(
    container: av.container.OutputContainer,
    height: int,
    width: int,
    *,
    bit_rate: int | None = None,
) -> VideoStream:
    """Adds a video stream of that size, in pixels, to a container.

    Args:
        container: The file.
        height: Of the frames.
        width: Of the frames.
        bit_rate: Bits a second to aim at; None: as many as a constant quality takes.

    Raises:
        SinkError: The installed FFmpeg has no encoder that opens.
    """
    name = _encoder()
    options = dict(_ENCODERS[name] if bit_rate is None else _AIMING[name])
    stream = cast("VideoStream", container.add_stream(name, rate=30, options=options))
    if bit_rate is not None:
        stream.codec_context.bit_rate = bit_rate
    _configure(stream.codec_context, height, width)
    stream.time_base = Fraction(1, TICKS_PER_SECOND)
    return stream


def _configure(context: VideoCodecContext, height: int, width: int) -> None:
    context.height, context.width = height, width
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, TICKS_PER_SECOND)
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
