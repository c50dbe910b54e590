"""A pipeline's figures, its users, and its end."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

import edgert
from edgert.io.arrays import ArraySource

from cases import how_many
from pipeline_frames import moving_people


def test_stats(detector, pose):
    pipe = edgert.Pipeline(detector, pose)
    list(pipe.run(moving_people(12)))
    stats = pipe.stats()
    assert stats["frames"] == 12
    assert stats["fps"] > 0
    names = ["preprocess", "detect", "boxes", "track", "crop", "pose", "keypoints", "total"]
    assert list(stats["stages"]) == names
    for times in stats["stages"].values():
        assert times["count"] == 12
        assert 0 < times["p50"] <= times["p95"] <= times["p99"]
    assert {"dropped_frames", "temperature", "throttled"} <= set(stats)


def test_stats_count_while_a_run_is_under_way(detector):
    source = Losing(moving_people(6))
    pipe = edgert.Pipeline(detector)
    running = pipe.run(source)
    next(running)
    stats = pipe.stats()
    assert (stats["frames"], stats["dropped_frames"], stats["skipped_frames"]) == (1, 3, 2)
    assert stats["fps"] > 0
    list(running)
    stats = pipe.stats()
    assert (stats["frames"], stats["dropped_frames"], stats["skipped_frames"]) == (6, 3, 2)


class Losing(ArraySource):
    """A source that lost some frames before its first."""

    dropped, skipped = 3, 2


def test_a_closed_pipeline_says_so(detector, pose, picture):
    with edgert.Pipeline(detector, pose) as pipe:
        pipe(picture)
    pipe.close()
    with pytest.raises(RuntimeError, match="the pipeline is closed"):
        pipe(picture)
    assert pipe.stats()["stages"]["pose"]["count"] == 1


def test_one_user_at_a_time(detector, picture):
    pipe = edgert.Pipeline(detector)
    running = pipe.run(moving_people(5))
    next(running)
    with pytest.raises(RuntimeError, match=r"at work in run\(\)"):
        pipe(picture)
    running.close()
    pipe(picture)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 0}, "lanes is 0"),
        ({"tracker": "sort"}, "tracker is 'sort'"),
        ({"precision": "int4"}, "precision is 'int4'"),
        ({"precision": "fp16"}, "is fp32, and onnxruntime runs it as it is"),
        ({"score_threshold": 1.5}, "score_threshold is 1.5"),
        ({"nms_threshold": -1}, "nms_threshold is -1"),
        ({"max_detections": 0}, "max_detections is 0"),
        ({"runtime": "caffe"}, "runtime is 'caffe'"),
        ({"device": "tpu"}, "device is 'tpu'"),
    ],
)
def test_parameters_out_of_range_are_refused(detector, options, message):
    with pytest.raises(ValueError, match=message):
        edgert.Pipeline(detector, **options)


def test_what_is_not_here_says_why(detector):
    with pytest.raises(edgert.UnavailableError, match=r"device 'cuda:7': (?!ok)."):
        edgert.Pipeline(detector, device="cuda:7")
    with pytest.raises(edgert.UnavailableError, match="tensorrt"):
        edgert.Pipeline(detector, runtime="tensorrt")
    assert edgert.backends()["onnxruntime:cpu"] == "ok"


def test_repr_says_what_was_chosen(detector, pose):
    text = repr(edgert.Pipeline(detector, pose))
    assert "64x64 float32, onnxruntime on cpu" in text
    assert "17 joints" in text
    assert "ByteTrack(" in text


def test_real_video(asset):
    """vtest.avi shows 3 to 7 people; ids last, skeletons lie within their boxes."""
    pipe = edgert.Pipeline(asset("models/yolov8n.onnx"), asset("models/pose_heatmap_256x192.onnx"))
    results = []
    for result in pipe.run(asset("videos/vtest.avi")):
        results.append(result)
        if len(results) == how_many(20, 2):
            break
    assert all(3 <= len(r) <= 9 for r in results)
    assert results[-1].time_s == pytest.approx(0.1 * (len(results) - 1))
    first, last = set(results[0].ids.tolist()), set(results[-1].ids.tolist())
    assert len(first & last) >= 2
    for result in results:
        low, high = result.boxes[:, None, :2], result.boxes[:, None, 2:]
        margin = 0.25 * (high - low)
        inside = (result.keypoints > low - margin) & (result.keypoints < high + margin)
        assert inside.mean() > 0.95


def test_closing_under_a_run_ends_it(detector, pose):
    for _ in range(5):
        pipe = edgert.Pipeline(detector, pose)
        running = pipe.run(iter(moving_people(1000)))
        next(running)
        pipe.close()
        with pytest.raises(RuntimeError, match="closed"):
            list(running)


def test_closing_under_calls_of_other_threads(detector, pose):
    frame = moving_people(1)[0]
    for _ in range(5):
        pipe = edgert.Pipeline(detector, pose)
        failed = []

        def call(pipe=pipe, failed=failed):
            try:
                while True:
                    pipe(frame)
            except RuntimeError as error:
                failed.append(str(error))

        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        pipe.close()
        for thread in threads:
            thread.join(20)
        assert len(failed) == 3


@pytest.mark.parametrize("last_line", ["", "next(running)", "del pipe", "raise SystemExit(3)"])
def test_a_program_may_end_in_the_middle(detector, pose, last_line):
    program = f"""
import numpy as np, edgert
pipe = edgert.Pipeline({str(detector)!r}, {str(pose)!r}, lanes=4)
def frames():
    while True:
        yield np.full((64, 64, 3), 200, np.uint8)
running = pipe.run(frames())
next(running)
{last_line}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.returncode == (3 if "3" in last_line else 0), done.stderr
    assert done.stderr == b""
