"""What every source of frames is: an iterable, once, that another thread may close."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType

from edgert.io.frame import Frame

__all__ = ["Source"]


class Source(ABC):
    """Frames from one place. Iterable once; a context manager.

    Attributes:
        name: What the user gave, without credentials.
        live: Whether frames come at their own pace, so that a slow consumer must lose some.
        fps: Frames per second, where known.
        frame_count: Number of frames, where known beforehand.
        size: (height, width) in pixels of the frames as delivered, where known.
        warnings: What was wrong with input that could still be used, in order of discovery.
    """

    def __init__(
        self,
        name: str,
        *,
        live: bool = False,
        fps: float | None = None,
        frame_count: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        self.name = name
        self.live = live
        self.fps = fps
        self.frame_count = frame_count
        self.size = size
        self.warnings: list[str] = []
        self._dropped = 0
        self._skipped = 0
        self._begun = False
        self._closed = threading.Event()
        # Held by whoever touches the decoder: freeing it under a thread that decodes is a crash.
        self._busy = threading.Lock()

    @property
    def parts(self) -> "tuple[Source, ...]":
        """The sources that this one is made of: itself, unless it is a list."""
        return (self,)

    @property
    def dropped(self) -> int:
        """Frames lost because the source was live and its consumer slower."""
        return self._dropped

    @property
    def skipped(self) -> int:
        """Images and video frames that could not be read."""
        return self._skipped

    def count_dropped(self) -> None:
        """Records that a frame was delivered but thrown away before anybody saw it."""
        self._dropped += 1

    def __iter__(self) -> Iterator[Frame]:
        if self._begun:
            raise RuntimeError(f"{self.name}: a source is read once; open it again")
        self._begun = True
        return self._deliver()

    def close(self) -> None:
        """Ends the iteration and frees the decoder. May be called twice and from any thread.

        Returns at once. A thread that is inside a blocking read frees the decoder itself as soon
        as that read returns.
        """
        self._closed.set()
        if self._busy.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._busy.release()

    def _deliver(self) -> Iterator[Frame]:
        frames = self._frames()
        try:
            while True:
                with self._busy:
                    if self._closed.is_set():
                        return
                    frame = next(frames, None)
                if frame is None or self._closed.is_set():
                    return
                yield frame
        finally:
            self.close()

    @abstractmethod
    def _frames(self) -> Iterator[Frame]:
        """The frames. Never advanced by two threads at once, nor while `_release` runs."""

    def _release(self) -> None:  # noqa: B027  (most sources hold nothing)
        """Frees what the source holds. May be called more than once."""

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        size = f", {self.size[1]}x{self.size[0]}" if self.size else ""
        rate = f", {self.fps:g} fps" if self.fps else ""
        return f"<{type(self).__name__} {self.name}{size}{rate}>"
