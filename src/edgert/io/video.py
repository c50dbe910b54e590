"""A recorded video: a file, or a URL with an end."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgert.errors import SourceError
from edgert.io.arrays import DEFAULT_FPS
from edgert.io.frame import Frame
from edgert.io.media import Media
from edgert.io.source import Source

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["VideoSource"]


class VideoSource(Source):
    """The frames of a recording, at the times that its container gives them.

    A recording that is cut off or damaged delivers what can be decoded, then ends; `warnings`
    says where. A frame in its middle that cannot be decoded is skipped and counted.
    """

    def __init__(self, media: Media, *, fps: float | None = None) -> None:
        """Reads the first frame.

        Args:
            media: The opened container; from now on the source's own.
            fps: Frame rate for a container that has neither a rate nor times.

        Raises:
            SourceError: Not one frame can be decoded.
        """
        super().__init__(media.name, fps=media.fps or fps, frame_count=media.frame_count)
        self._media = media
        self._step_s = 1.0 / (self.fps or DEFAULT_FPS)
        self._last_s: float | None = None
        self._decoded = self._decode()
        first = next(self._decoded, None)
        if first is None:
            media.close()
            found = f"{self.skipped} frames, none of which can be decoded"
            raise SourceError(f"{self.name}: found {found if self.skipped else 'no frames'}")
        self._first = first
        self.size = (first.image.shape[0], first.image.shape[1])

    def _frames(self) -> Iterator[Frame]:
        yield self._first
        yield from self._decoded

    def _decode(self) -> Iterator[Frame]:
        index = 0
        for packet in self._media.packets():
            frames = self._media.decode(packet)
            if frames is None:
                self._count_undecodable(index)
                index += 1
                continue
            for frame in frames:
                yield Frame(self._media.image(frame), index, self._time_s(frame), self.name)
                index += 1
        self._check_end(index)

    def _time_s(self, frame: "VideoFrame") -> float:
        time_s = None
        if frame.pts is not None and frame.time_base is not None:
            time_s = float(frame.pts * frame.time_base)
        if self._last_s is not None and (time_s is None or time_s <= self._last_s):
            time_s = self._last_s + self._step_s
        self._last_s = time_s or 0.0
        return self._last_s

    def _count_undecodable(self, index: int) -> None:
        self._skipped += 1
        if self._skipped == 1:
            after = "at the start" if self._last_s is None else f"after {self._last_s:.3f} s"
            self.warnings.append(
                f"{self.name}: damaged: frame {index}, {after}, cannot be decoded and is skipped, "
                "as will be all others like it"
            )

    def _check_end(self, index: int) -> None:
        if self._last_s is None:
            return
        reason = self._media.ended_with
        end_s = self._media.announced_end_s
        if reason is None and end_s is not None and self._media.stream.time_base is not None:
            # From packets: a last frame may be shown for long, and one that was skipped is no cut.
            got_s = float(self._media.last_end_pts * self._media.stream.time_base)
            if end_s - max(got_s, self._last_s + self._step_s) > 1.5 * self._step_s:
                reason = f"{end_s:.3f} s were announced"
        if reason is not None:
            self.warnings.append(
                f"{self.name}: truncated or damaged: ends after frame {index - 1} at "
                f"{self._last_s:.3f} s ({reason})"
            )

    def _release(self) -> None:
        self._media.close()
