"""The live page over real sockets: what it answers, what it costs, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import warnings
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

import edgert
from edgert.errors import SinkError
from edgert.io.sinks import Serve
from edgert.monitor import handler, mjpeg, server
from edgert.result import Result

SIZE = (90, 160)
# What takes longer has come to a halt, on an emulated processor too.
HANGS_S = 300


def make(index: int = 0, n: int = 2, size=SIZE, source: str = "street.mp4") -> Result:
    boxes = np.array([[10 + 40 * i, 30, 40 + 40 * i, 80] for i in range(n)], np.float32)
    return Result(
        boxes=boxes.reshape(n, 4),
        scores=np.full(n, 0.9, np.float32),
        class_ids=np.zeros(n, np.int32),
        ids=np.arange(1, n + 1, dtype=np.int64),
        keypoints=None,
        keypoint_scores=None,
        frame_index=index,
        time_s=index / 25,
        size=size,
        source=source,
    )


def frame(level: int = 60, size=SIZE) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def stats() -> dict:
    return {
        "stages": {"detect": {"count": 4, "mean": 2.5, "p50": 2.0, "p95": 4.0, "p99": 5.0}},
        "fps": 24.5,
        "frames": 4,
        "dropped_frames": 1,
        "skipped_frames": 0,
        "dropped_rows": 0,
        "dropped_heatmaps": 0,
        "temperature": 61.5,
        "throttled": False,
    }


@pytest.fixture
def live():
    with Serve("0", stats) as sink:
        yield sink


def port_of(sink: Serve) -> int:
    return urlsplit(sink.url).port


def ask(
    sink: Serve, path: str, method: str = "GET", host: str | None = "localhost"
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer, as they are on the wire."""
    lines = [f"{method} {path} HTTP/1.1", *([] if host is None else [f"Host: {host}"])]
    return exchange(sink, ("\r\n".join(lines) + "\r\n\r\n").encode())


def exchange(sink: Serve, request: bytes) -> tuple[int, dict[str, str], bytes]:
    with socket.create_connection(("127.0.0.1", port_of(sink)), timeout=10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body


class Watcher:
    """A browser that looks at /video; takes nothing until it is asked for a picture."""

    def __init__(self, sink: Serve, query: str = "", receive_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port_of(sink)))
        self.socket.sendall(f"GET /video{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self._stream = self.socket.makefile("rb")
        self.status = int(self._stream.readline().split()[1])
        self.headers = dict(iter(self._header, None))

    def picture(self) -> Image.Image | None:
        """The next picture; None at the end of the stream, which may be within a picture."""
        boundary = self._stream.readline()
        headers = dict(iter(self._header, None))
        jpeg = self._stream.read(int(headers.get("Content-Length", 0)))
        if self._stream.readline() != b"\r\n":
            assert self._stream.read() == b""
            return None
        assert boundary == b"--" + mjpeg.BOUNDARY + b"\r\n"
        assert headers["Content-Type"] == "image/jpeg"
        return Image.open(BytesIO(jpeg)).convert("RGB")

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

    def _header(self) -> tuple[str, str] | None:
        line = self._stream.readline().decode()
        return tuple(line[:-2].split(": ", 1)) if ": " in line and line.endswith("\r\n") else None


class Camera:
    """Writes frames in a thread; the frame's grey level says which one it is."""

    def __init__(self, sink: Serve, fps: float = 100, sources=("street.mp4",), size=SIZE) -> None:
        self.sink, self.fps, self.sources = sink, fps, sources
        self.image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
        self.write_s: list[float] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Camera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._end.wait(1 / self.fps):
            index = len(self.write_s)
            source = self.sources[index % len(self.sources)]
            result = make(index, size=self.image.shape[:2], source=source)
            start = time.perf_counter()
            self.sink.write(result, self.image)
            self.write_s.append(time.perf_counter() - start)


def eventually(condition) -> None:
    deadline = time.monotonic() + HANGS_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def serve_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("edgert-serve")]


