"""The video sink: any size, any rhythm, any encoder."""

import itertools
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import SinkError
from edgert.io.sinks import Video, encoder, video
from edgert.io.sinks.encoder import TICKS_PER_SECOND, FrameClock

from sink_results import decode, frame, make


@pytest.mark.parametrize(
    ("size", "coded"),
    [
        ((48, 64), (48, 64)),
        ((47, 63), (48, 64)),
        ((1, 1), (16, 16)),
        ((20, 20000), (16, 4096)),
    ],
)
def test_video_of_any_size(tmp_path, size, coded):
    with Video(tmp_path / "out.mp4") as sink:
        for i in range(3):
            sink.write(make(i, n=0, size=size), frame(size))
    frames = decode(tmp_path / "out.mp4")
    assert len(frames) == 3
    for _, image in frames:
        assert image.shape[:2] == coded
        assert np.abs(image.astype(int) - (200, 60, 30)).max() <= 6, "colours, edges included"


def test_video_keeps_uneven_frame_times(tmp_path):
    times = np.cumsum([5.0, 0.04, 0.04, 0.5, 1001 / 30000, 2.0, 0.001])
    with Video(tmp_path / "out.mp4") as sink:
        for i, t in enumerate(times):
            sink.write(make(i, time_s=float(t)), frame())
    decoded = [t for t, _ in decode(tmp_path / "out.mp4")]
    np.testing.assert_allclose(decoded, times - times[0], atol=0.5 / TICKS_PER_SECOND + 1e-9)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(times=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=20))
def test_ticks_always_grow(times):
    clock = FrameClock()
    ticks = [clock.ticks(t) for t in times]
    assert ticks[0] == 0
    assert all(b > a for a, b in itertools.pairwise(ticks))


def test_ticks_go_on_in_rhythm_when_a_camera_starts_over():
    clock = FrameClock()
    ticks = [clock.ticks(t) for t in (10.0, 10.04, 0.0, 0.5, 0.54)]
    assert ticks == [0, 2400, 4800, 34800, 37200]


def test_video_draws_the_people(tmp_path):
    result = make(n=1, size=(240, 320))
    result.boxes[0] = (60, 60, 200, 200)
    image = frame((240, 320))
    with Video(tmp_path / "out.mp4") as sink:
        sink.write(result, image)
        image[:] = 0  # the sink must have its own copy
    ((_, decoded),) = decode(tmp_path / "out.mp4")
    difference = np.abs(decoded.astype(int) - result.draw(frame((240, 320)))).mean()
    assert difference < 6
    assert (frame((240, 320)) != decoded).any()


def test_video_fits_frames_of_another_size(tmp_path):
    with Video(tmp_path / "out.mp4") as sink:
        sink.write(make(0, n=0, size=(48, 64)), frame())
        sink.write(make(1, n=0, size=(48, 31)), frame((48, 31)))
        sink.write(make(2, n=0, size=(120, 320)), frame((120, 320)))
    first, tall, wide = (image for _, image in decode(tmp_path / "out.mp4"))
    assert first.shape == tall.shape == wide.shape
    assert tall[:, :12].max() < 30, "black beside"
    assert np.abs(tall[:, 24:40].astype(int) - (200, 60, 30)).max() < 25
    assert wide[:8].max() < 30, "black above"
    assert np.abs(wide[16:32].astype(int) - (200, 60, 30)).max() < 25


def test_video_with_the_encoder_of_last_resort(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "_ENCODERS", {"no_such": {}, "mpeg4": encoder._ENCODERS["mpeg4"]})
    encoder._encoder.cache_clear()
    try:
        with Video(tmp_path / "out.mp4") as sink:
            for i in range(40):
                sink.write(make(i, n=0), frame())
        decoded = decode(tmp_path / "out.mp4")
        np.testing.assert_allclose([t for t, _ in decoded], np.arange(40) / 25, atol=1e-4)
        monkeypatch.setattr(encoder, "_ENCODERS", {"no_such": {}})
        encoder._encoder.cache_clear()
        sink = Video(tmp_path / "none.mp4")
        sink.write(make(), frame())
        with pytest.raises(SinkError, match=r"no video encoder opens.*no_such"):
            sink.close()
    finally:
        encoder._encoder.cache_clear()


@pytest.mark.parametrize(("path", "match"), [("out.avi", "name it out.mp4"), ("-", "name a file")])
def test_video_names_that_cannot_be(path, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SinkError, match=match):
        Video(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("image", [None, frame((47, 64)), frame().astype(float)])
def test_video_wants_the_frame(image, tmp_path):
    with Video(tmp_path / "out.mp4") as sink, pytest.raises(ValueError, match="the video sink"):
        sink.write(make(), image)


def test_video_does_not_hold_up_the_pipeline_until_it_is_far_behind(tmp_path, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(video, "draw_people", lambda *_, **__: gate.wait(20))
    sink = Video(tmp_path / "out.mp4")
    started = time.perf_counter()
    for i in range(8):
        sink.write(make(i), frame())
    assert time.perf_counter() - started < 5
    late = threading.Thread(target=lambda: [sink.write(make(i), frame()) for i in range(8, 12)])
    late.start()
    late.join(0.3)
    assert late.is_alive(), "the queue must be bounded"
    gate.set()
    late.join(20)
    sink.close()
    assert len(decode(tmp_path / "out.mp4")) == 12


def test_a_failed_encoder_does_not_block_the_writer(tmp_path, monkeypatch):
    gate = threading.Event()

    def fail(*_, **__):
        gate.wait(20)
        raise RuntimeError("a bug")

    monkeypatch.setattr(video, "draw_people", fail)
    sink = Video(tmp_path / "out.mp4")
    # One frame is being drawn, eight wait, and the last write waits for room.
    writer = threading.Thread(target=lambda: [sink.write(make(i), frame()) for i in range(10)])
    writer.start()
    writer.join(0.3)
    assert writer.is_alive()
    gate.set()
    writer.join(20)
    assert not writer.is_alive()
    with pytest.raises(RuntimeError, match="a bug"):
        sink.write(make(), frame())
    sink.close()
