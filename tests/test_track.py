"""The tracker's behaviour beyond the golden data: options, bad input, invariants."""

import threading
import time

import numpy as np
import pytest
from bytetrack_oracle import Oracle, assign, iou_matrix
from edgert._core import ByteTrack
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

FIXED = settings(derandomize=True, deadline=None, max_examples=60)


def box(x, y=100.0, width=50.0, height=120.0):
    return [x, y, x + width, y + height]


def crowd(rng, frames, people, size=(640, 480)):
    """Yields boxes and scores of people who walk, overlap, are missed, come and go."""
    position = rng.uniform((0, 0), size, (people, 2))
    speed = rng.normal(0, 4, (people, 2))
    shape = np.stack([rng.uniform(20, 60, people), rng.uniform(60, 140, people)], 1)
    for _ in range(frames):
        position = position + speed
        replaced = rng.random(people) < 0.02
        position[replaced] = rng.uniform((0, 0), size, (int(replaced.sum()), 2))
        seen = rng.random(people) > 0.1
        corner = position[seen] + rng.normal(0, 2, (int(seen.sum()), 2))
        size_now = shape[seen] * rng.normal(1, 0.03, corner.shape)
        boxes = np.hstack([corner, corner + size_now])
        scores = np.where(rng.random(len(boxes)) < 0.2, 0.1, 0.5) + 0.45 * rng.random(len(boxes))
        yield boxes, scores


def same(tracks, others):
    for name in ("ids", "boxes", "scores", "detection_indices", "class_ids"):
        assert_array_equal(getattr(tracks, name), getattr(others, name))


@pytest.mark.parametrize("seed", range(12))
def test_equals_the_oracle(seed):
    """Random crowds under random options, short buffers (so that tracks expire) among them."""
    rng = np.random.default_rng(seed)
    options = {
        "high": rng.choice([0.3, 0.5, 0.6]),
        "low": rng.choice([0.05, 0.1, 0.2]),
        "match": rng.choice([0.6, 0.8, 0.9, 0.99]),
        "fuse": bool(rng.integers(2)),
        "buffer": int(rng.choice([0, 1, 3, 30])),
    }
    oracle = Oracle(**options)
    tracker = ByteTrack(
        track_high_thresh=options["high"], track_low_thresh=options["low"],
        match_thresh=options["match"], fuse_score=options["fuse"], track_buffer=options["buffer"],
    )  # fmt: skip
    for boxes, scores in crowd(rng, 120, int(rng.integers(5, 40))):
        tracks = tracker.update(boxes, scores)
        expected = np.reshape(oracle.update(boxes, scores), (-1, 6))
        assert_array_equal(tracks.ids, expected[:, 0])
        assert_array_equal(tracks.detection_indices, expected[:, 5])
        assert_allclose(tracks.boxes, expected[:, 1:5], rtol=0, atol=1e-6)
    assert oracle.last_id > 20


def test_an_expired_track_can_be_found_for_one_more_frame():
    """The zombie of the reference: found again it keeps its id, and ends at its next miss."""
    tracker = ByteTrack(track_buffer=2)
    one, none = ([box(0)], [0.9]), ([], [])

    def ids(*frames):
        tracker.reset()
        return [tracker.update(*frame).ids.tolist() for frame in frames]

    # Seen in 1 and 2; 5 is the first frame more than 2 after 2.
    assert ids(one, one, none, none, none, one)[-1] == [1]
    assert ids(one, one, none, none, none, none, one)[-1] == []
    assert ids(one, one, none, none, one, none, one)[-1] == [1]
    assert ids(one, one, none, none, none, one, none, one, one)[-1] == [2]


def test_scores_equal_to_a_threshold_are_dropped():
    tracker = ByteTrack()
    tracks = tracker.update([box(0), box(200)], [0.5, 0.6])
    assert tracks.detection_indices.tolist() == [1]  # exactly 0.6 starts a track
    assert tracker.update([box(200)], [0.5]).ids.tolist() == []
    tracker.reset()
    tracker.update([box(200)], [0.6])
    assert tracker.update([box(200)], [0.1]).ids.tolist() == []
    tracker.reset()
    tracker.update([box(200)], [0.6])
    assert tracker.update([box(200)], [0.11]).ids.tolist() == [1]


def test_reset_and_instances_count_ids_from_1():
    first, second = ByteTrack(), ByteTrack()
    frames = list(crowd(np.random.default_rng(0), 40, 15))
    a = [first.update(*frame) for frame in frames]
    b = [second.update(*frame) for frame in frames]
    first.reset()
    c = [first.update(*frame) for frame in frames]
    for x, y, z in zip(a, b, c, strict=True):
        same(x, y)
        same(x, z)


# --- Inputs -------------------------------------------------------------------------------------


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


