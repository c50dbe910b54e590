"""The pictures of the live page: of which frames, how large, how often."""

from __future__ import annotations

import json
import statistics
import time
import warnings
from contextlib import closing
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from edgert.io.sinks import Serve
from edgert.monitor import mjpeg

from live_page import (
    SIZE,
    Camera,
    Watcher,
    ask,
    eventually,
    exchange,
    frame,
    make,
    serve_threads,
)


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
