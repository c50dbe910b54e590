"""`quant.half`: FP16 models, checked by running them beside their FP32 originals."""

from __future__ import annotations

import platform

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import quant_models
from edgert.errors import ModelError
from edgert.quant.model.files import save
from edgert.quant.model.half import to_half
from edgert.quant.thresholds.scales import SMALLEST_SCALE

from audit_models import every_layer, network, quantized
from half_rounding import checked, computed, run, sqnr_db, types


def node(model, op):
    (found,) = [n for n in model.graph.node if n.op_type == op]
    return found


def test_what_follows_the_last_layers_stays_float():
    """Boxes in pixels: 600.3 is 600.5 in FP16."""
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["before"]),
        helper.make_node("MatMul", ["before", "w"], ["layer"]),
        helper.make_node("Mul", ["layer", "stride"], ["scaled"]),
        helper.make_node("Add", ["scaled", "before"], ["y"]),
    ]
    constants = {"w": np.eye(2, dtype=np.float32), "stride": np.array([1200.6], np.float32)}
    model = network(nodes, constants, {"x": [1, 2]}, {"y": [1, 2]})
    made = checked(model)
    found = types(made)
    assert [found[n] for n in ("before", "layer", "scaled")] == [10, 10, 1]
    (exact,), (got,) = (computed(m, np.zeros((1, 2), np.float32)) for m in (model, made))
    np.testing.assert_allclose(got, exact, atol=0.01)


def test_last_layers_and_means_over_distributions_stay_float():
    """Bins 0 to 15 in FP16 are 1/128 apart, at stride 32 a quarter of a pixel."""
    half = types(checked(quant_models.dfl()))
    floats = {
        t for t in ("a", "box1_act", "box2", "bins", "dfl", "score1_act", "score2") if half[t] == 1
    }
    assert floats == {"box2", "bins", "dfl", "score2"}


def test_a_mean_over_many_places_stays_float():
    """Weights of more than a few elements are inputs where types are looked at (`skeleton`)."""
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"]),
        helper.make_node("MatMul", ["a", "w1"], ["heatmap"]),
        helper.make_node("Softmax", ["heatmap"], ["where"], axis=-1),
        helper.make_node("MatMul", ["where", "places"], ["y"]),
    ]
    random = np.random.default_rng(6)
    constants = {
        "w0": random.normal(size=(8, 8)).astype(np.float32),
        "w1": random.normal(size=(8, 1024)).astype(np.float32),
        "places": np.stack([np.arange(1024.0)] * 2, 1).astype(np.float32),
    }
    model = network(nodes, constants, {"x": [1, 8]}, {"y": [1, 2]})
    found = types(checked(model))
    assert [found[t] for t in ("a", "heatmap", "where", "y")] == [10, 1, 1, 1]


def test_every_kind_of_layer():
    model = every_layer()
    made = checked(model)
    image = np.random.default_rng(2).random((2, 3, 32, 32), np.float32)
    # On Arm ONNX Runtime adds FP16 products in FP16: 36 dB.
    least = 30 if platform.machine() == "aarch64" else 60
    assert sqnr_db(run(model, image)[0], run(made, image)[0]) > least
    assert not [t.name for t in made.graph.initializer if t.data_type == TensorProto.FLOAT]


def test_quantized_model_has_opset_19_and_half_scales():
    model = quantized(every_layer())
    made = checked(model)
    assert made.opset_import[0].version == 19
    found = types(made)
    for entry in made.graph.node:
        if entry.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert found[entry.input[1]] == TensorProto.FLOAT16, entry.name
            assert found[entry.input[2]] == TensorProto.INT8, entry.name
        if entry.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            assert {found[name] for name in entry.input} == {TensorProto.FLOAT16}, entry.name
    image = np.random.default_rng(3).random((1, 3, 32, 32), np.float32)
    # Not more: what lies between two levels may round to either.
    assert sqnr_db(run(model, image)[0], run(made, image)[0]) > 25


