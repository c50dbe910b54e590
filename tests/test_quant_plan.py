"""Placement, chains and plans: what is quantized on each kind of network, and why not the rest."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

import quant_models
from edgert.errors import ModelError
from edgert.quant.model.graph import Graph
from edgert.quant.rewrite.plan import PROFILES, Plan, group_scale
from edgert.quant.thresholds.scales import Scales

import audit_models


def plan_of(model: ModelProto, profile: str = "portable", **options) -> Plan:
    return Plan.default(Graph(model), profile, **options)


def reasons(plan: Plan) -> dict[str, str]:
    return {layer.name: layer.reason for layer in plan.layers}


def pairs(plan: Plan, layer: str) -> list[tuple[str, str, int]]:
    found = next(la for la in plan.layers if la.name == layer)
    return [(pair.tensor, pair.node, pair.index) for pair in found.pairs]


def outputs(plan: Plan, layer: str) -> tuple[str, ...]:
    return next(la for la in plan.layers if la.name == layer).outputs


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("opset", quant_models.OPSETS)
def test_inputs_have_pairs_and_the_head_stays_in_float(opset: int, profile: str) -> None:
    plan = plan_of(quant_models.plain(opset), profile)
    assert [layer.name for layer in plan.quantized] == ["/stem", "/middle"]
    assert pairs(plan, "/stem") == [("images", "/stem", 0)]
    assert pairs(plan, "/middle") == [("a", "/middle", 0)]
    assert "head" in reasons(plan)["/head/output"]
    assert pairs(plan, "/head/output") == []


def test_c2f_has_one_scale_for_all_that_is_concatenated() -> None:
    plan = plan_of(quant_models.c2f())
    assert {layer.name for layer in plan.quantized} == {"/stem", "/cv1", "/m1", "/m2", "/cv2"}
    assert set(plan.groups) == {"images", "stem_act", "cv1_act_part1", "m1_act", "joined"}
    # Both halves of the split hold cv1_act's values, and the sum is concatenated with them.
    assert set(plan.groups["joined"]) == {"cv1_act", "sum"}
    assert plan.groups["cv1_act_part1"] == plan.groups["joined"]
    assert plan.groups["m1_act"] == ("m1_act",)
    assert set(plan.tensors) == {"images", "stem_act", "cv1_act", "sum", "m1_act"}


def test_without_sharing_each_concatenation_has_its_own_scale() -> None:
    plan = plan_of(quant_models.c2f(), share_concat=False)
    assert plan.groups["joined"] == ("joined",)
    assert plan.groups["cv1_act_part1"] == ("cv1_act",)


def test_an_addition_after_a_silu_is_left_alone() -> None:
    for layer in plan_of(quant_models.c2f()).layers:
        assert all(pair.node == layer.name for pair in layer.pairs)


def test_a_residual_addition_has_a_pair_on_its_skip_branch_alone() -> None:
    plan = plan_of(quant_models.residual())
    assert pairs(plan, "/two") == [("y0", "/two", 0), ("x0", "/sum1", 1)]
    # Two convolutions meet: the later one takes the addition, the other is its skip branch.
    assert pairs(plan, "/four") == [("y1", "/four", 0)]
    assert pairs(plan, "/projection") == [("x1", "/projection", 0), ("four", "/sum2", 0)]
    assert "sum1" not in plan.groups
    assert "two" not in plan.groups
    assert "projection" not in plan.groups


def test_no_skip_pair_where_others_read_the_sum_s_input() -> None:
    net = quant_models.Net()
    x = net.relu(net.conv("images", 3, 16, to="stem"), to="x")
    y = net.conv(x, 16, 16, to="branch")
    z = net.add("Mul", net.add("Add", y, x, to="sum"), net.add("Sigmoid", y))
    net.head(net.relu(net.conv(z, 16, 16)), 16)
    assert pairs(plan_of(net.model()), "/branch") == [("x", "/branch", 0)]


def test_no_skip_pair_for_a_constant() -> None:
    net = quant_models.Net()
    x = net.conv("images", 3, 16, to="stem")
    x = net.relu(net.add("Add", x, net.normal(1, 16, 1, 1)))
    net.head(net.relu(net.conv(x, 16, 16)), 16)
    assert pairs(plan_of(net.model()), "/stem") == [("images", "/stem", 0)]


def test_poolings_hand_their_input_s_scale_on() -> None:
    plan = plan_of(quant_models.sppf())
    assert set(plan.groups) == {"images", "joined"}
    assert plan.groups["joined"] == ("stem_act",)


@pytest.mark.parametrize(("mode", "roots"), [("nearest", "coarse"), ("linear", "up")])
@pytest.mark.parametrize("opset", [8, 11, 17])
def test_only_nearest_resizing_hands_a_scale_on(mode: str, roots: str, opset: int) -> None:
    plan = plan_of(quant_models.resized(opset, mode))
    assert set(plan.groups["joined"]) == {"fine", roots}
    assert plan.groups["fine"] == plan.groups["joined"]


def test_the_detector_s_head_and_its_distribution_stay_in_float() -> None:
    plan = plan_of(quant_models.dfl())
    found = reasons(plan)
    assert "Softmax" in found["/dfl"]
    assert "head" in found["/box2"]
    assert "head" in found["/score2"]
    assert [layer.name for layer in plan.quantized] == ["/stem", "/box1", "/score1"]


def test_a_head_is_seen_through_a_subgraph() -> None:
    """The If gives the model's output, and only one of its branches reads the first layer."""
    model = quant_models.subgraph()
    del model.graph.node[-3:]
    model.graph.output[0].name = "chosen"
    with pytest.raises(ModelError, match=r"/stem: head.*/middle: head"):
        plan_of(model)


