"""Where two models of one network part, layers and frames, and what cannot be compared."""

from __future__ import annotations

import json
import math
import tracemalloc

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import helper, numpy_helper

from edgert.cli import main
from edgert.errors import ModelError
from edgert.quant.debugging.debug import debug
from edgert.quant.debugging.parting import SharedLayer, common_layers, drops, measure
from edgert.quant.report.debug_page import debug_page
from edgert.quant.trials.agreement import agreement
from edgert.result import Result


def frame(brightness: int) -> np.ndarray:
    """Black with one person of so much brightness, as tests/models.py sees people."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:24, 16:24] = brightness
    return image


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """`changed(path, edit)` writes what `edit` makes of a model's graph, and gives its path."""
    folder = tmp_path_factory.mktemp("changed")

    def write(path, edit, name="other.onnx"):
        model = onnx.load(str(path))
        edit(model.graph)
        onnx.save(model, str(folder / name))
        return folder / name

    return write


def scaled(constant: str, factor: float):
    def edit(graph):
        for tensor in graph.initializer:
            if tensor.name == constant:
                values = numpy_helper.to_array(tensor) * np.float32(factor)
                tensor.CopyFrom(numpy_helper.from_array(values, constant))

    return edit


def constant_of(path, op: str, index: int = 0) -> str:
    """The constant that the n-th node of a kind takes."""
    graph = onnx.load(str(path)).graph
    constants = {tensor.name for tensor in graph.initializer}
    node = [node for node in graph.node if node.op_type == op][index]
    return next(name for name in node.input if name in constants)


# What is measured.

finite = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    arrays(np.float32, 50, elements=finite),
    arrays(np.float32, 50, elements=finite),
    st.sets(st.integers(0, 49), max_size=5),
    st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_noise_is_that_of_the_definition_over_what_is_finite(first, second, holes, hole):
    second = second.copy()
    second[list(holes)] = hole
    kept = np.isfinite(second)
    a, b = first[kept].astype(np.float64), second[kept].astype(np.float64)
    found = measure(first.reshape(5, 10), second.reshape(5, 10))
    assert found.nonfinite == len(holes)
    assert found.signal == pytest.approx((a**2).sum(), rel=1e-9)
    assert found.noise == pytest.approx(((a - b) ** 2).sum(), rel=1e-9)


def test_noise_of_a_large_tensor_is_added_up_in_parts():
    rng = np.random.default_rng(3)
    first = rng.normal(size=200_001).astype(np.float32)
    found = measure(first, first.astype(np.float16))
    error = first.astype(np.float64) - first.astype(np.float16).astype(np.float64)
    assert found.noise == pytest.approx((error**2).sum())
    assert found.signal_to_noise_db == pytest.approx(
        10 * math.log10((first.astype(np.float64) ** 2).sum() / (error**2).sum())
    )


def test_equal_tensors_are_infinitely_good_and_empty_ones_say_nothing():
    assert measure(np.ones(3, np.float32), np.ones(3, np.float32)).signal_to_noise_db == math.inf
    assert measure(np.zeros(3, np.float32), np.zeros(3, np.float32)).signal_to_noise_db is None
    assert measure(np.zeros(3, np.float32), np.ones(3, np.float32)).signal_to_noise_db == -math.inf


def test_a_drop_is_measured_from_the_worst_layer_before_not_from_the_one_above():
    layers = [
        SharedLayer("a", "Conv", ()),
        SharedLayer("left", "Conv", (0,)),
        SharedLayer("right", "Conv", (0,)),
        SharedLayer("joined", "Add", (1, 2)),
    ]
    found = drops(layers, {"a": 40.0, "left": 20.0, "right": 39.0, "joined": 19.0})
    assert found == [None, 20.0, 1.0, 1.0]


