"""The whole pipeline against the independent reference, on real video and photographs.

By default 10 frames of the video and every image; `EDGERT_FULL=1` takes 100 frames. The figures
are printed: `pytest -s tests/test_against_reference.py`.
"""

import os

import numpy as np
import pytest

import edgert

from cases import how_many
from reference import ReferencePipeline
from reference.compare import Agreement
from reference.media import assets, images, video_frames

VIDEO_FRAMES = 100 if os.environ.get("EDGERT_FULL") == "1" else how_many(10, 1)

DETECTOR = assets() / "models" / "yolov8n.onnx"
POSE = assets() / "models" / "pose_heatmap_256x192.onnx"

pytestmark = pytest.mark.skipif(
    not DETECTOR.exists() or not POSE.exists(),
    reason=f"no models in {assets()}; set EDGERT_ASSETS",
)


@pytest.fixture(scope="module")
def frames():
    video = video_frames(assets() / "videos" / "vtest.avi", VIDEO_FRAMES)
    photographs = images(assets() / "images")
    assert len(photographs) > 10
    return video + photographs[: how_many(len(photographs), 2)]


def test_boxes(frames):
    # Below the 0.25 that counts, so that a score on the threshold still finds its partner.
    threshold = 0.2
    reference = ReferencePipeline(DETECTOR, score_threshold=threshold)
    agreement = Agreement()
    with edgert.Pipeline(
        DETECTOR, tracker=None, classes=None, score_threshold=threshold, device="cpu"
    ) as pipe:
        for frame in frames:
            agreement.add_boxes(pipe(frame), reference(frame))
    print("\n" + agreement.summary())
    assert agreement.detections > 5 * len(frames)
    assert agreement.matched_share >= 0.995
    assert np.concatenate(agreement.score_gaps).max() <= 0.01


def test_keypoints(frames):
    threshold = 0.45
    reference = ReferencePipeline(DETECTOR, POSE, score_threshold=threshold, classes=["person"])
    agreement = Agreement()
    with edgert.Pipeline(
        DETECTOR, pose=POSE, tracker=None, score_threshold=threshold, device="cpu"
    ) as pipe:
        for frame in frames:
            one, other = pipe(frame), reference(frame)
            agreement.add_boxes(one, other)
            agreement.add_keypoints(one, other)
    print("\n" + agreement.summary())
    gaps = np.concatenate(agreement.keypoint_gaps)
    assert len(gaps) > 17 * len(frames)
    assert np.median(gaps) <= 0.5
    assert np.percentile(gaps, 99) <= 2
    assert np.concatenate(agreement.keypoint_score_gaps).max() <= 0.05
