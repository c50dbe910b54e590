"""The tracker against recorded outputs of the original ByteTrack."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from edgert._core import ByteTrack

HERE = Path(__file__).parent
ASSETS = Path(os.environ.get("EDGERT_ASSETS", HERE.parent.parent / "shared" / "assets"))
PARAMETERS = {
    "demo": {},
    "mot17": {"track_high_thresh": 0.6, "match_thresh": 0.9},
    "mot20": {"fuse_score": False},
    "fps10": {"frame_rate": 10},
    "long": {"track_buffer": 60, "frame_rate": 25},
}
COPIED = sorted((HERE / "golden" / "track").glob("*.trk.npz"))
ALL = sorted((ASSETS / "tracking").glob("syn_*.trk.npz"))


def frames(path):
    """Yields the boxes, the scores and the expected rows of every frame."""
    sequence = path.name.split(".")[0]
    with np.load(path.with_name(f"{sequence}.det.npz")) as file:
        detections = {name: file[name] for name in file.files}
    with np.load(path) as file:
        expected = {name: file[name] for name in file.files}
    for frame in range(1, int(detections["nframes"]) + 1):
        inputs, rows = detections["frame"] == frame, expected["frame"] == frame
        yield (
            detections["xyxy_e4"][inputs] / 1e4,
            detections["score"][inputs],
            {name: column[rows] for name, column in expected.items()},
        )


def check(path, dtype):
    tracker = ByteTrack(**PARAMETERS[path.name.split(".")[1]])
    seen = 0
    for boxes, scores, expected in frames(path):
        tracks = tracker.update(boxes.astype(dtype), scores.astype(dtype))
        assert tracks.ids.tolist() == expected["track_id"].tolist()
        assert tracks.detection_indices.tolist() == expected["det_index"].tolist()
        np.testing.assert_allclose(tracks.boxes, expected["xyxy_e4"] / 1e4, rtol=0, atol=1e-3)
        np.testing.assert_array_equal(
            tracks.scores, scores.astype(dtype)[expected["det_index"]].astype(float)
        )
        seen += len(tracks)
    assert seen == len(np.load(path)["frame"]) > 0


def test_the_copied_sequences_are_there():
    assert len(COPIED) == 5


@pytest.mark.parametrize("path", COPIED, ids=lambda p: p.name[:-8])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_copied_sequence(path, dtype):
    check(path, dtype)


@pytest.mark.skipif(not ALL, reason=f"no tracking data under {ASSETS} (EDGERT_ASSETS)")
@pytest.mark.parametrize("path", ALL, ids=lambda p: p.name[:-8])
def test_sequence(path):
    check(path, np.float64)


@pytest.mark.skipif(not ALL, reason=f"no tracking data under {ASSETS} (EDGERT_ASSETS)")
def test_palace():
    """A street video. Recorded from a C++ port with a Kalman filter of its own: not equal."""
    folder = ASSETS / "tracking" / "palace_yolox"

    def by_frame(name, last):
        rows = json.loads((folder / name).read_text())["results"]
        columns = ("frame_id", "x", "y", "width", "height", last)
        table = np.array([[float(row[column]) for column in columns] for row in rows])
        table[:, 3:5] += table[:, 1:3]
        return lambda frame: table[table[:, 0] == frame, 1:]

    detections = by_frame("detection_results.json", "prob")
    recorded = by_frame("tracking_results.json", "track_id")
    tracker = ByteTrack(fuse_score=False)
    ours, theirs, equal_counts = set(), set(), 0
    for frame in range(314):
        rows, expected = detections(frame), recorded(frame)
        tracks = tracker.update(rows[:, :4], rows[:, 4])
        if frame < 115:  # then the port starts a track that the original does not
            assert tracks.ids.tolist() == expected[:, 4].tolist()
            assert np.median(np.abs(tracks.boxes - expected[:, :4])) < 0.01
        ours |= set(tracks.ids.tolist())
        theirs |= set(expected[:, 4].tolist())
        equal_counts += len(tracks) == len(expected)
    assert abs(len(ours) - len(theirs)) <= 1
    assert equal_counts > 0.8 * 314