def test_layers_are_matched_through_pairs_and_casts(tmp_path):
    def model(path, quantized: bool):
        nodes = [helper.make_node("Conv", ["x", "w"], ["conv"])]
        read = "conv"
        if quantized:
            nodes += [
                helper.make_node("QuantizeLinear", ["conv", "s", "z"], ["conv_q"]),
                helper.make_node("DequantizeLinear", ["conv_q", "s", "z"], ["conv_dq"]),
            ]
            read = "conv_dq"
        nodes += [
            helper.make_node("Relu", [read], ["relu"]),
            helper.make_node("Add", ["relu", "one"], ["sum"]),
            helper.make_node("Add", ["one", "one"], ["no_input"]),
            helper.make_node("Mul", ["sum", "no_input"], ["y"]),
        ]
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "g",
            [value("x", 1, [1, 3, 8, 8])],
            [value("y", 1, None)],
            [
                numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "w"),
                numpy_helper.from_array(np.float32(1), "one"),
                numpy_helper.from_array(np.float32(0.1), "s"),
                numpy_helper.from_array(np.int8(0), "z"),
            ],
        )
        onnx.save(helper.make_model(graph, ir_version=8), str(path))
        return path

    common = common_layers(model(tmp_path / "a.onnx", False), model(tmp_path / "b.onnx", True))
    assert [layer.name for layer in common.layers] == ["conv", "sum", "y"]
    assert [layer.before for layer in common.layers] == [(), (0,), (1,)]
    assert common.outputs == ("y",)
    assert common.missing == ()


# Whole comparisons.


def test_layers_before_a_change_are_equal_and_it_is_the_first_to_part(model, changed):
    path = model("detector")
    other = changed(path, scaled(constant_of(path, "Mul"), 0.9))
    found = debug(path, other, [frame(200), frame(90)])
    by_name = {layer.name: layer for layer in found.layers}
    conv, scores = found.layers[0], by_name[found.first_parted.name]
    assert conv.op == "Conv"
    assert conv.signal_to_noise_db == math.inf
    # A tenth less everywhere is a noise of 20 dB exactly, as the definition has it.
    assert scores.op == "Mul"
    assert scores.signal_to_noise_db == pytest.approx(20.0, abs=1e-4) or scores.drop_db is None
    assert debug(path, other, [frame(200)], threshold_db=19.0).first_parted is None


def test_the_frame_that_loses_its_person_is_the_worst_and_has_a_picture(model, changed):
    path = model("detector")
    other = changed(path, scaled(constant_of(path, "Mul"), 0.9))
    # Scores are brightness / 255: only the one of 68 (0.267, then 0.24) falls under 0.25.
    found = debug(path, other, [frame(b) for b in (250, 120, 68, 200)], worst=1)
    assert [f.agreement.lost for f in found.frames] == [0, 0, 1, 0]
    assert [f.people for f in found.frames] == [(1, 1), (1, 1), (1, 0), (1, 1)]
    assert found.worst_seen == (2,)
    assert set(found.pictures) == {*found.worst_seen, *found.worst_noise}
    assert all(jpeg[:2] == b"\xff\xd8" for pair in found.pictures.values() for jpeg in pair)


def test_pictures_of_frames_that_are_no_longer_the_worst_are_let_go(model, changed):
    path = model("detector")
    other = changed(path, scaled(constant_of(path, "Mul"), 0.9))
    two = frame(68)
    two[40:48, 40:48] = 68
    found = debug(path, other, [frame(68), two], worst=1)
    assert [f.agreement.lost for f in found.frames] == [1, 2]
    assert set(found.pictures) == {1}


def test_equal_models_differ_nowhere(model):
    found = debug(model("detector"), model("detector"), [frame(200)] * 2)
    assert found.first_parted is None
    assert found.worst_seen == found.worst_noise == ()
    assert found.pictures == {}
    assert all(layer.signal_to_noise_db == math.inf for layer in found.layers)
    report = found.to_dict()
    assert report["layers"][0]["equal"] is True
    assert report["layers"][0]["signal_to_noise_db"] is None


