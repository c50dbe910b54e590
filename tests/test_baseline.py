"""The pure-Python path: whole with a tracker, and equal to edgert's where both do the same."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import edgert

pytest.importorskip("cv2", reason="pip install 'edgert[bench]'")
pytest.importorskip("lap", reason="pip install 'edgert[bench]'")

from edgert.baseline.agreement import matched_share
from edgert.baseline.pipeline import BaselinePipeline
from edgert.baseline.pose import decode_heatmaps
from edgert.baseline.track import Tracker


@pytest.fixture
def frames():
    """Two bright people who walk, on (120, 160, 3)."""
    made = []
    for step in range(8):
        image = np.full((120, 160, 3), 20, np.uint8)
        image[30:90, 30 + step : 50 + step] = 250
        image[20:100, 100 - step : 130 - step] = 230
        made.append(image)
    return made


@pytest.mark.parametrize(
    "notes", [(), (("edgert.refine", "dark"), ("edgert.blur_kernel", "[7]"))], ids=["plain", "dark"]
)
def test_tracks_and_skeletons_are_those_of_the_pipeline(model, frames, notes):
    detector, pose = model("detector"), model("pose", metadata=notes)
    baseline = BaselinePipeline(detector, pose, Tracker(), threads=1)
    with edgert.Pipeline(detector, pose, device="cpu") as pipe:
        pairs = [
            (ours, baseline(frame)) for frame, ours in zip(frames, pipe.run(frames), strict=True)
        ]
    assert any(len(ours) for ours, _ in pairs)
    assert matched_share(pairs) >= 0.97
    for ours, theirs in pairs:
        assert ours.ids.tolist() == theirs.ids.tolist()
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=0.5)
        if len(ours):
            off = np.abs(ours.keypoints - theirs.keypoints).max(axis=2)
            assert np.median(off) < 0.5


def test_appearance_makes_the_same_difference_as_in_the_pipeline(model, crossing_people):
    detector, reid = model("detector"), model("reid")
    theirs, plain = (
        BaselinePipeline(
            detector, None, Tracker(high=0.3, match=0.95, near=1.0), reid=network, threads=1
        )
        for network in (reid, None)
    )
    ours = edgert.ByteTrack(track_high_thresh=0.3, match_thresh=0.95, proximity_thresh=1.0)
    with edgert.Pipeline(detector, None, ours, reid, device="cpu") as pipe:
        ids = [pipe(frame).ids.tolist() for frame in crossing_people]
    assert [theirs(frame).ids.tolist() for frame in crossing_people] == ids
    assert [plain(frame).ids.tolist() for frame in crossing_people] != ids


@pytest.mark.parametrize("near", [0.5, 0.8, 1.0])
def test_trackers_agree_on_people_who_look_different(near):
    differs = 0
    for seed in range(8):
        chance = np.random.default_rng(seed)
        faces = chance.normal(size=(10, 16))
        at, speed = chance.uniform(0, 300, (10, 2)), chance.normal(0, 4, (10, 2))
        size = np.array([40, 80])
        theirs, plain = Tracker(near=near), Tracker()
        ours = edgert.ByteTrack(proximity_thresh=near)
        for _ in range(60):
            at += speed + chance.normal(0, 1, at.shape)
            speed = np.where((at < 0) | (at > 300), -speed, speed)
            seen = chance.random(10) < 0.85
            boxes = np.hstack([at, at + size])[seen].astype(np.float32)
            scores = chance.uniform(0.2, 1, len(boxes)).astype(np.float32)
            looks = faces[seen] + chance.normal(0, 0.4, (len(boxes), 16))
            looks /= np.linalg.norm(looks, axis=1, keepdims=True)
            found = ours.update(boxes, scores, features=looks)
            rows = theirs.update(boxes, scores, looks)
            assert found.ids.tolist() == [row[0] for row in rows]
            differs += found.ids.tolist() != [row[0] for row in plain.update(boxes, scores)]
    assert differs > 50


def test_nobody_has_no_keypoints(model):
    dark = np.zeros((120, 160, 3), np.uint8)
    found = BaselinePipeline(model("detector"), model("pose"), Tracker(), threads=1)(dark)
    assert len(found.boxes) == len(found.ids) == 0
    assert found.keypoints is None


@pytest.mark.parametrize("dark_kernel", [None, 7, 11])
def test_joints_are_those_of_edgert(dark_kernel):
    chance = np.random.default_rng(3)
    y, x = np.mgrid[0:32, 0:16]
    tops = chance.uniform([-1, -1], [17, 33], (4, 17, 2))
    away = (x - tops[..., 0, None, None]) ** 2 + (y - tops[..., 1, None, None]) ** 2
    heatmaps = np.exp(-away / (2 * 1.5**2)) + chance.uniform(0, 0.02, (4, 17, 32, 16))
    heatmaps = heatmaps.astype(np.float32)
    to_frame = np.array([[[2.0, 0, 5], [0, 2, -3]]] * 4)
    how = {} if dark_kernel is None else {"refine": "dark", "blur_kernel": dark_kernel}
    ours, our_scores = edgert.ops.decode_heatmaps(heatmaps, to_frame, **how)
    theirs, their_scores = decode_heatmaps(heatmaps, to_frame, dark_kernel=dark_kernel)
    np.testing.assert_array_equal(our_scores, their_scores)
    np.testing.assert_allclose(ours, theirs, atol=0.02)
    plain, _ = edgert.ops.decode_heatmaps(heatmaps, to_frame, refine="none")
    assert np.abs(ours - plain).max() > 1


def people(*boxes, scores=None):
    return SimpleNamespace(
        boxes=np.array(boxes, float).reshape(-1, 4),
        scores=np.full(len(boxes), 0.9) if scores is None else np.array(scores),
    )


A, B = [0, 0, 100, 200], [300, 0, 380, 190]


def test_the_share_of_matched_boxes():
    assert matched_share([(people(A, B), people(A, B))]) == 1
    assert matched_share([(people(A), people(A, B))]) == 0.5
    # Of others that we find too nothing is said, nor of those they are not sure of.
    assert matched_share([(people(A, B), people(A))]) == 1
    assert matched_share([(people(A), people(A, B, scores=[0.9, 0.4]))]) == 1
    assert matched_share([(people([8, 0, 108, 200]), people(A))]) == 0
    assert matched_share([(people(), people())]) == 1
    assert matched_share([(people(), people(A))]) == 0