GOOD = ([box(0), box(200)], [0.9, 0.8])
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
        (GOOD, {"class_ids": [1]}, r"class_ids has shape \(1,\), expected \(2,\)"),
        (GOOD, {"features": np.ones((1, 8))}, r"features has shape \(1, 8\), expected \(2, D\)"),
        (GOOD, {"features": np.ones((2, 0))}, r"features has shape \(2, 0\)"),
        (GOOD, {"features": np.ones((2, 4))}, "features have 4 values a row, expected 8"),
        (GOOD, {"warp": np.eye(3)}, r"warp has shape \(3, 3\), expected \(2, 3\)"),
        (GOOD, {"warp": np.full((2, 3), np.nan)}, "warp holds nan"),
        (GOOD, {"warp": np.zeros((2, 3))}, "warp has the scale 0"),
        (GOOD, {"timestamp": 1.0}, "timestamp is given but earlier frames had none"),
        (GOOD, {"timestamp": np.nan}, "timestamp is nan"),
    ],
)
def test_bad_input_is_an_error_that_changes_nothing(arguments, more, words):
    tracker, untouched = ByteTrack(), ByteTrack()
    for t in (tracker, untouched):
        t.update(*GOOD, **ONE_FEATURE)
    with pytest.raises(ValueError, match=words):
        tracker.update(*arguments, **more)
    for _ in range(3):
        same(tracker.update(*GOOD, **ONE_FEATURE), untouched.update(*GOOD, **ONE_FEATURE))


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
        tracks = with_row.update([row, *GOOD[0]], [0.9, *GOOD[1]])
        expected = without.update(*GOOD)
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
        ByteTrack(class_aware=True).update(*GOOD)


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
    tracker.update(*GOOD, timestamp=5.0)
    for stamp, words in ((5.0, "expected more than 5"), (None, "timestamp is missing")):
        with pytest.raises(ValueError, match=words):
            tracker.update(*GOOD, timestamp=stamp)
    assert tracker.update(*GOOD, timestamp=5.1).ids.tolist() == [1, 2]


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


# --- Invariants ---------------------------------------------------------------------------------

WILD = st.one_of(
    st.floats(-200, 900),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1e7, -1e7, 1e-3, 1e300, 5e-324]),
)
ROW = st.one_of(
    st.tuples(WILD, WILD, WILD, WILD),
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 30), st.integers(1, 30)).map(
        lambda r: (10.0 * r[0], 10.0 * r[1], 10.0 * (r[0] + r[2]), 10.0 * (r[1] + r[3]))
    ),
)
SCORE = st.one_of(st.floats(0, 1), st.sampled_from([0.1, 0.5, 0.6, 0.9, float("nan")]))
FRAME = st.lists(st.tuples(ROW, SCORE, st.integers(0, 2)), max_size=12)


@FIXED
@given(
    st.lists(FRAME, max_size=12),
    st.sampled_from([{}, {"track_buffer": 1}, {"class_aware": True}, {"match_thresh": 1.0}]),
    st.booleans(),
    st.sampled_from([None, 1.0, 1e6]),
)
def test_invariants_hold_for_any_input(frames, options, looks, gap):
    tracker = ByteTrack(history=2, proximity_thresh=1.0, **options)
    known, ended, highest = set(), set(), 0
    for i, frame in enumerate(frames):
        boxes = np.reshape([row for row, _, _ in frame], (-1, 4)).astype(float)
        more = {}
        if looks:
            more["features"] = boxes  # anything: NaN, inf, zeros and enormous values too
        if gap is not None:
            more["timestamp"] = gap * i
            more["warp"] = [[1.1, 0.2, 5.0], [-0.2, 0.9, -3.0]]
        with np.errstate(over="ignore"):
            scores, classes = [s for _, s, _ in frame], [c for _, _, c in frame]
            tracks = tracker.update(boxes, scores, classes, **more)
        ids = tracks.ids.tolist()
        assert len(set(ids)) == len(ids)
        assert not ended & set(ids)
        assert np.isfinite(tracks.boxes).all()
        assert np.isfinite([tracker.history(i) for i in ids]).all()
        taken = tracks.detection_indices
        assert len(set(taken.tolist())) == len(taken)
        assert ((taken >= 0) & (taken < len(frame))).all()
        new = set(ids) - known
        known |= new
        highest = max([highest, *ids])
        for track_id in list(known):
            try:
                tracker.history(track_id)
            except ValueError:
                known.discard(track_id)
                ended.add(track_id)


@FIXED
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.floats(0.3, 1.0))
def test_the_matching_is_the_cheapest(seed, people, limit):
    """Second frames against `lap` on the dense costs, in crowds where greedy choices fail."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (people, 2))
    first = np.hstack([corner, corner + rng.uniform(20, 60, (people, 2))])
    second = first[rng.permutation(people)] + rng.normal(0, 8, (people, 1))
    scores = rng.uniform(0.61, 1, people)
    tracker = ByteTrack(match_thresh=limit)
    tracker.update(first, np.full(people, 0.9))
    tracks = tracker.update(second, scores)
    cost = 1 - iou_matrix(first, second) * scores
    pairs = [(row, column) for row, column in assign(cost, limit) if cost[row, column] < limit]
    found = [
        (i - 1, j)
        for i, j in zip(tracks.ids.tolist(), tracks.detection_indices.tolist(), strict=True)
        if i <= people
    ]
    assert sorted(found) == pairs