def test_overflow_is_where_they_part(model, changed):
    path = model("detector")

    def overflow(graph):
        constant = next(c for c in graph.initializer if c.name == constant_of(path, "Mul"))
        values = numpy_helper.to_array(constant)
        constant.CopyFrom(
            numpy_helper.from_array(np.where(values > 0, np.float32(np.inf), values), constant.name)
        )

    other = changed(path, overflow)
    bright = np.full((64, 64, 3), 255, np.uint8)
    with pytest.warns(UserWarning, match="not finite"):
        found = debug(path, other, [bright])
    assert found.first_parted.op == "Mul"
    assert found.first_parted.nonfinite > 0
    assert found.frames[0].nonfinite > 0


def test_poses_are_compared_on_the_same_people(model, changed):
    path = model("pose")
    other = changed(path, scaled(constant_of(path, "Conv"), 0.5))
    found = debug(path, other, [frame(250)], detector=model("detector"))
    assert found.frames[0].people == (1, 1)
    assert found.frames[0].agreement.mean_iou == 1.0
    # Half as bright: the same peaks, each under the threshold that it was over.
    assert found.frames[0].signal_to_noise_db == pytest.approx(10 * math.log10(4), abs=1.0)
    assert found.layers[0].signal_to_noise_db == pytest.approx(10 * math.log10(4), abs=1e-3)


def test_a_frame_without_people_has_no_ratio(model):
    found = debug(model("pose"), model("pose"), [frame(0)], detector=model("detector"))
    assert found.frames[0].signal_to_noise_db is None
    assert found.layers == ()


def test_memory_does_not_grow_with_the_frames(model):
    path = model("detector", size=(256, 256))
    image = np.zeros((256, 256, 3), np.uint8)

    def peak(count):
        tracemalloc.start()
        debug(path, path, (image for _ in range(count)))
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes

    peak(1)
    assert peak(24) < 1.2 * peak(4)


# What people see.


def result(boxes, keypoints=None, scores=None, classes=None):
    n = len(boxes)
    return Result(
        boxes=np.array(boxes, np.float32).reshape(n, 4),
        scores=np.full(n, 0.9, np.float32),
        class_ids=np.array(classes or [0] * n, np.int32),
        ids=np.full(n, -1, np.int64),
        keypoints=None if keypoints is None else np.array(keypoints, np.float32),
        keypoint_scores=None if scores is None else np.array(scores, np.float32),
        frame_index=0,
        time_s=0.0,
        size=(100, 100),
        source="x",
    )


def test_lost_added_and_moved():
    first = result([[0, 0, 10, 10], [50, 50, 60, 60]])
    second = result([[80, 80, 90, 90], [0, 0, 10, 8]])
    found = agreement(first, second)
    assert found.pairs == ((0, 1),)
    assert (found.lost, found.added) == (1, 1)
    assert found.least_iou == pytest.approx(0.8)


def test_another_class_in_the_same_place_is_lost_and_added():
    found = agreement(result([[0, 0, 10, 10]]), result([[0, 0, 10, 10]], classes=[1]))
    assert (found.pairs, found.lost, found.added) == ((), 1, 1)


def test_a_box_has_one_partner_the_nearest():
    found = agreement(result([[0, 0, 10, 10]]), result([[0, 0, 10, 7], [0, 0, 10, 9]]))
    assert found.pairs == ((0, 1),)
    assert found.added == 1


def test_joints_that_only_one_sees_are_counted_and_not_measured():
    first = result([[0, 0, 10, 10]], [[[1, 1], [5, 5], [9, 9]]], [[0.9, 0.9, 0.1]])
    second = result([[0, 0, 10, 10]], [[[4, 5], [90, 90], [0, 0]]], [[0.9, 0.1, 0.9]])
    found = agreement(first, second)
    assert (found.joints, found.joints_lost, found.joints_added) == (1, 1, 1)
    assert found.mean_px == found.most_px == pytest.approx(5.0)


def test_nobody_in_either():
    found = agreement(result([]), result([]))
    assert (found.pairs, found.lost, found.added, found.mean_iou) == ((), 0, 0, None)