def open_sockets() -> int:
    links = []
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder itself
            links.append(str(fd.readlink()))
    return sum(link.startswith("socket:") for link in links)


# --- Numbers --------------------------------------------------------------------------------------


def test_stats_are_the_pipelines_and_the_present(live):
    for index in range(3):
        live.write(make(index, n=index))
    status, headers, body = ask(live, "/stats.json")
    answer = json.loads(body)
    now = answer.pop("live")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert answer == stats()
    assert now["people"] == 2
    (source,) = now["sources"]
    assert (source["name"], source["frame"], source["people"]) == ("street.mp4", 2, 2)
    assert (source["height"], source["width"]) == SIZE
    assert abs(source["seen_unix"] - time.time()) < 60


def test_result_is_the_latest_json_line(live):
    assert ask(live, "/result.json")[0] == 503
    live.write(make(0))
    live.write(make(7, n=1))
    status, _, body = ask(live, "/result.json")
    assert status == 200
    assert body.decode() == make(7, n=1).to_json() + "\n"


def test_health_follows_the_frames(live, monkeypatch):
    assert ask(live, "/healthz")[0] == 200, "a pipeline that has just begun"
    monkeypatch.setattr(handler, "STALLED_S", 0.4)
    live.write(make())
    assert ask(live, "/healthz")[::2] == (200, b"ok\n")
    time.sleep(0.6)
    status, _, body = ask(live, "/healthz")
    assert status == 503
    assert b"no frame for" in body
    live.write(make())
    assert ask(live, "/healthz")[0] == 200


def test_a_closed_pipeline_gives_its_last_figures(model, picture):
    pipe = edgert.Pipeline(model("detector"))
    with Serve("0", pipe.stats) as sink:
        pipe(picture)
        pipe.close()
        status, _, body = ask(sink, "/stats.json")
        assert (status, json.loads(body)["frames"]) == (200, 1)
        assert ask(sink, "/metrics")[0] == 200


# --- HTTP -----------------------------------------------------------------------------------------


def test_the_page(live):
    status, headers, body = ask(live, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert int(headers["Content-Length"]) == len(body)
    page = body.decode()
    assert page.startswith("<!doctype html>")
    references = re.findall(r"""\b(?:src|href|action)\s*=\s*["'`]?([^"'`\s>]+)""", page)
    references += re.findall(
        r"""(?:\burl\(|@import|\bfetch\(|\bimport\()["'`\s]*([^"'`)]+)""", page
    )
    assert {reference.split(":")[0].split("?")[0] for reference in references} == {
        "data",
        "stats.json",
        "video",
    }, "the page needs nothing but this server, and works under any path of a proxy"
    named = set(re.findall(r'\bat\("([\w-]+)"\)|\bshow\("([\w-]+)"', page))
    ids = set(re.findall(r'\bid="([\w-]+)"', page))
    assert {a or b for a, b in named} <= ids


def test_the_policy_admits_the_pages_own_script_and_style_and_nothing_else(live):
    import base64
    import hashlib

    _, headers, body = ask(live, "/")
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    for tag in ("script", "style"):
        (inner,) = re.findall(rb"<%s>(.*?)</%s>" % (tag.encode(), tag.encode()), body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not re.search(rb"\son\w+=|\sstyle=", body), "the policy would block these"


@pytest.mark.parametrize("path", ["/", "/stats.json", "/metrics", "/healthz", "/video", "/nothing"])
def test_every_answer_stays_out_of_caches_and_other_sites(live, path):
    live.write(make())
    _, headers, body = ask(live, path, "HEAD")
    assert body == b"", "HEAD"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert headers["Server"] == "edgert"


@pytest.mark.parametrize(
    "path", ["/nothing", "/stats.json/x", "/video/", "/../etc/passwd", "/%2e%2e/x", "*"]
)
def test_unknown_paths_are_404(live, path):
    status, headers, body = ask(live, path)
    assert status == 404
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert path.encode() not in body, "nothing is echoed"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"])
def test_only_get_and_head(live, method):
    status, headers, _ = ask(live, "/stats.json", method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    ],
)
def test_what_is_no_request_hurts_nobody(live, request_):
    with socket.create_connection(("127.0.0.1", port_of(live)), timeout=10) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        try:
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:
            answer = b""
    assert b" 200 " not in answer.split(b"\r\n")[0]
    assert ask(live, "/healthz")[0] == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8", None])
def test_hosts_that_mean_this_machine(live, host):
    assert ask(live, "/stats.json", host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example"])
def test_a_website_that_points_its_name_here_reads_nothing(live, host):
    """DNS rebinding."""
    live.write(make(), frame())
    for path in ("/", "/stats.json", "/result.json", "/video", "/metrics"):
        status, _, body = ask(live, path, host=host)
        assert status == 421
        assert b"Host header" in body


def test_open_to_the_network_any_name_will_do():
    with Serve("0.0.0.0:0", stats) as sink:
        assert ask(sink, "/stats.json", host="jetson.lan")[0] == 200
        assert urlsplit(sink.url).hostname == socket.gethostname().lower()


# --- Addresses ------------------------------------------------------------------------------------


def test_a_bare_port_is_this_machine_only(live):
    assert live.url == f"http://127.0.0.1:{port_of(live)}/"
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port_of(live)))


