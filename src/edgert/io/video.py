"""A recorded video: a file, or a URL with an end."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgert.errors import SourceError
from edgert.io.arrays import DEFAULT_FPS
from edgert.io.frame import Frame
from edgert.io.media import Media
from edgert.io.source import Source
from edgert.io.timing import Clock

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
        self._clock = Clock(self._step_s)
        self._delivered = 0
        self._last_pts: int | None = None
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
        for packet in self._media.packets():
            frames = self._media.decode(packet)
            if frames is not None:
                yield from map(self._frame, frames)
            elif packet is not None:
                self._count_undecodable()
            else:
                yield from self._decode_tail()
        self._check_end()

    def _decode_tail(self) -> Iterator[Frame]:
        """The last frames again, without threads.

        Frame threads hold a few frames back. When the decoder fails while it is emptied at the
        end, sound frames before the damaged one are lost with it.
        """
        after = self._last_pts
        if after is None:
            self._count_undecodable()
            return
        try:
            tail = self._media.reopened_at(after)
        except SourceError:
            self._count_undecodable()
            return
        with contextlib.closing(tail):
            for packet in tail.packets():
                frames = tail.decode(packet)
                if frames is None:
                    self._count_undecodable()
                    continue
                for frame in frames:
                    if frame.pts is not None and frame.pts > after:
                        yield self._frame(frame)

    def _frame(self, frame: "VideoFrame") -> Frame:
        index = self._delivered + self._skipped
        self._delivered += 1
        if frame.pts is not None:
            self._last_pts = max(frame.pts, self._last_pts or frame.pts)
        time_s = self._clock.time_s(self._media.stamp_s(frame))
        return Frame(self._media.image(frame), index, time_s, self.name)

    def _count_undecodable(self) -> None:
        if self._skipped == 0:
            # Frame threads and reordering tell of a damaged frame a few frames late.
            self.warnings.append(
                f"{self.name}: damaged: a frame near frame {self._delivered} at "
                f"{self._clock.last_s or 0.0:.3f} s cannot be decoded; it is skipped, as are any "
                "others like it"
            )
        self._skipped += 1

    def _check_end(self) -> None:
        last_s = self._clock.last_s
        if last_s is None:
            return
        reason = self._media.ended_with
        end_s = self._media.announced_end_s
        if reason is None and end_s is not None:
            # By packets: the last frame may be shown for long, and a skipped one is no cut. A
            # container that counts its frames is believed to half of one.
            missing_s = end_s - max(self._media.packets_end_s, last_s)
            short = self._delivered + self._skipped < (self.frame_count or 0)
            if missing_s > (0.5 if short else 1.5) * self._step_s:
                reason = f"{end_s:.3f} s were announced"
        if reason is not None:
            self.warnings.append(
                f"{self.name}: truncated or damaged: ends after frame "
                f"{self._delivered + self._skipped - 1} at {last_s:.3f} s ({reason})"
            )

    def _release(self) -> None:
        self._media.close()
