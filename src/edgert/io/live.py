"""Streams without an end: network cameras and USB cameras."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from edgert.errors import SourceError
from edgert.io.arrays import DEFAULT_FPS
from edgert.io.frame import Frame
from edgert.io.media import Media
from edgert.io.source import Source
from edgert.io.timing import Clock

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["LiveSource"]

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 10.0


class LiveSource(Source):
    """Frames as they come. A connection that is lost is made again, for as long as it takes.

    `Frame.time_s` counts from the first frame and goes on over a gap by the clock.

    Attributes:
        reconnects: How often the connection was lost and made again.
    """

    def __init__(
        self,
        connect: Callable[[], Media],
        *,
        media: Media | None = None,
        fps: float | None = None,
        ends: bool = False,
    ) -> None:
        """Connects.

        Args:
            connect: Opens the stream, now and after each loss.
            media: The stream, where it is open already.
            fps: Frame rate, where the stream does not tell.
            ends: Whether the end of the stream is its end, rather than a lost connection.

        Raises:
            SourceError: The first connection fails: the address is wrong or nobody is there.
        """
        self._media = media or connect()
        context = self._media.stream.codec_context
        super().__init__(
            self._media.name,
            live=True,
            fps=self._media.fps or fps,
            size=(context.height, context.width) if context.height and context.width else None,
        )
        self._connect = connect
        self._ends = ends
        self._failures = 0
        self._index = 0
        self._clock = Clock(1.0 / (self.fps or DEFAULT_FPS))
        self._clock.restart(0.0)
        self._started_at: float | None = None
        self.reconnects = 0

    def _frames(self) -> Iterator[Frame]:
        while True:
            for packet in self._media.packets():
                if self._closed.is_set():
                    return
                frames = self._media.decode(packet)
                if frames is None:
                    self._skipped += 1
                    self._index += 1
                    continue
                for frame in frames:
                    yield self._frame(frame)
            reason = self._media.ended_with
            self._media.close()
            if self._closed.is_set() or (self._ends and reason is None):
                return
            if not self._reconnect(reason or "the stream ended"):
                return

    def _frame(self, frame: "VideoFrame") -> Frame:
        image = self._media.image(frame)
        self.size = (image.shape[0], image.shape[1])
        self._failures = 0
        if self._started_at is None:
            self._started_at = time.monotonic()
        time_s = self._clock.time_s(self._media.stamp_s(frame))
        self._index += 1
        return Frame(image, self._index - 1, time_s, self.name)

    def _reconnect(self, reason: str) -> bool:
        """Waits and connects until it works; False if the source was closed meanwhile."""
        self.reconnects += 1
        # A connection that flaps for weeks must not fill the memory with warnings.
        if self.reconnects & (self.reconnects - 1) == 0:
            count = f", loss number {self.reconnects}" if self.reconnects > 1 else ""
            self.warnings.append(
                f"{self.name}: connection lost after frame {self._index - 1} at "
                f"{self._clock.last_s or 0.0:.1f} s{count} ({reason}); connecting again"
            )
        while not self._closed.wait(min(_FIRST_WAIT_S * 2**self._failures, _LONGEST_WAIT_S)):
            self._failures = min(self._failures + 1, 10)
            try:
                self._media = self._connect()
            except SourceError:
                continue
            if self._started_at is not None:
                self._clock.restart(time.monotonic() - self._started_at)
            return True
        return False

    def _release(self) -> None:
        self._media.close()
