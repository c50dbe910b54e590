"""One source on its way through a pipeline."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from edgert import _core
from edgert.errors import DamagedInputWarning
from edgert.io import Reader, Source
from edgert.io.frame import Frame
from edgert.result import Result

__all__ = ["Run"]


class Run:
    """Feeds a source's frames to the native pipeline and takes the results out.

    The reader's thread decodes ahead, the feeding thread runs the detection leg, the native
    pipeline's thread the pose leg; whoever iterates only collects.
    """

    def __init__(
        self,
        core: _core.Pipeline,
        source: Source,
        take: Callable[[Any], Any],
        collect: Callable[[], tuple[Frame, Result]],
    ) -> None:
        self._core = core
        self._take = take
        self._source = source
        self._collect = collect
        # A live frame that waited is a frame that is late: only the newest is kept.
        self._reader = Reader(source, capacity=1 if source.live else 2)
        self._warned = 0
        self._closed = False
        # One True a frame that was submitted, then the exception that ended it or None.
        self._submitted: SimpleQueue[bool | BaseException | None] = SimpleQueue()
        self._feeder = threading.Thread(target=self._feed, name="edgert-feed", daemon=True)
        self._feeder.start()

    def __iter__(self) -> Iterator[tuple[Frame, Result]]:
        while True:
            token = self._submitted.get()
            if self._closed:
                raise RuntimeError("the pipeline was closed while it ran")
            self._pass_warnings_on()
            if token is None:
                return
            if isinstance(token, BaseException):
                raise token
            yield self._collect()

    def close(self) -> None:
        """Stop, wherever it is, and leave the pipeline empty. Twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._core.stop()
        self._reader.close()
        self._feeder.join()
        self._core.resume()
        while self._core.in_flight:
            with suppress(Exception):  # nobody waits for these frames any more
                self._core.collect()
        self._pass_warnings_on()

    def _feed(self) -> None:
        end: BaseException | None = None
        try:
            for frame in self._reader:
                if not self._core.submit(
                    self._take(frame.image), frame, frame.stream, frame.time_s
                ):
                    break
                self._submitted.put(True)
        except BaseException as error:  # whatever it is, it belongs to who iterates
            end = error
        finally:
            self._submitted.put(end)

    def _pass_warnings_on(self) -> None:
        found = self._source.warnings
        for message in found[self._warned :]:
            warnings.warn(message, DamagedInputWarning, stacklevel=5)
        self._warned = len(found)