def test_depthwise_and_grouped_convolutions() -> None:
    plan = plan_of(quant_models.depthwise())
    names = [layer.name for layer in plan.quantized]
    assert names == ["/stem", "/expand", "/depth", "/project", "/grouped"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "groups", "reason"),
    [
        (24, 24, 3, 24, ""),
        (24, 24, 1, 24, "depthwise"),
        (20, 20, 3, 20, "depthwise"),
        (8, 32, 3, 1, ""),
        (12, 32, 3, 1, "12 channels"),
        (32, 9, 3, 1, "9 channels"),
        (17, 17, 3, 1, ""),
        (24, 24, 3, 3, ""),
    ],
)
def test_channels_that_kernels_have_no_room_for(
    inputs: int, outputs: int, kernel: int, groups: int, reason: str
) -> None:
    net = quant_models.Net()
    x = net.relu(net.conv("images", 3, inputs, to="stem"))
    x = net.conv(x, inputs, outputs, kernel, to="layer", group=groups)
    x = net.relu(net.conv(net.relu(x), outputs, 16, to="next"))
    net.head(x, 16)
    found = reasons(plan_of(net.model()))["/layer"]
    assert reason in found
    assert bool(reason) == bool(found)


def test_the_image_may_have_three_channels_but_no_other_tensor() -> None:
    net = quant_models.Net()
    x = net.add("Mul", "images", net.constant(2.0))
    x = net.relu(net.conv(x, 3, 16, to="first"))
    x = net.relu(net.conv(x, 16, 3, to="squeeze"))
    x = net.relu(net.conv(x, 3, 16, to="later"))
    net.head(x, 16)
    found = reasons(plan_of(net.model()))
    assert found["/first"] == ""
    assert "3 channels" in found["/squeeze"]
    assert "3 channels" in found["/later"]


def test_axes_of_output_channels() -> None:
    plan = plan_of(quant_models.dense())
    assert {layer.name: layer.axis for layer in plan.quantized} == {
        "/stem": 0,
        "/rows": 0,
        "/columns": 1,
        "/product": 1,
    }
    graph = Graph(quant_models.dense())
    channels = {"/stem": 16, "/rows": 24, "/columns": 32, "/product": 16}
    for layer in plan.quantized:
        weight = graph.constant(layer.weight)
        assert weight is not None
        assert weight.shape[layer.axis] == channels[layer.name]


def test_operators_without_an_int8_form_are_named() -> None:
    found = reasons(plan_of(quant_models.left_in_float()))
    assert found["/lstm"] == "LSTM has no INT8 form"
    assert "transposed" in found["/transposed"]
    net = quant_models.Net()
    x = net.add("Warp", net.relu(net.conv("images", 3, 16)), domain="acme", to="warped")
    net.head(net.relu(net.conv(x, 16, 16)), 16)
    assert reasons(plan_of(net.model()))["/warped"] == "acme:Warp has no INT8 form"


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "reason"),
    [
        ("MatMul", ("x", "x"), {}, "both operands are computed"),
        ("MatMul", ("weight", "x"), {}, "left operand"),
        ("MatMul", ("x", "cube"), {}, "3 axes"),
        ("Gemm", ("flat", "weight"), {"transA": 1}, "transposed"),
        ("Gemm", ("flat", "weight"), {"alpha": 0.5}, "scaled"),
        ("MatMul", ("weight", "weight"), {}, "input is constant"),
    ],
)
def test_products_that_stay_in_float(
    op: str, operands: tuple[str, str], attributes: dict, reason: str
) -> None:
    net = quant_models.Net()
    stem = net.relu(net.conv("images", 3, 16))
    net.add("Identity", stem, to="x")
    net.add("Reshape", stem, net.constant([16, -1], np.int64), to="flat")
    net.constants["weight"] = np.eye(16, dtype=np.float32)
    net.constants["cube"] = np.ones((16, 16, 16), np.float32)
    net.add(op, *operands, to="output", **attributes)
    net.head(net.relu(net.conv(stem, 16, 16)), 16, to="other")
    assert reason in reasons(plan_of(net.model("other")))["/output"]


