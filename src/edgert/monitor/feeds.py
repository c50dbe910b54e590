"""What is known now: the latest result of each source, and how fast results come."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from edgert.monitor.mjpeg import View
from edgert.result import Result

__all__ = ["STALLED_S", "Feed", "Feeds", "Rate"]

STALLED_S = 10.0
"""A source without a frame for so long, in seconds, has stalled."""

_WINDOW_S = 3.0
# A page and a time series for each source: a program that makes up names must not fill the memory.
_MOST_FEEDS = 64
_OTHERS = "(others)"


class Rate:
    """Events a second over the last 3 seconds; falls to 0 when none come."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._first: float | None = None

    def add(self, now: float) -> None:
        """One more event."""
        if self._first is None:
            self._first = now
        self._times.append(now)
        self._forget(now)

    def per_second(self, now: float) -> float:
        """The rate at a time."""
        if self._first is None:
            return 0.0
        self._forget(now)
        # Of the very first event on: intervals count, not events.
        young = now - self._first < _WINDOW_S
        elapsed = now - self._first if young else _WINDOW_S
        return (len(self._times) - young) / elapsed if elapsed > 0 else 0.0

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - _WINDOW_S:
            self._times.popleft()


class Feed:
    """One source's latest.

    Attributes:
        name: Path or address of the source.
        result: Its latest result.
        view: Its newest picture.
        seen: When that result came, by `time.monotonic`.
        seen_unix: The same as seconds since 1970.
        rate: Of its results.
    """

    def __init__(self, name: str, result: Result) -> None:
        self.name = name
        self.result = result
        self.view = View()
        self.seen = self.seen_unix = 0.0
        self.rate = Rate()


class Feeds:
    """The sources in order of their first frame. Any thread may call anything.

    Sources from the 64th on share one feed.

    Args:
        clock: Seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._feeds: dict[str, Feed] = {}
        self._latest: Result | None = None
        self._rate = Rate()
        self._seen = clock()

    def note(self, name: str, result: Result) -> Feed:
        """Records a result of a source and returns the source's feed."""
        now = self._clock()
        with self._lock:
            if name not in self._feeds and len(self._feeds) >= _MOST_FEEDS - 1:
                name = _OTHERS
            feed = self._feeds.get(name)
            if feed is None:
                feed = self._feeds[name] = Feed(name, result)
            feed.result = self._latest = result
            feed.seen = self._seen = now
            feed.seen_unix = time.time()
            feed.rate.add(now)
            self._rate.add(now)
            return feed

    @property
    def latest(self) -> Result | None:
        """The latest result of all sources."""
        return self._latest

    def idle_s(self) -> float:
        """Seconds since the latest frame, or since the start."""
        return self._clock() - self._seen

    def all(self) -> list[Feed]:
        """The feeds; a feed keeps its place."""
        with self._lock:
            return list(self._feeds.values())

    def summary(self) -> dict[str, Any]:
        """The present as plain values.

        Returns:
            `fps` over the last 3 s; `people` in the latest frames of sources that have not stalled;
            `idle_s` since the latest frame; `sources`: for each its `name`, `fps`, `people` (None:
            stalled), `frame`, `time` (in the source), `width` and `height` in pixels, `idle_s` and
            `seen_unix`, the time of the latest frame in seconds since 1970.
        """
        now = self._clock()
        with self._lock:
            sources = [_describe(feed, now) for feed in self._feeds.values()]
            return {
                "fps": round(self._rate.per_second(now), 2),
                "people": sum(source["people"] or 0 for source in sources),
                "idle_s": round(now - self._seen, 3),
                "sources": sources,
            }


def _describe(feed: Feed, now: float) -> dict[str, Any]:
    result, idle_s = feed.result, now - feed.seen
    return {
        "name": feed.name,
        "fps": round(feed.rate.per_second(now), 2),
        "people": None if idle_s >= STALLED_S else len(result),
        "frame": int(result.frame_index),
        "time": float(result.time_s),
        "width": int(result.size[1]),
        "height": int(result.size[0]),
        "idle_s": round(idle_s, 3),
        "seen_unix": round(feed.seen_unix, 3),
    }