# What is refused.


def test_other_input_sizes(model):
    with pytest.raises(ModelError, match="not of one network: their inputs"):
        debug(model("detector"), model("detector", size=(96, 96)), [frame(1)])


def test_other_names(model, changed):
    names = {f"t{i}": f"z{i}" for i in range(9)} | {"output0": "result"}
    other = changed(model("detector"), renamed(names))
    with pytest.raises(ModelError, match="no layer in common: none of"):
        debug(model("detector"), other, [frame(1)])


def test_other_classes_and_joints(model):
    people = model("detector")
    with pytest.raises(ModelError, match="the first has 17 joints, the second 5"):
        debug(model("pose", joints=17), model("pose", joints=5), [frame(200)], detector=people)
    with pytest.raises(ModelError, match="the first has 20 classes and 0 joints, the second 3"):
        debug(people, model("detector", classes=3), [frame(200)])


def renamed(names):
    def edit(graph):
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        for value in graph.output:
            value.name = names.get(value.name, value.name)

    return edit


def test_a_tensor_of_another_shape_is_left_out_and_said(model, changed):
    path = model("detector")
    other = changed(path, renamed({"t0": "t1", "t1": "t0"}))
    found = debug(path, other, [frame(200)])
    assert "t0" not in [layer.name for layer in found.layers]
    assert dict(found.missing)["t0"] == (
        "has shape (1, 1, 64, 64) in the first model, (1, 1, 8, 8) in the second"
    )


def test_same_names_of_another_network(model, changed):
    path = model("detector")
    names = {f"t{i}": f"z{i}" for i in range(9)} | {"t1": "t0", "output0": "result"}
    with pytest.raises(ModelError, match="of 1 tensors of one name none can be compared; t0 has"):
        debug(path, changed(path, renamed(names)), [frame(200)])


def test_a_pose_network_wants_a_detector(model):
    with pytest.raises(ValueError, match="--detector"):
        debug(model("pose"), model("pose"), [frame(1)])


def test_no_frames_asked_for(model):
    with pytest.raises(ValueError, match="max_frames is 0"):
        debug(model("detector"), model("detector"), [frame(1)], max_frames=0)


# The page and the command line.


def test_names_of_tensors_are_text_on_the_page(model, changed):
    path = model("detector")
    evil = "<script>alert('1')</script>&"

    first = changed(path, renamed({"t0": evil}), "evil.onnx")
    page = debug_page(debug(first, first, [frame(200)]))
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&amp;" in page
    assert "<script" not in page


def test_command(model, changed, tmp_path, capfd):
    from PIL import Image

    folder = tmp_path / "frames"
    folder.mkdir()
    for i, brightness in enumerate((250, 68)):
        Image.fromarray(frame(brightness)).save(folder / f"{i}.png")
    path = model("detector")
    other = changed(path, scaled(constant_of(path, "Mul"), 0.9))
    arguments = ["debug", str(folder), "--model", str(path), "--against", str(other)]
    page = tmp_path / "page.html"
    assert main([*arguments, "-o", str(page), "--json-report", "-"]) == 0
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert err == ""  # no progress in a pipe
    assert report["worst_seen"][0] == 1
    assert report["frames"][1]["agreement"]["lost"] == 1
    assert "data:image/jpeg;base64," in page.read_text()
    assert main(arguments) == 0
    out = capfd.readouterr().out
    assert "of 2 detections 1 lost, 0 added" in out
    assert main([*arguments, "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


def test_command_failures_are_one_line(model, tmp_path, capfd):
    arguments = ["debug", str(tmp_path / "no.mp4"), "--model", str(model("detector"))]
    assert main([*arguments, "--against", str(model("detector"))]) == 1
    assert main([*arguments, "--against", str(tmp_path / "no.onnx")]) == 1
    arguments = ["debug", str(tmp_path), "--model", str(model("pose"))]
    assert main([*arguments, "--against", str(model("pose"))]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("edgert: error: ") for line in lines)