def test_ipv6():
    try:
        sink = Serve("[::1]:0", stats)
    except SinkError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with sink:
        assert sink.url == f"http://[::1]:{port_of(sink)}/"
        with socket.create_connection(("::1", port_of(sink)), timeout=10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\n\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.0 200")


def test_a_port_in_use_is_named_with_the_fix(live):
    with pytest.raises(SinkError, match=rf"port {port_of(live)} of 127.0.0.1.*0 is any free one"):
        Serve(str(port_of(live)), stats)
    assert ask(live, "/healthz")[0] == 200


def test_an_address_of_another_machine():
    with pytest.raises(SinkError, match=r"192\.0\.2\.1: .*this machine has no such address"):
        Serve("192.0.2.1:0", stats)


def test_a_host_that_is_none():
    with pytest.raises(SinkError, match="no such host"):
        Serve("host.invalid:0", stats)


# --- Pictures -------------------------------------------------------------------------------------


def test_pictures_show_the_frame_with_the_people(live):
    live.write(make(), frame())
    watcher = Watcher(live)
    assert watcher.headers["Content-Type"].startswith("multipart/x-mixed-replace; boundary=")
    assert watcher.headers["Content-Type"].endswith(mjpeg.BOUNDARY.decode())
    image = frame()
    image[:, :, 0] = 200  # blue
    kept = image.copy()
    with closing(watcher):
        eventually(lambda: waiting(live) == 1)
        live.write(make(1), image)
        shown = np.asarray(watcher.picture())
    assert shown.shape == (*SIZE, 3)
    np.testing.assert_allclose(shown[5:20, 100:150].mean((0, 1)), [60, 60, 200], atol=6)
    drawn = np.asarray(make(1).draw(kept))[..., ::-1].astype(int)
    assert np.abs(shown - drawn).mean() < 8
    assert np.abs(shown[30:80, 10:80] - kept[30:80, 10:80, ::-1].astype(int)).mean() > 10
    np.testing.assert_array_equal(image, kept, "the pipeline's frame is nobody's to draw on")


def waiting(sink: Serve, source: int = 0) -> int:
    return sink._feeds.all()[source].view._waiting


@pytest.mark.parametrize("size", [(1080, 1920), (2160, 3840), (3000, 200), (1280, 1280), (1, 5000)])
def test_large_frames_are_scaled_and_the_boxes_with_them(size):
    height, width = size
    result = make(n=1, size=size)
    result.boxes[:] = [[0.25 * width, 0.25 * height, 0.75 * width, 0.75 * height]]
    result.ids[:] = -1  # grey
    shown = np.asarray(Image.open(BytesIO(mjpeg.encode(result, frame(0, size)))).convert("L"))
    longest = min(1280, max(size))
    assert max(shown.shape) == longest
    np.testing.assert_allclose(shown.shape, np.array(size) * longest / max(size), atol=1)
    if min(shown.shape) > 50:
        h, w = shown.shape
        rows = np.flatnonzero(shown[:, w // 2] > 80)
        columns = np.flatnonzero(shown[h // 2] > 80)
        np.testing.assert_allclose(
            (rows[-1], columns[0], columns[-1]), (0.75 * h, w / 4, 0.75 * w), atol=6
        )


def test_keypoints_are_scaled_with_the_frame():
    size = (1440, 2560)
    result = make(n=1, size=size)
    result.boxes[:] = [[100, 100, 2400, 1400]]
    points = np.full((1, 17, 2), (1280, 720), np.float32)
    result.keypoints, result.keypoint_scores = points, np.ones((1, 17), np.float32)
    shown = np.asarray(Image.open(BytesIO(mjpeg.encode(result, frame(0, size)))).convert("L"))
    assert shown[356:365, 636:645].mean() > 80
    assert shown[400:600, 700:1000].max() < 40


def test_nobody_watches_nothing_is_encoded(live, monkeypatch):
    monkeypatch.setattr(mjpeg, "encode", lambda *_: pytest.fail("encoded for nobody"))

    class Untouchable:
        shape = (*SIZE, 3)

        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise AssertionError("copied for nobody")

    camera = Camera(live)
    camera.image = Untouchable()
    with camera:
        eventually(lambda: len(camera.write_s) > 50)
        ask(live, "/stats.json")
        ask(live, "/video", "HEAD")
    assert "edgert-serve-jpeg" not in serve_threads()


def test_the_newest_frame_at_most_15_a_second(live, monkeypatch):
    encoded = []
    real = mjpeg.encode

    def encode(result, image):
        encoded.append((time.monotonic(), result.frame_index))
        return real(result, image)

    monkeypatch.setattr(mjpeg, "encode", encode)
    live.write(make(), frame())
    with Camera(live, fps=200) as camera, closing(Watcher(live)) as watcher:
        for _ in range(16):
            watcher.picture()
            assert len(camera.write_s) - encoded[-1][1] < 40, "0.2 s old at most"
    times = np.diff([when for when, _ in encoded])
    assert times.mean() >= 1 / 16
    assert statistics.median(times) < 0.2


def test_each_source_has_its_own_pictures(live):
    with Camera(live, sources=("a.mp4", "b.mp4")) as camera:
        eventually(lambda: len(camera.write_s) > 2)
        now = json.loads(ask(live, "/stats.json")[2])["live"]
        assert [source["name"] for source in now["sources"]] == ["a.mp4", "b.mp4"]
        with closing(Watcher(live, "?source=1&at=3")) as watcher:
            assert watcher.picture() is not None
            views = [feed.view for feed in live._feeds.all()]
            assert views[0].number == 0
            assert views[1].number > 0


@pytest.mark.parametrize("number", ["2", "-1", "x", "9" * 30, "0x0", "%D9%A3", "1&source=0"])
def test_a_source_that_is_none(live, number):
    live.write(make(), frame())
    assert exchange(live, f"GET /video?source={number} HTTP/1.1\r\n\r\n".encode())[0] == 503


def test_a_frame_that_cannot_be_drawn_is_named_once_and_the_rest_goes_on(live, monkeypatch):
    def encode(*_):
        raise ValueError("no pen")

    live.write(make(), frame())
    with closing(Watcher(live)) as watcher:
        with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            patch.setattr(mjpeg, "encode", encode)
            for index in range(4):
                eventually(lambda: waiting(live) == 1)
                live.write(make(index), frame())
                time.sleep(0.1)
        assert [warning.category for warning in seen] == [RuntimeWarning]
        assert "frame 0 of street.mp4 cannot be shown: ValueError: no pen" in str(seen[0].message)
        with Camera(live):
            assert watcher.picture() is not None


# --- Many watchers, slow ones, and the end --------------------------------------------------------


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


# --- With a pipeline ------------------------------------------------------------------------------


def walk(count: int) -> list[np.ndarray]:
    frames = []
    for i in range(count):
        image = np.full((64, 64, 3), 10, np.uint8)
        image[16:24, 8 + i % 40 : 16 + i % 40] = 255
        frames.append(image)
    return frames


def test_results_are_the_same_while_watched(model):
    frames = walk(60)
    pipe = edgert.Pipeline(model("detector"), model("pose"))
    alone = [result.to_json() for result in pipe.run(frames)]
    kept = [image.copy() for image in frames]
    pipe.reset()
    watched = []
    with Serve("0", pipe.stats) as sink:
        watcher = None
        for image, result in pipe.run(frames, frames=True):
            sink.write(result, image)
            watched.append(result.to_json())
            if watcher is None:
                watcher = Watcher(sink)
            ask(sink, "/metrics")
        assert watcher.picture() is not None
        answer = json.loads(ask(sink, "/stats.json")[2])
        watcher.close()
    assert watched == alone
    assert answer["frames"] == 60
    assert list(answer["stages"])[-1] == "total"
    for image, before in zip(frames, kept, strict=True):
        np.testing.assert_array_equal(image, before)


def test_import_is_light():
    probe = (
        "import sys, edgert, edgert.cli.run; from edgert.io import sinks\n"
        "print([m for m in ('http.server', 'socketserver', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- Command line ---------------------------------------------------------------------------------


def edgert_run(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "edgert", "run", *map(str, arguments)]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    import av

    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width = 64, 64
        for image in walk(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def test_the_command_serves_while_it_runs(video, model, tmp_path):
    lines = tmp_path / "out.jsonl"
    process = subprocess.Popen(
        edgert_run(
            *[video] * 300,
            *("--detector", model("detector"), "--pose", model("pose"), "--serve", "0"),
            *("--json", lines),
        ),
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.stderr.readline()
    url = re.fullmatch(r"edgert: live page at (http://127\.0\.0\.1:\d+/)\n", said)[1]

    class Remote:
        pass

    remote = Remote()
    remote.url = url
    eventually(lambda: json.loads(ask(remote, "/stats.json")[2])["frames"] > 10)
    first = json.loads(ask(remote, "/stats.json")[2])
    assert first["fps"] > 0, "counted while the run is under way"
    assert first["live"]["sources"][0]["name"] == str(video)
    with closing(Watcher(remote)) as watcher:
        assert watcher.picture().size == (64, 64)
        assert watcher.picture() is not None
        assert b"edgert_frames_total" in ask(remote, "/metrics")[2]
        assert json.loads(ask(remote, "/result.json")[2])["source"] == str(video)
        process.send_signal(signal.SIGINT)
        try:
            _, error = process.communicate(timeout=HANGS_S)
        finally:
            process.kill()
        while watcher.picture() is not None:
            pass
    assert process.returncode == 130
    assert error == ""
    for line in lines.read_text().splitlines():
        json.loads(line)


def test_the_command_says_what_is_wrong_with_an_address(video, model, live):
    base = (video, "--detector", model("detector"), "--serve")
    done = subprocess.run(edgert_run(*base, "street"), capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("error:")) == (2, 1)
    assert "'street'" in done.stderr
    port = port_of(live)
    done = subprocess.run(edgert_run(*base, port), capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"port {port} of 127.0.0.1" in done.stderr


def test_in_a_pipe_a_port_that_was_named_is_not_said(video, model):
    with Serve("0", stats) as sink:
        port = port_of(sink)
    done = subprocess.run(
        edgert_run(video, "--detector", model("detector"), "--serve", port, "--json", "-"),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 40
