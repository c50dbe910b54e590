"""The Pipeline on small models whose answers can be worked out by hand, and on real ones."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import edgert

from pipeline_frames import equal, moving_people


def test_result_is_as_the_contract_says(detector, pose):
    pipe = edgert.Pipeline(detector, pose)
    result = pipe(moving_people(1)[0])
    assert len(result) >= 1
    n = len(result)
    assert result.boxes.shape == (n, 4)
    assert result.boxes.dtype == np.float32
    assert result.scores.shape == (n,)
    assert result.scores.dtype == np.float32
    assert result.class_ids.dtype == np.int32
    assert result.ids.dtype == np.int64
    assert result.keypoints.shape == (n, 17, 2)
    assert result.keypoint_scores.shape == (n, 17)
    assert result.size == (64, 64)
    assert (result.boxes[:, 2:] > result.boxes[:, :2]).all()
    assert result.ids.min() >= 1


def test_bright_cell_is_found_where_it_is(detector):
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:24, 40:48] = 255
    result = edgert.Pipeline(detector, tracker=None)(image)
    np.testing.assert_allclose(result.boxes, [[38, 14, 50, 26]])
    np.testing.assert_allclose(result.scores, [1.0])
    assert result.ids.tolist() == [-1]
    assert result.keypoints is None
    assert result.keypoint_scores is None


def test_boxes_of_a_wide_frame_are_in_frame_pixels(detector):
    image = np.zeros((120, 240, 3), np.uint8)
    image[60:90, 60:90] = 255  # shown at 64 / 240 under a margin of 16 rows: one cell
    (box,) = edgert.Pipeline(detector, tracker=None, score_threshold=0.9)(image).boxes
    np.testing.assert_allclose(box, [52.5, 52.5, 97.5, 97.5], atol=0.01)


def test_pipeline_is_the_ops_in_a_row(detector, pose, picture):
    result = edgert.Pipeline(detector, pose, tracker=None)(picture)
    tensor, to_frame = edgert.ops.letterbox(picture, (64, 64))
    (output,) = edgert.Engine(detector)(tensor)
    boxes, scores, class_ids = edgert.ops.decode_yolo(output, to_frame, 0.25, classes=[0])
    crops, crop_to_frame = edgert.ops.crop_people(picture, boxes, (64, 48))
    (heatmaps,) = edgert.Engine(pose)(crops)
    keypoints, keypoint_scores = edgert.ops.decode_heatmaps(heatmaps, crop_to_frame)
    assert len(boxes) > 8, "more people than one batch of the pose network holds"
    np.testing.assert_array_equal(result.boxes, boxes)
    np.testing.assert_array_equal(result.scores, scores)
    np.testing.assert_array_equal(result.class_ids, class_ids)
    np.testing.assert_array_equal(result.keypoints, keypoints)
    np.testing.assert_array_equal(result.keypoint_scores, keypoint_scores)


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_run_gives_what_calls_give(detector, pose, lanes):
    frames = moving_people(30)
    with edgert.Pipeline(detector, pose) as single:
        expected = [single(frame) for frame in frames]
    with edgert.Pipeline(detector, pose, lanes=lanes) as pipe:
        for _ in range(2):  # tracks start anew with every run
            results = list(pipe.run(iter(frames)))
            assert [r.frame_index for r in results] == list(range(30))
            assert all(map(equal, results, expected))


def test_a_person_who_stays_keeps_the_id(detector):
    image = np.full((64, 64, 3), 10, np.uint8)
    image[16:24, 8:16] = 255
    results = list(edgert.Pipeline(detector).run([image] * 20))
    assert [r.ids.tolist() for r in results] == [[1]] * 20


def test_run_can_yield_the_frames_too(detector):
    frames = moving_people(5)
    pairs = list(edgert.Pipeline(detector).run(frames, frames=True))
    assert all(image is frame for (image, _), frame in zip(pairs, frames, strict=True))


def test_sources_of_a_list_keep_their_own_tracks(detector, tmp_path):
    from PIL import Image

    folders = []
    for name in ("left", "right"):
        folder = tmp_path / name
        folder.mkdir()
        for i, frame in enumerate(moving_people(6)):
            Image.fromarray(frame[..., ::-1].copy()).save(folder / f"{i}.png")
        folders.append(str(folder))
    single = list(edgert.Pipeline(detector).run(folders[0]))
    both = list(edgert.Pipeline(detector).run(folders))
    for name in ("left", "right"):
        part = [r for r in both if name in r.source]
        assert [r.frame_index for r in part] == list(range(6))
        assert all(np.array_equal(a.ids, b.ids) for a, b in zip(part, single, strict=True))


def test_leaving_the_loop_early_leaves_nothing_behind(detector, pose):
    before = threading.active_count()
    pipe = edgert.Pipeline(detector, pose)
    for count, _ in enumerate(pipe.run(iter(moving_people(100)))):
        if count == 3:
            break
    assert pipe(moving_people(1)[0]).frame_index == 0
    assert len(list(pipe.run(moving_people(4)))) == 4
    pipe.close()
    assert threading.active_count() == before


def test_an_error_of_the_source_comes_after_the_frames_before_it(detector):
    def frames():
        yield from moving_people(7)
        raise OSError("the cable is out")

    pipe = edgert.Pipeline(detector)
    results = pipe.run(frames())
    assert [next(results).frame_index for _ in range(7)] == list(range(7))
    with pytest.raises(OSError, match="the cable is out"):
        next(results)
    assert pipe.stats()["frames"] == 7


def test_a_frame_of_the_wrong_kind_names_itself(detector):
    pipe = edgert.Pipeline(detector)
    with pytest.raises(ValueError, match=r"float64.*expected.*uint8"):
        pipe(np.zeros((10, 10, 3)))
    with pytest.raises(ValueError, match=r"\(3, 10, 10\)"):
        pipe(np.zeros((3, 10, 10), np.uint8))
    with pytest.raises(ValueError, match="array 2"):
        list(pipe.run([*moving_people(2), np.zeros((4, 4, 7), np.uint8)]))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (500, 1, 3), (64, 64), (64, 64, 4)])
def test_any_image_is_taken(detector, pose, shape):
    result = edgert.Pipeline(detector, pose, tracker=None)(np.full(shape, 255, np.uint8))
    assert np.isfinite(result.boxes).all()
    assert np.isfinite(result.keypoints).all()
    assert result.size == shape[:2]


def test_a_20000_by_20000_image_is_taken(detector):
    image = np.broadcast_to(np.uint8(200), (20000, 20000, 3))
    result = edgert.Pipeline(detector, tracker=None)(image)
    assert len(result) > 0
    assert result.size == (20000, 20000)


def test_layouts_in_memory_do_not_matter(detector, pose, picture):
    pipe = edgert.Pipeline(detector, pose, tracker=None)
    expected = pipe(picture)
    padded = np.zeros((130, 170, 4), np.uint8)
    padded[5:125, 5:165, :3] = picture
    mirrored = np.ascontiguousarray(picture[::-1, ::-1])
    fortran = np.asfortranarray(picture)
    read_only = picture.copy()
    read_only.flags.writeable = False
    for image in (padded[5:125, 5:165, :3], mirrored[::-1, ::-1], fortran, read_only):
        assert equal(pipe(image), expected)
    assert equal(pipe(memoryview(picture)), expected)


def test_untracked_adds_strong_detections_with_id_minus_one(detector):
    tracker = edgert.ByteTrack(track_high_thresh=0.5, new_track_thresh=2.0 / 2.01)
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[16:24, 8:16] = 255  # scores 1
    frame[48:56, 40:48] = 200  # 0.78: strong, but no new track
    frame[0:8, 56:64] = 60  # 0.24: weak
    assert edgert.Pipeline(detector, tracker=tracker)(frame).ids.tolist() == [1]
    tracker.reset()
    result = edgert.Pipeline(detector, tracker=tracker, untracked=True)(frame)
    assert result.ids.tolist() == [1, -1]
    np.testing.assert_allclose(result.scores, [1, 200 / 255], rtol=1e-5)


def test_appearance_features_reach_the_tracker(model, crossing_people):
    """The tracker gets from the pipeline what it gets by hand, and it makes a difference."""
    options = {"proximity_thresh": 1.0, "track_high_thresh": 0.3, "match_thresh": 0.95}
    detector = model("detector")
    for batch in ("batch", 1):
        network = model("reid", batch=batch)
        pipe = edgert.Pipeline(detector, tracker=edgert.ByteTrack(**options), reid=network)
        by_hand = edgert.ByteTrack(**options)
        plain = edgert.Pipeline(detector, tracker=edgert.ByteTrack(**options))
        found = edgert.Pipeline(detector, tracker=None, score_threshold=0.1)
        ids, plain_ids = [], []
        for frame in crossing_people:
            detections = found(frame)
            features = [mean_colour(frame, box) for box in detections.boxes]
            tracks = by_hand.update(detections.boxes, detections.scores, features=features)
            result = pipe(frame)
            assert result.ids.tolist() == tracks.ids.tolist()
            ids.append(result.ids.tolist())
            plain_ids.append(plain(frame).ids.tolist())
        assert ids != plain_ids
        assert "3 values" in repr(pipe)
        assert pipe.stats()["stages"]["reid"]["count"] == len(ids)


def mean_colour(frame: np.ndarray, box: np.ndarray) -> list[float]:
    """The reid model's features, in NumPy, of a box stretched over 32 x 16 pixels."""
    x = box[0] + (np.arange(16) + 0.5) * (box[2] - box[0]) / 16 - 0.5
    y = box[1] + (np.arange(32) + 0.5) * (box[3] - box[1]) / 32 - 0.5
    padded = np.pad(frame.astype(float), ((16, 16), (16, 16), (0, 0)))

    def sample(values: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
        low = np.floor(at).astype(int)
        weight = (at - low).reshape([-1 if i == axis else 1 for i in range(3)])
        first, second = (np.take(values, low + 16 + i, axis) for i in (0, 1))
        return first + weight * (second - first)

    crop = sample(sample(padded, y, 0), x, 1)
    rgb = crop.mean(axis=(0, 1))[::-1] / 255
    return ((rgb - edgert.ops.IMAGENET_MEAN) / edgert.ops.IMAGENET_STD).tolist()


def test_reid_needs_a_tracker_and_a_vector(model):
    with pytest.raises(ValueError, match="there is no tracker"):
        edgert.Pipeline(model("detector"), tracker=None, reid=model("reid"))
    with pytest.raises(edgert.ModelError, match="one vector a crop"):
        edgert.Pipeline(model("detector"), reid=model("pose"))


def test_boxes_are_the_detections_that_tracks_took(detector):
    frames = moving_people(10)
    tracked = edgert.Pipeline(detector)
    found = edgert.Pipeline(detector, tracker=None, score_threshold=0.1)
    for frame in frames:
        detections = {tuple(box) for box in found(frame).boxes.tolist()}
        assert {tuple(box) for box in tracked(frame).boxes.tolist()} <= detections


def test_reset_starts_ids_anew(detector):
    pipe = edgert.Pipeline(detector)
    first = pipe(moving_people(1)[0]).ids.tolist()
    assert min(first) == 1
    pipe.reset()
    assert pipe(moving_people(1)[0]).ids.tolist() == first
    assert pipe.stats()["frames"] == 1