def test_weights_of_tiny_scale_are_rounded_anew():
    """A channel of scale 1e-6 would grow 61 times if only its scale were clamped."""
    whole = np.array([[100, -127], [100, -127]], np.int8)
    scales = np.array([1e-6, 1e-2], np.float32)
    model = network(
        [
            helper.make_node("DequantizeLinear", ["w", "s", "z"], ["d"], axis=0),
            helper.make_node("MatMul", ["x", "d"], ["y"]),
        ],
        {"w": whole, "s": scales, "z": np.zeros(2, np.int8)},
        {"x": [2, 2]},
        {"y": [2, 2]},
        opset=19,
        ir_version=9,
    )
    made = checked(model)
    (exact,), (found,) = (
        computed(model, np.eye(2, dtype=np.float32)),
        computed(made, np.eye(2, dtype="f4")),
    )
    np.testing.assert_allclose(found, exact, atol=SMALLEST_SCALE / 2, rtol=1e-3)
    scale = next(t for t in made.graph.initializer if t.name == "s")
    assert numpy_helper.to_array(scale).min() == np.float16(SMALLEST_SCALE)
    assert "w" not in [t.name for t in made.graph.initializer], "the old numbers are left behind"


def test_large_constants_are_clamped_and_named():
    model = network(
        [helper.make_node("Min", ["x", "limit"], ["y"])],
        {"limit": np.array([1e6, -np.inf, 2], np.float32)},
        {"x": [3]},
        {"y": [3]},
    )
    with pytest.warns(UserWarning, match=r"65504: limit \(1e\+06\)"):
        made = to_half(model)
    (tensor,) = made.graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), [65504, -np.inf, 2])


def test_a_tiny_epsilon_does_not_become_zero():
    model = network(
        [
            helper.make_node("Add", ["x", "epsilon"], ["sum"]),
            helper.make_node("Div", ["x", "sum"], ["y"]),
        ],
        {"epsilon": np.array([1e-12], np.float32)},
        {"x": [1]},
        {"y": [1]},
    )
    (found,) = computed(checked(model), np.zeros(1, np.float32))
    assert found == [0], "0 / epsilon"


def test_kept_nodes_stay_float_and_share_their_casts():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="first"),
        helper.make_node("Mul", ["a", "k"], ["b"], name="kept"),
        helper.make_node("Add", ["a", "b"], ["c"], name="also"),
        helper.make_node("Mul", ["c", "k"], ["y"], name="last"),
    ]
    model = network(nodes, {"k": np.array([0.1], np.float32)}, {"x": [4]}, {"y": [4]})
    made = checked(model, keep_float=["kept", "also"])
    found = types(made)
    by_name = {n.name: n for n in made.graph.node}
    assert {found[t] for t in (*by_name["kept"].input, *by_name["also"].input)} == {1}
    assert found[by_name["last"].input[1]] == TensorProto.FLOAT16
    assert {t.name: t.data_type for t in made.graph.initializer} == {"k": 1, "k_half": 10}
    # In: x; a for both kept nodes at once; c back to half; out: y.
    assert sum(n.op_type == "Cast" for n in made.graph.node) == 4
    with pytest.raises(ValueError, match=r"keep_float names 'frist'.*there are first"):
        to_half(model, keep_float=["frist"])


