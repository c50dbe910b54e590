"""Networks of every make in a pipeline, and those that it refuses."""

from __future__ import annotations

import platform

import numpy as np
import pytest

import edgert

from pipeline_frames import equal


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
