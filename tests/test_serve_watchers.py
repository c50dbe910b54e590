"""Many watchers of the live page, slow ones, and its end."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from contextlib import closing

import pytest

from edgert.errors import SinkError
from edgert.io.sinks import Serve
from edgert.monitor import handler, server

from live_page import (
    Camera,
    Watcher,
    ask,
    eventually,
    frame,
    make,
    open_sockets,
    port_of,
    serve_threads,
    stats,
)


def test_ten_watchers_one_of_them_stuck(live, monkeypatch):
    assert handler.Handler.timeout <= 10
    monkeypatch.setattr(handler.Handler, "timeout", 1.5)
    big = (720, 1280)
    live.write(make(size=big), frame(size=big))
    with Camera(live, fps=60, size=big) as camera:
        stuck = Watcher(live, receive_bytes=4096)
        watchers = [Watcher(live) for _ in range(9)]
        counts = [0] * 9

        def watch(number: int) -> None:
            while watchers[number].picture() is not None:
                counts[number] += 1

        threads = [threading.Thread(target=watch, args=(i,)) for i in range(9)]
        for thread in threads:
            thread.start()
        eventually(lambda: min(counts) >= 10)
        eventually(lambda: len([n for n in serve_threads() if "client" in n]) == 9)
        at_that_time = list(counts)
        eventually(lambda: all(a > b for a, b in zip(counts, at_that_time, strict=True)))
        written = len(camera.write_s)
        eventually(lambda: len(camera.write_s) > written + 5)
    # A write never waits for a watcher: the stuck one alone would hold it for 1.5 s.
    assert statistics.median(camera.write_s) < 0.02
    assert max(camera.write_s) < 1.0
    live.close()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    for watcher in [stuck, *watchers]:
        watcher.close()


def test_closing_while_watched_leaves_no_thread_and_no_socket():
    before = open_sockets()
    sink = Serve("0", stats)
    port = port_of(sink)
    sink.write(make(), frame())
    idle = socket.create_connection(("127.0.0.1", port))  # says nothing
    stuck = Watcher(sink, receive_bytes=4096)
    with Camera(sink, size=(720, 1280)):
        watchers = [Watcher(sink) for _ in range(5)]
        for watcher in watchers:
            assert watcher.picture() is not None
    start = time.monotonic()
    sink.close()
    assert time.monotonic() - start < 2
    assert serve_threads() == []
    for watcher in watchers:
        while watcher.picture() is not None:
            pass
        watcher.close()
    stuck.close()
    idle.close()
    assert open_sockets() == before
    sink.close()
    with pytest.raises(SinkError, match="closed"):
        sink.write(make())
    with Serve(str(port), stats):
        pass  # the port is free again


def test_watchers_have_a_limit_and_make_room_when_they_go(live, monkeypatch):
    live.write(make(), frame())
    watchers = [Watcher(live) for _ in range(server._MOST_WATCHERS)]
    assert [watcher.status for watcher in watchers] == [200] * server._MOST_WATCHERS
    one_more = Watcher(live)
    assert one_more.status == 503
    one_more.close()
    assert ask(live, "/healthz")[0] == 200
    # No frame comes: the server has to notice by itself.
    watchers.pop().close()

    def has_room() -> bool:
        with closing(Watcher(live)) as watcher:
            return watcher.status == 200

    eventually(has_room)
    for watcher in watchers:
        watcher.close()


def test_connections_that_say_nothing_are_limited_and_dropped(live, monkeypatch):
    monkeypatch.setattr(handler.Handler, "timeout", 3.0)
    silent = [
        socket.create_connection(("127.0.0.1", port_of(live)), timeout=10)
        for _ in range(server._MOST_CONNECTIONS)
    ]
    eventually(lambda: len(serve_threads()) == 1 + server._MOST_CONNECTIONS)
    with socket.create_connection(("127.0.0.1", port_of(live)), timeout=1.5) as one_more:
        assert one_more.recv(1) == b"", "turned away at once, not when the others are dropped"
    for connection in silent:
        assert connection.recv(1) == b""
        connection.close()
    assert ask(live, "/healthz")[0] == 200