def test_sizes_and_indices_stay_exact():
    """2049 pixels are no FP16 number: a size computed in FP16 would be 2048."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Cast", ["s"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "one"], ["m"]),
        helper.make_node("Cast", ["m"], ["i"], to=TensorProto.INT64),
        helper.make_node("Expand", ["k", "i"], ["e"]),
        helper.make_node("Add", ["x", "e"], ["y"]),
    ]
    constants = {"one": np.ones(1, np.float32), "k": np.ones(1, np.float32)}
    model = network(nodes, constants, {"x": ["n"]}, {"y": ["n"]})
    (found,) = computed(checked(model), np.ones(2049, np.float32))
    np.testing.assert_array_equal(found, np.full(2049, 2))


def test_a_constant_may_be_an_output():
    nodes = [helper.make_node("Add", ["x", "k"], ["y"])]
    model = network(nodes, {"k": np.array([0.1], np.float32)}, {"x": [4]}, {"y": [4], "k": [1]})
    made = checked(model)
    found = dict(zip(("y", "k"), run(made, np.ones(4, np.float32)), strict=True))
    assert found["k"] == [np.float32(0.1)], "as it was, not rounded"
    np.testing.assert_allclose(found["y"], np.full(4, 1.1), rtol=1e-3)


def test_resize_keeps_its_scales_and_its_answer():
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear")]
    model = network(
        nodes,
        {"scales": np.array([1, 1, 2, 1.4142135], np.float32)},
        {"x": [1, 1, 8, 9]},
        {"y": [1, 1, 16, 12]},
    )
    made = checked(model)
    image = np.random.default_rng(4).random((1, 1, 8, 9), np.float32)
    assert types(made)[node(made, "Resize").input[2]] == TensorProto.FLOAT
    assert types(made)[node(made, "Resize").input[0]] == TensorProto.FLOAT16
    assert sqnr_db(run(model, image)[0], run(made, image)[0]) > 50


def test_sums_do_not_overflow():
    model = network(
        [helper.make_node("ReduceSum", ["x"], ["s"]), helper.make_node("Div", ["x", "s"], ["y"])],
        {},
        {"x": [400]},
        {"y": [400]},
    )
    image = np.full(400, 200, np.float32)
    made = checked(model, keep_float=["Div_y"])
    np.testing.assert_allclose(computed(made, image)[0], computed(model, image)[0], rtol=1e-3)


@pytest.mark.parametrize("flag", [True, False])
def test_subgraphs_stay_float_and_read_what_is_around_them(flag):
    def branch(name: str, op: str):
        inner = helper.make_node(op, ["a", "k"], [name])
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])
        return helper.make_graph([inner], name, [], [out])

    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node(
            "If", ["flag"], ["b"], then_branch=branch("t", "Add"), else_branch=branch("e", "Mul")
        ),
        helper.make_node("Mul", ["a", "b"], ["y"]),
    ]
    inputs = {"x": [4], "flag": (TensorProto.BOOL, [])}
    model = network(nodes, {"k": np.array([3], np.float32)}, inputs, {"y": [4]})
    made = checked(model)
    feed = np.array([-1, 0.5, 1, 2], np.float32)
    np.testing.assert_allclose(
        computed(made, feed, np.array(flag))[0], computed(model, feed, np.array(flag))[0], rtol=2e-3
    )


def test_other_domains_stay_float():
    model = network(
        [
            helper.make_node("Gelu", ["x"], ["a"], domain="com.microsoft"),
            helper.make_node("Relu", ["a"], ["y"]),
        ],
        {},
        {"x": [4]},
        {"y": [4]},
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(ModelError, match=r"'a' is unknown .*com.microsoft.Gelu.*value_info"):
        to_half(model)
    model.graph.value_info.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, [4]))
    made = to_half(model)
    feed = np.linspace(-2, 2, 4, dtype=np.float32)
    np.testing.assert_allclose(run(made, feed)[0], run(model, feed)[0], atol=2e-3)


def test_initializers_that_old_models_list_as_inputs():
    model = network(
        [helper.make_node("Add", ["x", "k"], ["y"])],
        {"k": np.ones(4, np.float32)},
        {"x": [4], "k": [4]},
        {"y": [4]},
        opset=8,
        ir_version=3,
    )
    made = to_half(model)
    assert [value.name for value in made.graph.input] == ["x"]
    np.testing.assert_array_equal(run(made, np.ones(4, np.float32))[0], np.full(4, 2))


def test_weights_that_were_not_loaded(tmp_path):
    save(every_layer(), tmp_path / "large.onnx", largest=0)
    with pytest.raises(ModelError, match="'w0' is in an external file that was not loaded"):
        to_half(onnx.load(tmp_path / "large.onnx", load_external_data=False))
    checked(onnx.load(tmp_path / "large.onnx"))


def test_large_models_are_saved_beside_their_weights(tmp_path):
    model = to_half(every_layer())
    before = model.SerializeToString()
    save(model, tmp_path / "whole.onnx")
    save(model, tmp_path / "parts.onnx", largest=1000)
    assert model.SerializeToString() == before
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["parts.onnx", "parts.onnx.data", "whole.onnx"]
    assert (tmp_path / "parts.onnx").stat().st_size < (tmp_path / "whole.onnx").stat().st_size / 2
    onnx.checker.check_model(str(tmp_path / "parts.onnx"))
    bare = onnx.load(tmp_path / "parts.onnx", load_external_data=False).graph.initializer
    notes = [{note.key: note.value for note in tensor.external_data} for tensor in bare]
    assert all(int(note["offset"]) % 4096 == 0 for note in notes), "so that it can be mapped"
    whole, parts = (onnx.load(tmp_path / f"{name}.onnx") for name in ("whole", "parts"))
    for a, b in zip(whole.graph.initializer, parts.graph.initializer, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(numpy_helper.to_array(a), numpy_helper.to_array(b))
    assert whole.graph.node == parts.graph.node
    with pytest.raises(ModelError, match="cannot be written"):
        save(model, tmp_path / "nowhere" / "model.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == names
