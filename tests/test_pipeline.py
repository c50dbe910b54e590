"""The Pipeline on small models whose answers can be worked out by hand, and on real ones."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading

import numpy as np
import pytest

import edgert
from edgert.io.arrays import ArraySource

from cases import how_many


@pytest.fixture
def detector(model):
    return model("detector")


@pytest.fixture
def pose(model):
    return model("pose")


def moving_people(count: int) -> list[np.ndarray]:
    """A bright block that walks to the right."""
    frames = []
    for i in range(count):
        image = np.full((64, 64, 3), 10, np.uint8)
        image[16:24, 8 + i % 40 : 16 + i % 40] = 255
        frames.append(image)
    return frames


def equal(a: edgert.Result, b: edgert.Result) -> bool:
    fields = ("boxes", "scores", "class_ids", "ids", "keypoints", "keypoint_scores")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in fields)


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


# ---- models
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"batch": 1}, {"batch": 4}, {"opset": 8}, {"opset": 21}])
def test_models_of_every_make_give_the_same(model, picture, options):
    expected = edgert.Pipeline(model("detector"), model("pose"), tracker=None)(picture)
    result = edgert.Pipeline(model("detector", **options), model("pose", **options), tracker=None)(
        picture
    )
    assert equal(result, expected)


def test_half_precision_models(model):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[8:16, 8:16], picture[24:32, 40:48], picture[48:56, 16:24] = 255, 200, 150
    expected = edgert.Pipeline(model("detector"), model("pose"), tracker=None)(picture)
    half = {"dtype": np.float16}
    result = edgert.Pipeline(model("detector", **half), model("pose", **half), tracker=None)(
        picture
    )
    assert len(result) == 3
    # On Arm ONNX Runtime adds FP16 products in FP16.
    np.testing.assert_allclose(
        result.scores, expected.scores, atol=5e-3 if platform.machine() == "aarch64" else 2e-3
    )
    np.testing.assert_allclose(result.boxes, expected.boxes, atol=0.1)
    # Equal cells of a flat heatmap may swap their order: the peaks' heights are what must agree.
    np.testing.assert_allclose(result.keypoint_scores, expected.keypoint_scores, atol=5e-3)


def test_one_stage_pose_model(model):
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:24, 40:48] = 255
    for options in (
        {"classes": 1, "joints": 17},  # 56 rows: COCO's joints
        {"classes": 1, "joints": 5, "metadata": (("kpt_shape", "[5, 3]"),)},
    ):
        result = edgert.Pipeline(model("detector", **options), tracker=None)(image)
        assert result.keypoints.shape == (1, options["joints"], 2)
        np.testing.assert_allclose(result.keypoints[0, :3], [[44, 20], [44, 21], [44, 22]])
        np.testing.assert_allclose(result.keypoint_scores, 0.5)


def test_offsets_refine_the_peak(model, picture):
    plain = edgert.Engine(model("pose"), refine="none")
    expected = edgert.Pipeline(model("detector"), plain, tracker=None)(picture)
    for order, unit, offsets in (
        ("xy", "cell", (0.5, -0.25)),
        ("yx", "cell", (-0.25, 0.5)),
        ("xy", "pixel", (2.0, -1.0)),
    ):
        notes = (("edgert.offsets", order), ("edgert.offsets_unit", unit))
        refined = model("pose", offsets=offsets, metadata=notes)
        result = edgert.Pipeline(model("detector"), refined, tracker=None)(picture)
        # Half a cell right and a quarter up, in frame pixels: 4 network pixels a cell.
        width, height = (result.boxes[:, 2:] - result.boxes[:, :2]).T
        scale = np.maximum(height, width / 0.75) * 1.25 / 64
        step = result.keypoints - expected.keypoints
        np.testing.assert_allclose(step[..., 0], np.repeat(2 * scale[:, None], 17, 1), rtol=1e-3)
        np.testing.assert_allclose(step[..., 1], np.repeat(-1 * scale[:, None], 17, 1), rtol=1e-3)


def test_metadata_of_the_pose_model_is_honoured(model, picture):
    plain = edgert.Pipeline(model("detector"), model("pose"), tracker=None)(picture)
    told = edgert.Engine(model("pose"), cells="center", refine="dark", padding=1.5)
    notes = (("edgert.cells", "center"), ("edgert.refine", "dark"), ("edgert.padding", "[1.5]"))
    noted = model("pose", metadata=notes)
    by_engine = edgert.Pipeline(model("detector"), told, tracker=None)(picture)
    by_notes = edgert.Pipeline(model("detector"), noted, tracker=None)(picture)
    assert equal(by_engine, by_notes)
    assert not equal(by_engine, plain)
    wider = model("pose", metadata=(*notes, ("edgert.blur_kernel", "[17]")))
    by_wider = edgert.Pipeline(model("detector"), wider, tracker=None)(picture)
    assert not equal(by_wider, by_notes)
    same = model("pose", metadata=(*notes, ("edgert.blur_kernel", "[11]")))
    assert equal(edgert.Pipeline(model("detector"), same, tracker=None)(picture), by_notes)


@pytest.mark.parametrize("kernel", ["[4]", "[1]", "[33]", "[7.5]", "7"])
def test_a_blur_that_cannot_be_is_refused(model, kernel):
    noted = model("pose", metadata=(("edgert.blur_kernel", kernel),))
    with pytest.raises(edgert.ModelError, match=r"edgert\.blur_kernel is .*, expected"):
        edgert.Pipeline(model("detector"), noted)


def test_open_input_size_comes_from_imgsz_or_the_engine(model):
    options = {"open_size": True, "size": (32, 64), "metadata": (("imgsz", "[32, 64]"),)}
    assert "64x32" in repr(edgert.Pipeline(model("detector", **options)))
    options = {"open_size": True, "size": (32, 64)}
    engine = edgert.Engine(model("detector", **options), size=(32, 64))
    assert "64x32" in repr(edgert.Pipeline(engine))


def test_names_come_from_the_model_else_from_coco(model, picture):
    named = model("detector", classes=2, names=("cat", "dog"))
    assert edgert.Pipeline(named, classes=("dog",)).class_names == ("cat", "dog")
    assert edgert.Pipeline(model("detector")).class_names[0] == "person"
    with pytest.raises(ValueError, match="no class 'person'; it has 2: cat, dog"):
        edgert.Pipeline(named)
    with pytest.raises(ValueError, match="no class 7"):
        edgert.Pipeline(named, classes=(7,))


def test_class_filter_comes_after_the_best_class(model, picture):
    """Class 1 scores half of class 0 everywhere: asked for alone, it is never an anchor's best."""
    detector = model("detector")
    assert len(edgert.Pipeline(detector, tracker=None, classes=(0,))(picture)) > 0
    assert len(edgert.Pipeline(detector, tracker=None, classes=(1,))(picture)) == 0
    everything = edgert.Pipeline(detector, tracker=None, classes=None)(picture)
    assert set(everything.class_ids.tolist()) == {0}


