"""An opened container: its packets, and BGR images from them. FFmpeg through PyAV."""

import gc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from edgert.errors import SourceError
from edgert.io.frame import Image
from edgert.io.orientation import Orientation

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["Media", "reason_of"]

# FFmpeg "decodes" plain text with these, into pictures of the text.
_TEXT_ART = frozenset({"tty", "bin", "xbin", "adf", "idf"})

_ATTACHED_PICTURE = 0x400
"""AV_DISPOSITION_ATTACHED_PIC: the cover of a song."""


def reason_of(error: Exception) -> str:
    """What FFmpeg says went wrong, without the address, which may hold a password."""
    if type(error).__name__ == "ExitError":
        return "no data within the time limit"
    return str(getattr(error, "strerror", None) or type(error).__name__)


class Media:
    """One container that is being read, by one thread at a time."""

    def __init__(
        self,
        address: str,
        name: str,
        *,
        format: str | None = None,
        options: dict[str, str] | None = None,
        timeout_s: tuple[float, float] | None = None,
        low_latency: bool = False,
    ) -> None:
        """Opens an address.

        Args:
            address: What FFmpeg opens: ``file:PATH``, a URL, a device.
            name: What to call it in errors.
            format: FFmpeg's input format, where the content does not tell.
            options: FFmpeg's options.
            timeout_s: Limits for opening and for each read, for what can block.
            low_latency: Decode without threads that each hold a frame back.

        Raises:
            SourceError: It cannot be opened, or holds no video.
        """
        import av
        from av.video.reformatter import VideoReformatter

        keywords: dict[str, Any] = {"format": format, "options": options or {}}
        if timeout_s is not None:
            keywords["timeout"] = timeout_s
        self.name = name
        self._arguments = (address, format, options, timeout_s)
        try:
            self._container: InputContainer = av.open(address, "r", **keywords)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            # Not chained: the text of the original holds the address.
            raise SourceError(f"{name}: {reason_of(error)}") from None
        try:
            self.stream = self._find_stream()
            self.stream.thread_type = "SLICE" if low_latency else "AUTO"
        except BaseException:
            self._container.close()
            raise
        self._reformatter = VideoReformatter()
        self._orientation = Orientation()
        self.ended_with: str | None = None
        """Why demuxing stopped short of the end, or None."""
        self.packets_end_s = 0.0
        """Where the last packet so far ends."""

    @property
    def fps(self) -> float | None:
        """The stream's average rate, else FFmpeg's guess."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return float(rate) if rate else None

    @property
    def frame_count(self) -> int | None:
        """The number of frames that the container announces."""
        return self.stream.frames or None

    @property
    def duration_known(self) -> bool:
        """Whether this is a recording rather than something without an end."""
        return self._container.duration is not None

    @property
    def announced_end_s(self) -> float | None:
        """When the video ends according to the container; None where it says nothing of it."""
        stream, container = self.stream, self._container
        if stream.duration and stream.time_base:
            return float((stream.duration + (stream.start_time or 0)) * stream.time_base)
        if container.duration and len(container.streams) == 1:
            return (container.duration + max(container.start_time or 0, 0)) / 1e6
        return None

    def reopened_at(self, pts: int) -> "Media":
        """A second view of the same container, from the key frame before `pts` on.

        It decodes without frame threads, so that an error costs no frame but the damaged one.

        Raises:
            SourceError: It cannot be opened again, or has no way back.
        """
        import av

        address, format, options, timeout_s = self._arguments
        media = Media(
            address,
            self.name,
            format=format,
            options=options,
            timeout_s=timeout_s,
            low_latency=True,
        )
        try:
            media._container.seek(pts, stream=media.stream)
        except av.error.FFmpegError as error:
            media.close()
            raise SourceError(f"{self.name}: {reason_of(error)}") from None
        return media

    def packets(self) -> "Iterator[Packet[VideoStream] | None]":
        """The packets of the video, then None, which asks the decoder for what it still holds."""
        import av

        cut: Packet[VideoStream] | None = None
        demuxer = self._container.demux(self.stream)
        while True:
            try:
                packet = next(demuxer)
            except (StopIteration, EOFError):
                break
            except (av.error.FFmpegError, OSError) as error:
                self.ended_with = reason_of(error)
                break
            if packet.size == 0:  # PyAV's end mark, or an empty chunk, which would flush too early
                continue
            if cut is not None:
                yield self._noted(cut)
            # FFmpeg marks a packet that the end of the file has cut. If another packet follows it
            # was something milder, and the decoder may conceal it.
            cut = packet if packet.is_corrupt else None
            if cut is None:
                yield self._noted(packet)
        if cut is not None:
            self.ended_with = self.ended_with or "the last frame is cut off"
        yield None

    def decode(self, packet: "Packet[VideoStream] | None") -> "list[VideoFrame] | None":
        """Decodes a packet, or flushes; None if it cannot be decoded."""
        import av

        try:
            return list(self.stream.decode(packet))
        except EOFError:
            return []
        except (av.error.FFmpegError, OSError, ValueError):
            return None

    def stamp_s(self, frame: "VideoFrame") -> float | None:
        """The frame's presentation time in seconds, if it has one."""
        # Not frame.time_base: PyAV leaves it out of the frames that a flush brings.
        time_base = self.stream.time_base
        return None if frame.pts is None or time_base is None else float(frame.pts * time_base)

    def image(self, frame: "VideoFrame") -> Image:
        """The frame upright, in BGR. Pixels keep their shape, square or not.

        It is FFmpeg's own memory, which lives as long as the array does; rows may be padded.
        """
        upright = self._orientation.upright(frame)
        plane: Any = self._reformatter.reformat(upright, format="bgr24").planes[0]
        shape, strides = (plane.height, plane.width, 3), (plane.line_size, 3, 1)
        image: Image = np.ndarray(shape, np.uint8, buffer=plane, strides=strides)
        return image

    def close(self) -> None:
        """Frees the container. Never while another thread reads."""
        self._container.close()
        # The frame whose display matrix was read and PyAV's view of it hold each other, and the
        # decoder's memory; the collector's own turn may come thousands of frames later.
        gc.collect()

    def _noted(self, packet: "Packet[VideoStream]") -> "Packet[VideoStream]":
        start = packet.pts if packet.pts is not None else packet.dts
        if start is not None and self.stream.time_base is not None:
            end_s = float((start + (packet.duration or 0)) * self.stream.time_base)
            self.packets_end_s = max(self.packets_end_s, end_s)
        return packet

    def _find_stream(self) -> "VideoStream":
        if self._container.format.name in _TEXT_ART:
            raise SourceError(f"{self.name}: not a video or image: found text")
        streams = self._container.streams
        for stream in streams.video:
            # Stream.disposition came with PyAV 14; before, a cover looks like a one-frame video.
            if not int(getattr(stream, "disposition", 0)) & _ATTACHED_PICTURE:
                return stream
        kinds = sorted({str(stream.type) for stream in streams}) or ["nothing"]
        cover = " (its cover picture)" if streams.video else ""
        raise SourceError(
            f"{self.name}: found {' and '.join(kinds)}{cover}, expected a video stream"
        )