def test_onnx_runtime_s_layers_give_their_output_in_int8() -> None:
    plan = plan_of(quant_models.plain(), "onnxruntime")
    assert outputs(plan, "/stem") == ("a",), "past the Relu, which the kernel absorbs"
    assert plan.unsigned == {"a", "b"}
    plan = plan_of(quant_models.c2f(), "onnxruntime")
    _, gate, product = outputs(plan, "/m1")
    assert outputs(plan, "/m1") == ("m1", gate, "m1_act")
    assert product == "m1_act"
    assert plan.bounds[gate] == 1.0
    assert gate in plan.unsigned
    assert "m1_act" not in plan.unsigned, "x * sigmoid(x) goes down to -0.28"
    assert not set(plan.bounds) & set(plan.tensors), "what follows from the operator is not solved"
    assert plan.groups["joined"] == ("joined",)
    assert outputs(plan, "/cv2") == ("cv2",), "the head gets its input in float"
    plan = plan_of(quant_models.residual(), "onnxruntime")
    assert outputs(plan, "/two") == ("two",)
    assert pairs(plan, "/two") == [("y0", "/two", 0)]


@pytest.mark.parametrize("name", sorted(quant_models.MODELS))
def test_what_is_unsigned_is_solved_by_the_name_of_its_histogram(name: str) -> None:
    plan = plan_of(quant_models.MODELS[name](), "onnxruntime")
    assert plan.unsigned_sources <= set(plan.tensors) | set(plan.bounds)


def test_behind_a_split_values_are_those_before_it() -> None:
    net = quant_models.Net()
    left, right = net.split(net.relu(net.conv("images", 3, 32, to="stem"), to="a"), 2, 32)
    x = net.relu(net.conv(right, 16, 16, to="one"), to="b")
    net.head(net.add("Concat", left, x, axis=1), 32)
    plan = plan_of(net.model(), "onnxruntime")
    assert right in plan.unsigned
    assert right not in plan.tensors
    assert plan.unsigned_sources == {"a", "b"}


@pytest.mark.parametrize("opset", [8, 17])
def test_a_clip_from_zero_on_is_unsigned(opset: int) -> None:
    plan = plan_of(quant_models.depthwise(opset), "onnxruntime")
    assert outputs(plan, "/expand") == ("b",)
    assert "b" in plan.unsigned
    model = quant_models.depthwise(opset)
    clip = next(node for node in model.graph.node if node.op_type == "Clip")
    if opset == 8:
        next(a for a in clip.attribute if a.name == "min").f = -1.0
    else:
        low = next(t for t in model.graph.initializer if t.name == clip.input[1])
        low.CopyFrom(numpy_helper.from_array(np.float32(-1), low.name))
    assert "b" not in plan_of(model, "onnxruntime").unsigned


@pytest.mark.parametrize("profile", ["tensorrt", "portable"])
@pytest.mark.parametrize("name", sorted(quant_models.MODELS))
def test_tensorrt_s_rules_hold_everywhere(name: str, profile: str) -> None:
    graph = Graph(quant_models.MODELS[name]())
    plan = Plan.default(graph, profile)
    assert not plan.unsigned
    assert not plan.bounds
    for layer in plan.layers:
        assert not layer.outputs
        assert bool(layer.pairs) != bool(layer.reason)
        for pair in layer.pairs:
            node = next(n for n in graph.nodes if n.name == pair.node)
            assert node.input[pair.index] == pair.tensor
            assert node.name == layer.name or node.op_type == "Add"
    for tensor, group in plan.groups.items():
        assert group
        assert all(plan.groups.get(other, group) == group for other in group), tensor
    for one, other in itertools.combinations(set(plan.groups.values()), 2):
        assert not set(one) & set(other), "a tensor has one scale"


