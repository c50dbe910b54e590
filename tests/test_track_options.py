"""What the reference lacks: classes, paths, time, camera motion, appearance."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edgert._core import ByteTrack
from track_scenes import TWO, box, crowd, same

# --- Options ------------------------------------------------------------------------------------


def test_class_aware_keeps_classes_apart():
    # A dog jumps where the person was and the person steps aside, nearer to where the dog was.
    before, after = [box(0), box(30)], [box(28), box(2)]
    for aware, expected in ((False, [1, 0]), (True, [0, 1])):
        tracker = ByteTrack(class_aware=aware, match_thresh=0.95)
        tracker.update(before, [0.9, 0.9], [0, 16])
        tracks = tracker.update(after, [0.9, 0.9], [0, 16])
        assert tracks.detection_indices.tolist() == expected
    with pytest.raises(ValueError, match="class_ids is missing"):
        ByteTrack(class_aware=True).update(*TWO)


def test_min_hits_holds_back_young_tracks():
    tracker = ByteTrack(min_hits=3)
    counts = [len(tracker.update([box(0)], [0.9])) for _ in range(5)]
    assert counts == [0, 0, 1, 1, 1]
    assert tracker.update([box(0)], [0.9]).ids.tolist() == [1]


def test_history():
    tracker = ByteTrack(history=3)
    shown = [tracker.update([box(5.0 * i)], [0.9]).boxes[0] for i in range(5)]
    history = tracker.history(1)
    assert_array_equal(history[:, 0], [3, 4, 5])
    assert_array_equal(history[:, 1:], shown[2:])
    tracker.update([], [])
    assert_array_equal(tracker.history(1), history)  # lost: still there
    with pytest.raises(ValueError, match="track id 9 is neither tracked nor lost"):
        tracker.history(9)
    with pytest.raises(ValueError, match="history is 0"):
        ByteTrack().history(1)


def test_history_of_a_reused_place_starts_afresh():
    tracker = ByteTrack(history=4, track_buffer=0)
    tracker.update([box(0)], [0.9])
    for _ in range(3):
        tracker.update([], [])
    tracker.update([box(400)], [0.9])
    tracker.update([box(400)], [0.9])
    assert_array_equal(tracker.history(2)[:, 0], [5, 6])


# --- Time stamps --------------------------------------------------------------------------------


def test_timestamps_at_the_frame_rate_change_nothing():
    timed, counted = ByteTrack(frame_rate=25), ByteTrack(frame_rate=25)
    for i, (boxes, scores) in enumerate(crowd(np.random.default_rng(4), 150, 25)):
        tracks = timed.update(boxes, scores, timestamp=1.7e9 + i / 25)
        expected = counted.update(boxes, scores)
        assert_array_equal(tracks.ids, expected.ids)
        assert_array_equal(tracks.detection_indices, expected.detection_indices)
        assert_allclose(tracks.boxes, expected.boxes, rtol=0, atol=1e-3)


def test_timestamps_bridge_dropped_frames():
    """A runner covers more than his width while frames are dropped: counting frames loses him."""
    for timed in (False, True):
        tracker = ByteTrack()
        times = [*range(12), 17, 18, 19, 24]
        ids = set()
        for t in times:
            stamp = {"timestamp": t / 30} if timed else {}
            ids |= set(tracker.update([box(12.0 * t)], [0.9], **stamp).ids.tolist())
        assert (ids == {1}) == timed


def test_timestamps_keep_the_buffer_in_seconds():
    for gap, expected in ((0.9, 1), (1.2, 2)):
        tracker = ByteTrack(track_buffer=30, frame_rate=30)
        for t in (0.0, 1 / 30):
            tracker.update([box(0)], [0.9], timestamp=t)
        for t in np.arange(1, 20) * gap / 20:  # a camera that runs fast and sees nothing
            tracker.update([], [], timestamp=1 / 30 + t)
        for t in (gap, gap + 0.03, gap + 0.06):
            tracks = tracker.update([box(0)], [0.9], timestamp=1 / 30 + t)
        assert tracks.ids.tolist() == [expected]


def test_timestamps_must_rise():
    tracker = ByteTrack()
    tracker.update(*TWO, timestamp=5.0)
    for stamp, words in ((5.0, "expected more than 5"), (None, "timestamp is missing")):
        with pytest.raises(ValueError, match=words):
            tracker.update(*TWO, timestamp=stamp)
    assert tracker.update(*TWO, timestamp=5.1).ids.tolist() == [1, 2]


# --- Camera motion ------------------------------------------------------------------------------


def test_warp_follows_a_moving_camera():
    rng = np.random.default_rng(5)
    still, moving, blind = ByteTrack(), ByteTrack(), ByteTrack()
    pose = np.eye(3)
    differs = False
    for boxes, scores in crowd(rng, 60, 15):
        angle, scale = 0, rng.uniform(0.97, 1.03)
        step = np.array(
            [
                [scale * np.cos(angle), -scale * np.sin(angle), rng.normal(0, 40)],
                [scale * np.sin(angle), scale * np.cos(angle), rng.normal(0, 40)],
                [0, 0, 1],
            ]
        )
        pose = step @ pose
        seen = (boxes.reshape(-1, 2) * pose[0, 0] + pose[:2, 2]).reshape(-1, 4)
        expected = still.update(boxes, scores)
        tracks = moving.update(seen, scores, warp=step[:2])
        differs |= blind.update(seen, scores).ids.tolist() != expected.ids.tolist()
        assert_array_equal(tracks.detection_indices, expected.detection_indices)
        assert_array_equal(tracks.ids, expected.ids)
        back = ((tracks.boxes.reshape(-1, 2) - pose[:2, 2]) / pose[0, 0]).reshape(-1, 4)
        assert np.abs(back - expected.boxes).max(initial=0) < 2
    assert differs


# --- Appearance ---------------------------------------------------------------------------------


def crossing(tracker, features):
    """Two people meet, stop behind one another for a moment and turn back. Ids of (left, right)."""
    away = np.concatenate([np.arange(0, 41, 5), np.full(3, 42), np.arange(40, -1, -5)])
    red, blue = np.eye(2, 16, dtype=np.float32)
    noise = np.random.default_rng(6)
    first = last = None
    for x in away:
        boxes = [box(100.0 + x), box(190.0 - x)]
        looks = np.stack([red, blue]) + noise.normal(0, 0.05, (2, 16)).astype(np.float32)
        tracks = tracker.update(boxes, [0.9, 0.9], None, looks if features else None)
        ids = dict(zip(tracks.detection_indices.tolist(), tracks.ids.tolist(), strict=True))
        last = [ids.get(0), ids.get(1)]
        first = first or last
    return first, last


def test_appearance_keeps_ids_through_a_turn_that_motion_gets_wrong():
    first, last = crossing(ByteTrack(), features=False)
    assert last == first[::-1]
    first, last = crossing(ByteTrack(), features=True)
    assert last == first


def test_features_missing_or_useless_leave_motion_alone():
    rng = np.random.default_rng(7)
    plain, zero, broken = ByteTrack(), ByteTrack(), ByteTrack()
    for boxes, scores in crowd(rng, 40, 15):
        expected = plain.update(boxes, scores)
        same(zero.update(boxes, scores, features=np.zeros((len(boxes), 8))), expected)
        same(broken.update(boxes, scores, features=np.full((len(boxes), 8), np.nan)), expected)


def test_proximity_bounds_what_looks_can_match():
    """A stranger at IoU 0.67 or the same looks at 0.31: by default that is too far for looks."""
    red, blue = np.eye(2, 8)
    for proximity, taken in ((0.5, 0), (0.8, 1)):
        tracker = ByteTrack(proximity_thresh=proximity)
        for _ in range(3):
            tracker.update([box(0)], [0.9], features=[red])
        tracks = tracker.update([box(10), box(27)], [0.9, 0.9], features=[blue, red])
        assert tracks.detection_indices.tolist() == [taken]
    for proximity, ids in ((0.5, []), (0.9, [1])):  # and at 0.12 motion alone finds nobody
        tracker = ByteTrack(proximity_thresh=proximity)
        for x in (0, 0, 0, 40):
            tracks = tracker.update([box(x)], [0.9], features=[red])
        assert tracks.ids.tolist() == ids


def test_without_a_bound_on_proximity_looks_alone_can_match():
    """Someone leaves behind a pillar and comes out far from where he went in."""
    red = np.eye(1, 8)
    for proximity, expected in ((0.5, []), (1.0, [1])):
        tracker = ByteTrack(proximity_thresh=proximity)
        for _ in range(3):
            tracker.update([box(0)], [0.9], features=red)
        tracker.update([], [])
        tracks = tracker.update([box(500)], [0.9], features=50 * red)
        assert tracks.ids.tolist() == expected


def test_a_new_track_does_not_look_like_the_one_whose_place_it_takes():
    red, blue = np.eye(2, 8)
    tracker = ByteTrack(proximity_thresh=1.0, track_buffer=0)
    for _ in range(3):
        tracker.update([box(0)], [0.9], features=[red])
    for _ in range(3):
        tracker.update([], [])
    for _ in range(2):
        tracker.update([box(300)], [0.9], features=[blue])
    assert tracker.update([box(600)], [0.9], features=[blue]).ids.tolist() == [2]


def test_the_smoothed_feature_follows_slowly():
    """Weight 0.9 on the past: one odd picture is forgiven, a lasting change is learnt."""
    red, blue = np.eye(2, 8)
    tracker = ByteTrack(proximity_thresh=1.0)
    see = lambda x, looks: tracker.update([box(x)], [0.9], features=[looks]).ids.tolist()  # noqa: E731
    for _ in range(5):
        see(0, red)
    see(0, blue)
    assert see(500, red) == [1]
    for _ in range(40):
        see(500, blue)
    assert see(1000, red) == []
