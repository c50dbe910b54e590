"""A live page, and numbers for monitoring, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgert.errors import SinkError
from edgert.io.sinks.base import Sink, sequence_of
from edgert.result import Result

__all__ = ["Serve"]


class Serve(Sink):
    """Serves what the pipeline does while it does it: `docs/monitoring.md` lists the addresses.

    It never holds the pipeline up: a frame is copied only when somebody watches, at most 15 times a
    second, and drawn and encoded in a thread of its own.

    Args:
        address: "8000" and ":8000" are for this machine only, "0.0.0.0:8000" for whoever reaches
            it; "127.0.0.1:8000" and "[::1]:8000" name an interface. Port 0 is any free one. There
            is no password: what the camera sees is open to all who reach the address.
        stats: `Pipeline.stats` of the pipeline that the results are from.

    Raises:
        ValueError: The address is none.
        SinkError: It cannot be had: the port is in use, or not of this machine.
    """

    def __init__(self, address: str, stats: Callable[[], dict[str, Any]]) -> None:
        from edgert.monitor.address import parse_address
        from edgert.monitor.feeds import Feeds
        from edgert.monitor.mjpeg import Encoder
        from edgert.monitor.server import MonitorServer

        self._feeds = Feeds()
        self._encoder = Encoder()
        self._server: MonitorServer | None = MonitorServer(
            parse_address(address), stats, self._feeds
        )
        self.url = self._server.url

    def write(self, result: Result, image: npt.NDArray[np.uint8] | None = None) -> None:
        """Makes a result the latest; without the image there are numbers and no picture.

        Raises:
            SinkError: It is closed.
        """
        if self._server is None:
            raise SinkError(f"{self.url}: cannot write: it is closed; open a new sink")
        feed = self._feeds.note(sequence_of(result.source), result)
        if image is not None:
            self._encoder.offer(feed.view, result, image)

    def close(self) -> None:
        """Ends all connections and threads, and gives the port back."""
        if self._server is not None:
            self._server.close()
            self._encoder.close()
            self._server = None