def test_scales_of_groups_unsigned_tensors_and_bounds() -> None:
    plan = plan_of(quant_models.c2f())
    thresholds = {"images": 1.0, "stem_act": 2.0, "cv1_act": 3.0, "sum": 12.7, "m1_act": 1e-9}
    scales = Scales(thresholds, dict.fromkeys(thresholds, ""), "")
    assert group_scale(plan, scales, "joined") == pytest.approx(0.1)
    assert group_scale(plan, scales, "cv1_act_part1") == pytest.approx(0.1)
    assert group_scale(plan, scales, "images") == pytest.approx(1 / 127)
    assert group_scale(plan, scales, "m1_act") == 2.0**-14
    plan = plan_of(quant_models.plain(), "onnxruntime")
    scales = Scales({"images": 1.0, "a": 5.1}, {"images": "", "a": ""}, "")
    assert group_scale(plan, scales, "a") == pytest.approx(0.02)
    plan = plan_of(quant_models.c2f(), "onnxruntime")
    gate = outputs(plan, "/m1")[1]
    assert group_scale(plan, scales, gate) == pytest.approx(1 / 255)


def test_keeping_by_name_list_and_pattern() -> None:
    plan = plan_of(quant_models.c2f())
    assert plan.keep("/m1").kept == {"/m1": "asked for"}
    assert set(plan.keep("/m").kept) == {"/m1", "/m2"}
    assert set(plan.keep(r"cv\d$").kept) == {"/cv1", "/cv2"}
    kept = plan.keep(["/cv1", "/m2"], "hurts")
    assert kept.kept == {"/cv1": "hurts", "/m2": "hurts"}
    assert [layer.name for layer in kept.quantized] == ["/stem", "/m1", "/cv2"]
    assert kept.keep("/cv1").kept["/cv1"] == "hurts", "the first reason stays"
    assert not plan.kept, "a plan does not change"
    assert kept.candidates == plan.candidates
    assert kept.tensors == plan.tensors, "its scales serve every plan that keeps more"


def test_a_plan_as_a_report_says_it() -> None:
    plan = plan_of(quant_models.plain()).keep("/middle", "too loud")
    told = plan.to_dict()
    assert told["profile"] == "portable"
    assert told["layers"][:2] == [
        {"layer": "/stem", "op": "Conv", "precision": "int8", "reason": ""},
        {"layer": "/middle", "op": "Conv", "precision": "float", "reason": "too loud"},
    ]
    assert told["layers"][2]["precision"] == "float"
    assert told["layers"][2]["reason"].startswith("head")


@pytest.mark.parametrize("wish", ["nothing", ["/stem", "nothing"], ["/head/output"]])
def test_keeping_what_is_not_there(wish: str | list[str]) -> None:
    with pytest.raises(ValueError, match=r"quantizable layer.*there are /stem, /middle"):
        plan_of(quant_models.plain()).keep(wish)
    with pytest.raises(
        ValueError, match=r"'\[' is no name and no regular expression: unterminated"
    ):
        plan_of(quant_models.plain()).keep("[")


def test_an_unknown_profile() -> None:
    with pytest.raises(ValueError, match="'int4', expected one of tensorrt, portable, onnxruntime"):
        plan_of(quant_models.plain(), "int4")


def test_a_model_that_is_quantized_already(tmp_path: Path) -> None:
    path = quant_models.saved(audit_models.quantized(quant_models.plain()), tmp_path / "q.onnx")
    with pytest.raises(ModelError, match=re.escape(f"{path}: the model is quantized already")):
        Plan.default(path)
    net = quant_models.Net()
    net.nodes.append(helper.make_node("DynamicQuantizeLinear", ["images"], ["q", "s", "z"]))
    net.nodes.append(helper.make_node("Cast", ["q"], ["x"], to=1))
    net.head(net.relu(net.conv("x", 3, 16)), 16)
    with pytest.raises(ModelError, match="quantized already"):
        plan_of(net.model())


def test_weights_in_half_precision_are_named() -> None:
    model = quant_models.plain()
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    model.graph.input[0].type.tensor_type.elem_type = 10
    with pytest.raises(ModelError, match=r"no layer can be quantized.*float16, expected float32"):
        plan_of(model)


def test_a_model_without_layers() -> None:
    net = quant_models.Net()
    net.relu("images", to="output")
    with pytest.raises(ModelError, match=r"no layer can be quantized \(it has no Conv"):
        plan_of(net.model())
