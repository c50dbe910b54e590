"""Live sources: network streams that fail, USB and CSI cameras that are not there, or are fakes."""

import functools
import http.server
import os
import socket
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import SourceError
from edgert.io import Reader, open_source
from edgert.io.address import options_of, redact

URL = "rtsp://admin:hunter2@camera.local:554/stream1"
NAME = "rtsp://camera.local:554/stream1"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(10):
            image = np.full((48, 64, 3), 20 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


class Faulty:
    """A container that loses its connection after some packets."""

    def __init__(self, container: Any, packets: int, error: Exception | None) -> None:
        self._container = container
        self._packets = packets
        self._error = error
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def demux(self, stream: Any) -> Iterator[Any]:
        for number, packet in enumerate(self._container.demux(stream)):
            if number == self._packets:
                if self._error is not None:
                    raise self._error
                return
            yield packet

    def close(self) -> None:
        self.closed = True
        self._container.close()


class Network:
    """Stands in for `av.open`: each attempt to connect goes as the script says."""

    def __init__(self, clip: Path, script: list[Any]) -> None:
        self._open = av.open
        self._clip = clip
        self._script = iter(script)
        self.attempts: list[tuple[str, dict[str, Any]]] = []
        self.containers: list[Faulty] = []

    def open(self, address: str, mode: str, **keywords: Any) -> Any:
        self.attempts.append((address, keywords))
        step = next(self._script)
        if isinstance(step, Exception):
            raise step
        packets, error = step
        self.containers.append(Faulty(self._open(str(self._clip)), packets, error))
        return self.containers[-1]


def refused() -> Exception:
    return av.error.ConnectionRefusedError(111, "Connection refused", URL)


def reset() -> Exception:
    return av.error.ConnectionResetError(104, "Connection reset by peer", URL)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgert.io.live._FIRST_WAIT_S", 0.001)
    monkeypatch.setattr("edgert.io.live._LONGEST_WAIT_S", 0.01)


@pytest.mark.usefixtures("impatient")
def test_lost_connections_are_made_again(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = [(4, reset()), refused(), refused(), (3, None), (0, reset()), (99, None), refused()]
    network = Network(clip, [*script, *[refused() for _ in range(999)]])
    monkeypatch.setattr(av, "open", network.open)
    # No time passes from a loss to the next connection, which so goes on where the last one ended.
    monkeypatch.setattr("edgert.io.live.time", types.SimpleNamespace(monotonic=lambda: 0.0))
    source = open_source(URL)
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == 17:
            source.close()
    # 4 and 3 before a loss, none at all once, then the whole clip.
    levels = [round(frame.image.mean() / 20) for frame in frames]
    assert levels == [0, 1, 2, 3, 0, 1, 2, *range(10)]
    assert [frame.index for frame in frames] == list(range(17))
    assert [frame.time_s for frame in frames] == pytest.approx([k / 10 for k in range(17)])
    assert source.reconnects == 3
    assert len(source.warnings) == 2  # the first and second loss; the third is only counted
    assert "connection lost after frame 3 at 0.3 s (Connection reset by peer)" in source.warnings[0]
    assert "loss number 2 (the stream ended)" in source.warnings[1]
    assert all(container.closed for container in network.containers)
    address, keywords = network.attempts[0]
    assert address == URL
    assert keywords["options"]["rtsp_transport"] == "tcp"
    assert keywords["timeout"]


def test_first_connection_must_work(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "open", Network(clip, [refused()]).open)
    with pytest.raises(SourceError, match="Connection refused") as caught:
        open_source(URL)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.usefixtures("impatient")
def test_credentials_are_never_shown(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "open", Network(clip, [(2, reset()), (5, None)]).open)
    with open_source(URL) as source:
        frames = iter(source)
        shown = [next(frames).source for _ in range(5)]
    shown += [source.name, repr(source), *source.warnings]
    assert source.name == NAME
    assert len(source.warnings) == 1
    assert not any("hunter2" in text or "admin" in text for text in shown)


@pytest.mark.usefixtures("impatient")
def test_times_go_on_by_the_clock_over_a_gap(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgert.io.live._FIRST_WAIT_S", 0.5)
    monkeypatch.setattr("edgert.io.live._LONGEST_WAIT_S", 0.5)
    monkeypatch.setattr(av, "open", Network(clip, [(2, reset()), (3, None)]).open)
    with open_source(URL) as source:
        frames = iter(source)
        times = [next(frames).time_s for _ in range(5)]
    assert times[:2] == pytest.approx([0, 0.1])
    assert 0.5 <= times[2] < 2
    assert np.diff(times[2:]) == pytest.approx([0.1, 0.1])


class Waits(threading.Event):
    """Notes how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        return self.is_set()


def test_waits_grow_and_begin_anew_after_a_frame(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [refused() for _ in range(6)]
    script = [(2, reset()), *failures, (0, reset()), (2, None), refused(), (1, reset())]
    monkeypatch.setattr(av, "open", Network(clip, script).open)
    with open_source(URL) as source:
        source._closed = waits = Waits()
        frames = iter(source)
        for _ in range(5):
            next(frames)
    assert waits.asked == [0.5, 1, 2, 4, 8, 10, 10, 10, 0.5, 1]


def test_close_ends_the_wait_for_a_connection(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "open", Network(clip, [(2, reset()), refused()]).open)
    monkeypatch.setattr("edgert.io.live._FIRST_WAIT_S", 60)
    monkeypatch.setattr("edgert.io.live._LONGEST_WAIT_S", 60)
    reader = Reader(open_source(URL))
    closer = threading.Timer(0.2, reader.close)
    closer.start()
    started = time.monotonic()
    assert len(list(reader)) == 2
    closer.join()
    assert time.monotonic() - started < 1
    assert threading.active_count() == 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, NAME),
        ("rtsp://host/x", "rtsp://host/x"),
        ("rtsp://u@host/x", "rtsp://host/x"),
        ("rtsp://u:p@ss@host/x", "rtsp://host/x"),
        ("rtsp://u:p/ss@host/x", "rtsp://host/x"),
        ("rtsp://u:p?s#s@host/x", "rtsp://host/x"),
        ("rtsp://u:1234@host/x", "rtsp://host/x"),
        ("rtsp://host:554/x@2", "rtsp://host:554/x@2"),
        ("rtsp://[::1]:554/x", "rtsp://[::1]:554/x"),
        ("https://u:p@host/a.mp4?token=abc&t=1", "https://host/a.mp4?token=***&t=1"),
        ("rtsp://h/user=admin&password=x&channel=1", "rtsp://h/user=***&password=***&channel=1"),
        ("rtsp://h/user=admin_password=tl_stream=0", "rtsp://h/user=***"),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown


@settings(derandomize=True)
@given(
    secret=st.text("abcXYZ019!$%&'()*+,;=:@/?#-._~ ", min_size=1).filter(lambda s: "Q" not in s),
    tail=st.sampled_from(["", "/", "/stream", ":554/stream?x=1"]),
)
def test_no_password_survives(secret: str, tail: str) -> None:
    assert "Q" not in redact(f"rtsp://user:Q{secret}Q@host{tail}")


# Real sockets


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None: ...

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_recording_over_http(clip: Path, web: str) -> None:
    source = open_source(f"http://user:hunter2@{web}/{clip.name}")
    assert (source.live, source.frame_count) == (False, 10)
    assert source.name == f"http://{web}/clip.mp4"
    assert [frame.time_s for frame in source] == pytest.approx([k / 10 for k in range(10)])
    assert source.warnings == []
    with pytest.raises(SourceError, match=rf"http://{web}/none\.mp4: .*404"):
        open_source(f"http://user:hunter2@{web}/none.mp4")


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgert.io.camera._LIMITS_S", (0.3, 0.3))
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(SourceError, match="no data within the time limit"),
    ):
        open_source(f"http://127.0.0.1:{server.getsockname()[1]}/stream")


def test_live_stream_over_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop = threading.Event()

    def send() -> None:
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.options = {"g": "5", "bf": "0"}
            while not stop.wait(0.02):
                image = np.full((48, 64, 3), 90, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        source = open_source(f"udp://127.0.0.1:{port}")
        assert source.live
        assert source.size == (48, 64)
        with Reader(source) as reader:
            frames = [frame for frame, _ in zip(reader, range(20), strict=False)]
    finally:
        stop.set()
        sender.join()
    times = [frame.time_s for frame in frames]
    assert times == sorted(times)
    assert times[0] < 0.5  # although the stamps of MPEG-TS start at 1.4 s
    assert abs(frames[-1].image.mean() - 90) < 5


# USB cameras


@pytest.mark.parametrize("source", [77, "77", "v4l2:///dev/video77", np.int64(77)])
def test_camera_that_does_not_exist(source: object) -> None:
    with pytest.raises(SourceError, match=r"/dev/video77 does not exist; found"):
        open_source(source)


def test_camera_options_reach_the_driver(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(clip, [(5, None)] * 2)
    monkeypatch.setattr(av, "open", network.open)
    monkeypatch.setattr(Path, "exists", lambda path: True)
    with open_source(0, fps=15) as source:
        assert (source.name, source.live) == ("camera:0", True)
        assert next(iter(source)).source == "camera:0"
    with open_source("v4l2:///dev/video3?video_size=640x480&input_format=mjpeg"):
        pass
    (first, first_keywords), (second, second_keywords) = network.attempts
    assert (first, first_keywords["format"]) == ("/dev/video0", "v4l2")
    assert first_keywords["options"] == {"framerate": "15"}
    assert second == "/dev/video3"
    assert second_keywords["options"] == {"video_size": "640x480", "input_format": "mjpeg"}


def test_camera_without_permission(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = av.error.PermissionError(13, "Permission denied", "/dev/video0")
    monkeypatch.setattr(av, "open", Network(clip, [denied]).open)
    monkeypatch.setattr(Path, "exists", lambda path: True)
    with pytest.raises(SourceError, match=r"camera:0: Permission denied; add yourself to.*'video'"):
        open_source(0)


def test_wrong_addresses() -> None:
    with pytest.raises(SourceError, match=r"found the option 'size', expected one of video_size"):
        open_source("v4l2:///dev/video0?size=1")
    with pytest.raises(SourceError, match=r"foo://x: found the scheme 'foo', expected one of rtsp"):
        open_source("foo://u:p@x")
    with pytest.raises(SourceError, match="expected an index from 0"):
        open_source(-1)
    assert options_of("csi://1?a=2", {"a": "1", "b": "3"}) == ("1", {"a": "2", "b": "3"})


# CSI cameras, with a GStreamer made for the test


class FakeGst:
    """As much of `gi.repository.Gst` as a CSI camera needs."""

    State = types.SimpleNamespace(PLAYING="playing", NULL="null")
    StateChangeReturn = types.SimpleNamespace(FAILURE="failure")
    MapFlags = types.SimpleNamespace(READ=1)
    MessageType = types.SimpleNamespace(ERROR=1, EOS=2)

    def __init__(self, frames: int, *, missing: str = "", starts: bool = True) -> None:
        self.frames = frames
        self.starts = starts
        self.states: list[str] = []
        self.mapped = 0
        self.description = ""
        self.ElementFactory = types.SimpleNamespace(find=lambda n: None if n == missing else n)

    def init(self, arguments: None) -> None: ...

    def parse_launch(self, description: str) -> "FakeGst":
        self.description = description
        return self

    def get_by_name(self, name: str) -> "FakeGst":
        return self

    def set_state(self, state: str) -> str:
        self.states.append(state)
        return "success" if self.starts else "failure"

    def get_bus(self) -> "FakeGst":
        return self

    def pop_filtered(self, kinds: int) -> Any:
        error = types.SimpleNamespace(message="nvargus-daemon: no cameras available")
        return types.SimpleNamespace(type=1, parse_error=lambda: (error, ""))

    def emit(self, signal: str, timeout_ns: int) -> Any:
        assert signal == "try-pull-sample"
        if self.frames == 0:
            return None
        self.frames -= 1
        memory = bytearray(np.full((4, 6, 4), self.frames, np.uint8).tobytes())

        def map_(flags: int) -> tuple[bool, Any]:
            self.mapped += 1
            return True, types.SimpleNamespace(data=memory)

        def unmap(mapped: Any) -> None:
            self.mapped -= 1
            memory[:] = bytes([255]) * len(memory)  # the camera writes its next frame

        buffer = types.SimpleNamespace(pts=5_000_000_000 - self.frames * 40_000_000)
        buffer.map, buffer.unmap = map_, unmap
        shape = types.SimpleNamespace(get_value={"height": 4, "width": 6}.__getitem__)
        caps = types.SimpleNamespace(get_structure=lambda index: shape)
        return types.SimpleNamespace(get_buffer=lambda: buffer, get_caps=lambda: caps)


def install(monkeypatch: pytest.MonkeyPatch, gst: FakeGst) -> None:
    gi = types.SimpleNamespace(require_version=lambda name, version: None)
    monkeypatch.setitem(sys.modules, "gi", gi)
    monkeypatch.setitem(sys.modules, "gi.repository", types.SimpleNamespace(Gst=gst))
    monkeypatch.setitem(sys.modules, "gi.repository.Gst", gst)


def test_csi_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    gst = FakeGst(3)
    install(monkeypatch, gst)
    source = open_source("csi://1?width=640&height=480&flip=2", fps=25)
    assert (source.name, source.live, source.fps) == ("csi://1", True, 25)
    assert "sensor-id=1 " in gst.description
    assert "width=640,height=480,framerate=25/1" in gst.description
    assert "flip-method=2 " in gst.description
    frames = iter(source)
    for index in range(3):
        frame = next(frames)
        assert (frame.index, frame.image.shape) == (index, (4, 6, 3))
        assert frame.time_s == pytest.approx(0.04 * index)
        assert (frame.image == 2 - index).all()
    with pytest.raises(SourceError, match="csi://1: nvargus-daemon: no cameras available"):
        next(frames)
    assert gst.mapped == 0
    assert gst.states[-1] == "null"


def test_csi_camera_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeGst(0, starts=False))
    with pytest.raises(SourceError, match="no cameras available"):
        open_source("csi://0")


@pytest.mark.parametrize(
    ("missing", "fix"),
    [("nvarguscamerasrc", "nvidia-l4t-gstreamer"), ("appsink", "gstreamer1.0-plugins-base")],
)
def test_csi_names_the_missing_plugin(
    monkeypatch: pytest.MonkeyPatch, missing: str, fix: str
) -> None:
    install(monkeypatch, FakeGst(0, missing=missing))
    with pytest.raises(SourceError, match=rf"no '{missing}'. sudo apt install {fix}"):
        open_source("csi://0")


def test_csi_without_gstreamer_and_with_a_wrong_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(SourceError, match=r"csi://0: .*sudo apt install python3-gi"):
        open_source("csi://0")
    with pytest.raises(SourceError, match="found width '640 ! filesink', expected a whole number"):
        open_source("csi://0?width=640 ! filesink")


@pytest.mark.skipif(not os.environ.get("EDGERT_CAMERA"), reason="EDGERT_CAMERA names no camera")
def test_real_camera() -> None:
    """Set EDGERT_CAMERA to what `open_source` takes, on a machine that has one."""
    with Reader(open_source(os.environ["EDGERT_CAMERA"])) as reader:
        frames = [frame for frame, _ in zip(reader, range(30), strict=False)]
    assert len(frames) == 30
    assert frames[0].image.shape[:2] == reader.source.size
