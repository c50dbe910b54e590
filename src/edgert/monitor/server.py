"""The HTTP server: its socket, its threads, and their end."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any

from edgert.errors import SinkError
from edgert.monitor.address import Address
from edgert.monitor.feeds import Feeds
from edgert.monitor.handler import Handler

__all__ = ["MonitorServer"]

# More than these are turned away: a thread each, and each watcher's pictures pass the kernel.
_MOST_CONNECTIONS = 64
_MOST_WATCHERS = 16

_POLL_S = 0.1
_JOIN_S = 5.0

_FIXES = {
    errno.EADDRINUSE: "end the program that has it, or take another port; 0 is any free one",
    errno.EACCES: "ports below 1024 are the system's; take one from 1024 on",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 is all that it has",
}


class MonitorServer(ThreadingHTTPServer):
    """Serves in threads of its own, from when it is made until `close`.

    Args:
        address: Where to listen.
        stats: Gives `Pipeline.stats()`; called by any thread.
        feeds: What is known now.

    Raises:
        SinkError: The address cannot be had.
    """

    request_queue_size = 32

    def __init__(self, address: Address, stats: Callable[[], dict[str, Any]], feeds: Feeds) -> None:
        self.stats = stats
        self.feeds = feeds
        self.watchers = threading.BoundedSemaphore(_MOST_WATCHERS)
        self._clients: list[tuple[threading.Thread, socket.socket]] = []
        try:
            self.address_family, where = _resolve(address)
            super().__init__(where, Handler)
        except OSError as error:
            raise _error(address, error) from error
        self.address = Address(address.host, self.socket.getsockname()[1])
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_S,), name="edgert-serve", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Ends all connections, threads and the socket; returns when they are gone."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        for feed in self.feeds.all():
            feed.view.close()
        for _, connection in self._clients:
            _wake(connection)
        for thread, _ in self._clients:
            thread.join(_JOIN_S)

    @property
    def url(self) -> str:
        """Of the page; a server on all addresses is named by its host's name."""
        name = socket.gethostname() if self.address.host in ("0.0.0.0", "::") else None
        return f"http://{self.address if name is None else Address(name, self.address.port)}/"

    def server_bind(self) -> None:
        """Binds; does not ask the name service who we are, as the base class does for nothing."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for a connection, if there is room."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="edgert-serve-client",
            daemon=True,
        )
        self._clients = [client for client in self._clients if client[0].is_alive()]
        if len(self._clients) < _MOST_CONNECTIONS:
            thread.start()
            self._clients.append((thread, request))
        else:
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says what is wrong with this program; a connection that breaks is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _resolve(address: Address) -> tuple[socket.AddressFamily, Any]:
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, where = found[0]
    return family, where


def _wake(connection: socket.socket) -> None:
    """Ends a read or write that another thread is blocked in."""
    with contextlib.suppress(OSError):  # it is closed already
        connection.shutdown(socket.SHUT_RDWR)


def _error(address: Address, error: OSError) -> SinkError:
    if isinstance(error, socket.gaierror):
        reason, fix = f"no such host: {error.strerror}", "name an address of this machine"
    else:
        reason = os.strerror(error.errno) if error.errno else str(error)
        fix = _FIXES.get(error.errno or 0, "")
    return SinkError(
        f"live page: cannot listen on port {address.port} of {address.host}: {reason}"
        + (f"; {fix}" if fix else "")
    )
