"""Reading ahead: sources decode on their own threads while the consumer works."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType

from edgert.io.frame import Frame
from edgert.io.source import Source

__all__ = ["Reader"]

_JOIN_S = 1.0
"""How long `close` waits for a thread. One inside a network read ends later, by its time limit."""


class _Lane:
    """A source, the frames read ahead from it, and how its thread ended."""

    def __init__(self, source: Source, stream: int) -> None:
        self.source = source
        self.stream = stream
        self.frames: deque[Frame] = deque()
        self.done = False
        self.error: BaseException | None = None


class Reader:
    """Runs a source on a thread of its own, or each source of a list on one of its own.

    At most `capacity` frames wait per source. When they do, a file waits too; a live source
    throws its oldest waiting frame away and counts it in `Source.dropped`. An exception of a
    source is raised to the consumer after the frames that came before it.

    Iterate once. Leaving the loop, by any way, closes the reader; so do `close` and `with`.
    """

    def __init__(self, source: Source, capacity: int = 4) -> None:
        """Starts reading.

        Args:
            source: What to read; from now on the reader's own, closed with it.
            capacity: Frames that may wait per source, at least 1.

        Raises:
            ValueError: `capacity` is under 1.
        """
        if capacity < 1:
            raise ValueError(f"capacity: found {capacity}, expected at least 1")
        self.source = source
        self._capacity = capacity
        self._changed = threading.Condition()
        self._closed = False
        parts = source.parts
        lanes = [_Lane(part, stream) for stream, part in enumerate(parts)]
        self._files = deque(lane for lane in lanes if not lane.source.live)
        self._live = deque(lane for lane in lanes if lane.source.live)
        self._live_had_turn = False
        self._threads = [
            threading.Thread(
                target=self._fill, args=(lane,), name=f"edgert-read-{lane.stream}", daemon=True
            )
            for lane in lanes
        ]
        for thread in self._threads:
            thread.start()

    @property
    def dropped(self) -> int:
        """Frames that the source lost because the consumer was slower."""
        return self.source.dropped

    def __iter__(self) -> Iterator[Frame]:
        try:
            while (frame := self._take()) is not None:
                yield frame
        finally:
            self.close()

    def close(self) -> None:
        """Stops the threads and closes the source. May be called twice and from any thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.source.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_S)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _fill(self, lane: _Lane) -> None:
        try:
            for frame in lane.source:
                if not self._put(lane, frame):
                    break
        except BaseException as error:  # whatever it is, it belongs to the consumer
            lane.error = error
        finally:
            lane.source.close()
            with self._changed:
                lane.done = True
                self._changed.notify_all()

    def _put(self, lane: _Lane, frame: Frame) -> bool:
        with self._changed:
            if lane.source.live and len(lane.frames) == self._capacity:
                lane.frames.popleft()
                lane.source.count_dropped()
            while len(lane.frames) == self._capacity and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            lane.frames.append(replace(frame, stream=lane.stream) if lane.stream else frame)
            self._changed.notify_all()
            return True

    def _take(self) -> Frame | None:
        with self._changed:
            while not self._closed:
                lane = self._next_lane()
                if lane is not None:
                    self._changed.notify_all()
                    return lane.frames.popleft()
                if not self._files and not self._live:
                    return None
                self._changed.wait()
            return None

    def _next_lane(self) -> _Lane | None:
        """Whose turn it is: files strictly in order, live ones if they have a frame, by turns."""
        self._retire(self._files)
        self._retire(self._live)
        ready_file = bool(self._files) and bool(self._files[0].frames)
        ready_live = next((lane for lane in self._live if lane.frames), None)
        if ready_live is not None and not (ready_file and self._live_had_turn):
            self._live_had_turn = True
            self._live.remove(ready_live)
            self._live.append(ready_live)
            return ready_live
        if ready_file:
            self._live_had_turn = False
            self._files.rotate(-1)
            return self._files[-1]
        return None

    def _retire(self, lanes: deque[_Lane]) -> None:
        for lane in [lane for lane in lanes if lane.done and not lane.frames]:
            lanes.remove(lane)
            if lane.error is not None:
                raise lane.error
