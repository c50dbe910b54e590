"""The tracker against a plain one, and the invariants that hold for any input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgert._core import ByteTrack
from edgert.baseline.track import Tracker as Oracle
from edgert.baseline.track import assign, iou_matrix
from track_scenes import box, crowd, same

FIXED = settings(derandomize=True, deadline=None, max_examples=60)


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
