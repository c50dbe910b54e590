"""A live page to ask, watch and write to."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from edgert.io.sinks import Serve
from edgert.monitor import mjpeg
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
