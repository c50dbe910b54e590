"""What the tracker takes, what it refuses, and what it hands out."""

import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edgert._core import ByteTrack
from track_scenes import TWO, box, crowd, same


def test_any_layout_gives_the_same_tracks():
    rng = np.random.default_rng(1)
    trackers = [ByteTrack() for _ in range(5)]
    for boxes, scores in crowd(rng, 30, 20):
        boxes = boxes.astype(np.float32).astype(float)
        scores = scores.astype(np.float32).astype(float)
        wide = np.zeros((len(boxes), 6), np.float32)
        wide[:, :4], wide[:, 4] = boxes, scores
        expected = trackers[0].update(boxes, scores)
        same(trackers[1].update(wide[:, :4], wide[:, 4]), expected)
        same(trackers[2].update(np.asfortranarray(boxes), scores[::-1][::-1]), expected)
        same(trackers[3].update(boxes.tolist(), scores.tolist()), expected)
        same(trackers[4].update(boxes.astype(">f4"), scores.astype(np.float32)), expected)


def test_the_input_is_left_alone():
    boxes, scores = next(crowd(np.random.default_rng(2), 1, 20))
    kept = boxes.copy(), scores.copy()
    boxes.flags.writeable = scores.flags.writeable = False
    ByteTrack().update(boxes, scores)
    assert_array_equal(boxes, kept[0])
    assert_array_equal(scores, kept[1])


def test_types_and_shapes():
    tracks = ByteTrack().update(np.array([box(0), box(300)]), np.array([0.9, 0.8]), [3, 7])
    assert [tracks.ids.dtype, tracks.boxes.dtype, tracks.scores.dtype] == [np.int64, float, float]
    assert [tracks.detection_indices.dtype, tracks.class_ids.dtype] == [np.int32, np.int32]
    assert tracks.boxes.shape == (2, 4)
    assert len(tracks) == 2
    assert tracks.class_ids.tolist() == [3, 7]
    assert_allclose(tracks.boxes, [box(0), box(300)], atol=1e-9)
    assert "2 tracks" in repr(tracks)


def test_arrays_outlive_the_tracker():
    tracker = ByteTrack()
    ids = tracker.update([box(0)], [0.9]).ids
    tracker.update([], [])
    del tracker
    assert ids.tolist() == [1]


@pytest.mark.parametrize(
    "boxes", [[], np.empty((0, 4)), np.empty((0, 5)), np.empty((0, 4), np.float32)]
)
def test_frames_without_detections(boxes):
    tracker = ByteTrack()
    tracker.update([box(0)], [0.9])
    tracks = tracker.update(boxes, [])
    assert tracks.boxes.shape == (0, 4)
    assert tracker.update([box(0)], [0.9]).ids.tolist() == [1]


ONE_FEATURE = {"features": np.eye(2, 8, dtype=np.float32)}


@pytest.mark.parametrize(
    ("arguments", "more", "words"),
    [
        (([box(0)], [0.9, 0.8]), {}, r"boxes has shape \(1, 4\), expected \(2, 4\)"),
        (([[1, 2, 3]], [0.9]), {}, r"boxes has shape \(1, 3\), expected \(1, 4\)"),
        (([box(0)], [[0.9]]), {}, r"scores has shape \(1, 1\), expected \(N,\)"),
        (([box(0)], 0.9), {}, r"scores has shape \(\)"),
        (([box(0)], [1.5]), {}, r"scores\[0\] is 1.5.*sigmoid"),
        (([box(0)], [-0.1]), {}, r"scores\[0\] is -0.1"),
        (([box(0)], [np.inf]), {}, r"scores\[0\] is inf"),
        ((["box"], [0.9]), {}, "boxes cannot be read as numbers"),
        ((None, None), {}, "scores has shape"),
        (TWO, {"class_ids": [1]}, r"class_ids has shape \(1,\), expected \(2,\)"),
        (TWO, {"features": np.ones((1, 8))}, r"features has shape \(1, 8\), expected \(2, D\)"),
        (TWO, {"features": np.ones((2, 0))}, r"features has shape \(2, 0\)"),
        (TWO, {"features": np.ones((2, 4))}, "features have 4 values a row, expected 8"),
        (TWO, {"warp": np.eye(3)}, r"warp has shape \(3, 3\), expected \(2, 3\)"),
        (TWO, {"warp": np.full((2, 3), np.nan)}, "warp holds nan"),
        (TWO, {"warp": np.zeros((2, 3))}, "warp has the scale 0"),
        (TWO, {"timestamp": 1.0}, "timestamp is given but earlier frames had none"),
        (TWO, {"timestamp": np.nan}, "timestamp is nan"),
    ],
)
def test_bad_input_is_an_error_that_changes_nothing(arguments, more, words):
    tracker, untouched = ByteTrack(), ByteTrack()
    for t in (tracker, untouched):
        t.update(*TWO, **ONE_FEATURE)
    with pytest.raises(ValueError, match=words):
        tracker.update(*arguments, **more)
    for _ in range(3):
        same(tracker.update(*TWO, **ONE_FEATURE), untouched.update(*TWO, **ONE_FEATURE))


@pytest.mark.parametrize(
    "row",
    [
        [np.nan, 0, 10, 10], [0, 0, np.inf, 10], [10, 0, 0, 10], [0, 10, 10, 0], [5, 5, 5, 10],
        [0, 0, 10, 1e-9], [0, 0, 1e9, 10],
    ],
)  # fmt: skip
def test_unusable_rows_are_dropped_and_counted(row):
    with_row, without = ByteTrack(), ByteTrack()
    for _ in range(3):
        tracks = with_row.update([row, *TWO[0]], [0.9, *TWO[1]])
        expected = without.update(*TWO)
        assert (tracks.dropped, expected.dropped) == (1, 0)
        assert_array_equal(tracks.ids, expected.ids)
        assert_array_equal(tracks.boxes, expected.boxes)
        assert_array_equal(tracks.detection_indices, expected.detection_indices + 1)
    assert with_row.update([box(0)], [np.nan]).dropped == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("track_high_thresh", 1.5), ("track_low_thresh", -1), ("track_low_thresh", np.nan),
        ("match_thresh", 0), ("match_thresh", 1.1), ("frame_rate", 0), ("track_buffer", -1),
        ("min_hits", 0), ("history", -1), ("appearance_thresh", 2), ("proximity_thresh", -1),
        ("feature_momentum", 1.01), ("new_track_thresh", np.nan),
    ],
)  # fmt: skip
def test_an_option_out_of_range_is_named(option, value):
    with pytest.raises(ValueError, match=f"{option} is .*, expected"):
        ByteTrack(**{option: value})


def test_one_thread_at_a_time():
    """Large updates give up the interpreter lock: a second caller is told, not let in."""
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 30000, (4000, 2))
    boxes, scores = np.hstack([corner, corner + 40]), np.full(4000, 0.9)
    tracker, outcomes, end = ByteTrack(), set(), time.monotonic() + 20

    def work():
        while "refused" not in outcomes and time.monotonic() < end:
            try:
                tracker.update(boxes, scores)
                outcomes.add("done")
            except RuntimeError as error:
                outcomes.add("refused" if "another thread" in str(error) else str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"done", "refused"}
    assert len(tracker.update(boxes, scores)) == 4000
