"""Cameras and streams that FFmpeg opens: Video4Linux and the network."""

import re
from pathlib import Path

from edgert.errors import SourceError
from edgert.io.address import options_of, redact
from edgert.io.live import LiveSource
from edgert.io.media import Media
from edgert.io.source import Source
from edgert.io.video import VideoSource

__all__ = ["LIVE_SCHEMES", "open_network", "open_v4l2", "open_web"]

LIVE_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "srt")

_OPEN_S = 10.0
_READ_S = 5.0
_LIMITS_S = (_OPEN_S, _READ_S)

_LOW_LATENCY = {"fflags": "nobuffer", "flags": "low_delay"}
# RTP over UDP loses packets in bursts of smeared frames; TCP does not.
_RTSP = {"rtsp_transport": "tcp", "timeout": str(int(_READ_S * 1e6))}


def open_network(url: str, *, fps: float | None = None) -> LiveSource:
    """Opens a live stream such as ``rtsp://camera/stream``.

    Args:
        url: Its address; user and password in it are used but never shown.
        fps: Frame rate, where the stream does not tell.

    Raises:
        SourceError: No connection, or no video in it.
    """
    options = _LOW_LATENCY | (_RTSP if url.lower().startswith("rtsp") else {})

    def connect() -> Media:
        return Media(url, redact(url), options=options, timeout_s=_LIMITS_S, low_latency=True)

    return LiveSource(connect, fps=fps)


def open_web(url: str, *, fps: float | None = None) -> Source:
    """Opens an http(s) address: a recording if it has a duration, else a live stream.

    Args:
        url: Its address; user, password and tokens in it are used but never shown.
        fps: Frame rate, where the container does not tell.

    Raises:
        SourceError: No connection, or no video in it.
    """

    def connect() -> Media:
        return Media(url, redact(url), timeout_s=_LIMITS_S)

    media = connect()
    if media.duration_known:
        return VideoSource(media, fps=fps)
    return LiveSource(connect, media=media, fps=fps, ends=True)


def open_v4l2(address: str, name: str, *, fps: float | None = None) -> LiveSource:
    """Opens a Video4Linux camera.

    Args:
        address: ``v4l2:///dev/video0``; FFmpeg's options may follow, such as
            ``?video_size=1280x720&framerate=30&input_format=mjpeg``.
        name: What to call it.
        fps: Frame rate to ask the camera for.

    Raises:
        SourceError: No such camera, no permission, or the camera refuses the options.
    """
    known = {"video_size": "", "framerate": f"{fps:g}" if fps else "", "input_format": ""}
    device, options = options_of(address, known)
    if not Path(device).exists():
        found = sorted(Path("/dev").glob("video*"), key=lambda path: _number(path.name))
        cameras = ", ".join(str(path) for path in found) or "no camera at all"
        raise SourceError(f"{name}: {device} does not exist; found {cameras}")
    chosen = {key: value for key, value in options.items() if value}

    def connect() -> Media:
        try:
            return Media(
                device, name, format="v4l2", options=chosen, timeout_s=_LIMITS_S, low_latency=True
            )
        except SourceError as error:
            if "denied" in str(error):
                raise SourceError(f"{error}; add yourself to the group 'video'") from None
            raise

    return LiveSource(connect, fps=fps)


def _number(name: str) -> int:
    digits = re.sub(r"\D", "", name)
    return int(digits) if digits else -1