@pytest.mark.parametrize(
    ("role", "kind", "options", "message"),
    [
        ("detector", "classifier", {}, r"YOLOv8 head.*scores \(1, 10\).*classifier"),
        ("detector", "pose", {}, "a pose network goes in as pose="),
        ("detector", "channels_last", {}, "channels last.*NCHW"),
        ("detector", "detector", {"names": ("a", "b")}, "names has 2 classes, the output has 20"),
        ("detector", "detector", {"metadata": (("kpt_shape", "[30, 3]"),)}, "kpt_shape"),
        ("pose", "classifier", {}, "heatmaps"),
        ("pose", "detector", {}, "a detector goes in as detector="),
        ("pose", "pose", {"metadata": (("edgert.cells", "middle"),)}, "edgert.cells is 'middle'"),
        ("pose", "pose", {"metadata": (("edgert.mean", "[1, 2]"),)}, "expected 3 numbers"),
        ("pose", "pose", {"metadata": (("edgert.padding", "wide"),)}, "expected a literal"),
    ],
)
def test_a_model_of_the_wrong_kind_is_refused(model, role, kind, options, message):
    paths = {"detector": model("detector"), role: model(kind, **options)}
    with pytest.raises(edgert.ModelError, match=message):
        edgert.Pipeline(**paths)


def test_files_that_are_no_models_are_refused(tmp_path, detector):
    text = tmp_path / "notes.onnx"
    text.write_text("these are my notes")
    empty = tmp_path / "empty.onnx"
    empty.touch()
    for path, message in (
        (text, "not a model that ONNX Runtime can load"),
        (empty, "the file is empty"),
        (tmp_path / "missing.onnx", r"no such file; .* has empty.onnx, notes.onnx"),
        (tmp_path, "a folder"),
    ):
        with pytest.raises(edgert.ModelError, match=message):
            edgert.Pipeline(path)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_dropped_counted_and_named_once(model, poison):
    pipe = edgert.Pipeline(model("detector", poison=poison), tracker=None)
    healthy = edgert.Pipeline(model("detector"), tracker=None)
    bright = np.full((64, 64, 3), 255, np.uint8)
    with pytest.warns(edgert.DamagedInputWarning, match="1 rows of its output") as caught:
        results = [pipe(bright) for _ in range(3)]
    assert len(caught) == 1
    assert pipe.stats()["dropped_rows"] == 3
    assert all(len(r) == len(healthy(bright)) - 1 for r in results)


def test_heatmaps_that_are_not_finite_score_nothing(model, picture):
    pipe = edgert.Pipeline(model("detector"), model("pose", poison=np.nan), tracker=None)
    with pytest.warns(edgert.DamagedInputWarning, match="heatmaps of its output"):
        result = pipe(picture)
    assert (result.keypoint_scores[:, 0] == 0).all()
    assert (result.keypoint_scores[:, 1:] != 0).all()
    middle = (result.boxes[:, :2] + result.boxes[:, 2:]) / 2
    np.testing.assert_allclose(result.keypoints[:, 0], middle, atol=1e-3)
    assert pipe.stats()["dropped_heatmaps"] == len(result)


# ---- tracker
# ----------------------------------------------------------------------------------------------


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


# ---- life
# -------------------------------------------------------------------------------------------------


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
