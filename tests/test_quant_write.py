"""The file that is written: its form, its types, its numbers against NumPy, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

import quant_models
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import ModelError
from edgert.quant.model import files
from edgert.quant.model.graph import Graph, attribute
from edgert.quant.model.precision import element_types
from edgert.quant.rewrite.plan import PROFILES, Plan, group_scale
from edgert.quant.rewrite.write import write, write_half
from edgert.quant.thresholds.scales import Scales
from edgert.quant.thresholds.weights import quantize_weight

FLOAT_PROFILES = ("portable", "onnxruntime")


class Written:
    def __init__(self, model: ModelProto, folder: Path, profile: str, keep=()) -> None:
        self.path = quant_models.saved(model, folder / "float.onnx")
        self.plan = Plan.default(self.path, profile).keep(list(keep))
        self.scales = quant_models.scales_of(self.path, self.plan)
        self.out = folder / "int8.onnx"
        write(self.path, self.scales, self.plan, self.out)
        self.graph = Graph.load(self.out)
        self.notes = {e.key: e.value for e in self.graph.model.metadata_props}

    def nodes(self, *ops: str) -> list:
        return [node for node in self.graph.nodes if node.op_type in ops]


def large(width: int = 128) -> ModelProto:
    """A model whose bytes are weights."""
    net = quant_models.Net()
    x = net.relu(net.conv("images", 3, width, to="stem"), to="a")
    x = net.relu(net.conv(x, width, width, to="middle"), to="b")
    net.head(x, width)
    return net.model()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", sorted(quant_models.MODELS))
def test_form_and_types(name: str, profile: str, tmp_path: Path) -> None:
    made = Written(quant_models.MODELS[name](), tmp_path, profile)
    onnx.checker.check_model(str(made.out), full_check=True)
    least = {"tensorrt": 19, "portable": 17, "onnxruntime": 17}[profile]
    given = Graph.load(made.path).opset
    assert made.graph.opset == max(least, given)
    half = profile == "tensorrt"
    for node in made.nodes("QuantizeLinear", "DequantizeLinear"):
        assert len(node.input) == 3, "the zero point is explicit"
        scale, zero = (made.graph.constant(source) for source in node.input[1:])
        assert scale.dtype == (np.float16 if half else np.float32)
        assert (scale > 0).all()
        assert np.isfinite(scale).all()
        if half:
            assert (scale >= 2.0**-14).all(), "FP16's smallest normal number"
        if profile == "onnxruntime":
            assert (zero.dtype, zero.flat[0]) in [
                *((np.dtype(t), 0) for t in (np.int8, np.uint8, np.int32)),
                (np.dtype(np.uint8), 128),
            ]
        else:
            assert zero.dtype == np.int8
            assert not zero.any()
    quantized = {layer.name for layer in made.plan.quantized}
    for node in made.nodes("Conv", "ConvTranspose", "Gemm", "MatMul"):
        weight = made.graph.producer(node.input[1])
        whole = weight is not None and weight.op_type == "DequantizeLinear"
        assert whole == (node.name in quantized), node.name
        if not whole:
            continue
        values = made.graph.constant(weight.input[0])
        assert values.dtype == np.int8
        assert values.min() >= -127
        layer = next(la for la in made.plan.quantized if la.name == node.name)
        assert attribute(weight, "axis") == layer.axis
        assert made.graph.constant(weight.input[1]).shape == (values.shape[layer.axis],)
        read = made.graph.producer(node.input[0])
        while read.op_type == "Cast":
            read = made.graph.producer(read.input[0])
        assert read.op_type == "DequantizeLinear"
        assert made.graph.producer(read.input[0]).op_type == "QuantizeLinear"
    # A pair is made once for all who read it.
    sources = [node.input[0] for node in made.nodes("QuantizeLinear")]
    assert len(set(sources)) == len(sources)


@pytest.mark.parametrize("profile", PROFILES)
def test_inputs_and_outputs_stay_as_they_were(profile: str, tmp_path: Path) -> None:
    made = Written(quant_models.c2f(batch="batch"), tmp_path, profile)
    float_model = onnx.load(str(made.path))
    assert list(made.graph.model.graph.input) == list(float_model.graph.input)
    assert [o.name for o in made.graph.model.graph.output] == ["output"]
    assert made.graph.model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    graph = OnnxRuntimeGraph(made.out, optimize="none")
    one, two = quant_models.image(1), quant_models.image(2)
    both = graph.run({"images": np.concatenate([one, two])})[0]
    for feed, found in ((one, both[:1]), (two, both[1:])):
        np.testing.assert_allclose(graph.run({"images": feed})[0], found, atol=1e-3)


@pytest.mark.parametrize("profile", ["tensorrt", "portable"])
def test_biases_stay_in_float_for_tensorrt(profile: str, tmp_path: Path) -> None:
    made = Written(quant_models.residual(), tmp_path, profile)
    given = Graph.load(made.path)
    for node in made.nodes("Conv"):
        before = next(n for n in given.nodes if n.name == node.name)
        bias = made.graph.constant(node.input[2])
        assert bias is not None, "not computed by anything"
        np.testing.assert_allclose(bias, given.constant(before.input[2]), rtol=1e-3)


def test_biases_are_whole_for_onnx_runtime(tmp_path: Path) -> None:
    made = Written(quant_models.residual(), tmp_path, "onnxruntime", keep=["/one"])
    given = Graph.load(made.path)
    for node in made.nodes("Conv"):
        before = next(n for n in given.nodes if n.name == node.name)
        exact = given.constant(before.input[2])
        if node.name == "/head/output":
            assert made.graph.constant(node.input[2]) is not None
            continue
        source = made.graph.producer(node.input[2])
        assert source.op_type == "DequantizeLinear"
        levels, steps = (made.graph.constant(name) for name in source.input[:2])
        assert levels.dtype == np.int32
        found = levels.astype(np.float64) * steps
        if node.name == "/one":
            np.testing.assert_array_equal(found, exact)
        else:
            x = made.graph.producer(node.input[0])
            w = made.graph.producer(node.input[1])
            product = made.graph.constant(x.input[1]) * made.graph.constant(w.input[1])
            np.testing.assert_allclose(steps, product, rtol=1e-6)
            assert (np.abs(found - exact) <= steps * 0.5001).all()


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("profile", FLOAT_PROFILES)
def test_one_convolution_against_numpy(profile: str, groups: int, tmp_path: Path) -> None:
    net = quant_models.Net(seed=3)
    x = net.relu(net.conv("images", 3, 16, to="stem"), to="a")
    x = net.relu(net.conv(x, 16, 32, to="middle", group=groups, strides=[2, 2]), to="b")
    net.head(net.relu(net.conv(x, 32, 16), to="c"), 16)
    made = Written(net.model(), tmp_path, profile)
    given = Graph.load(made.path)
    node = next(n for n in given.nodes if n.name == "/middle")
    weight, bias = (given.constant(name) for name in node.input[1:])
    # The layer's own input in float, from the file: what comes before it is another test's.
    wanted = ["a", "b_dequantized"]
    feed = {"images": quant_models.image(5)}
    x, found = OnnxRuntimeGraph(made.out, outputs=wanted, optimize="none").run(feed)
    unsigned = profile == "onnxruntime"
    expected = convolved(
        pair(x, made, "a", unsigned), rounded(weight.astype(np.float64)), bias, groups, stride=2
    )
    expected = pair(np.maximum(expected, 0), made, "b", unsigned)
    step = group_scale(made.plan, made.scales, "b")
    flipped = np.abs(found - expected) > 1e-3 * step
    assert flipped.mean() < (0.01 if unsigned else 0.001), "the bias is rounded, and no more"
    assert np.abs(found - expected).max() < 1.001 * step


@pytest.mark.parametrize("profile", FLOAT_PROFILES)
def test_products_against_numpy(profile: str, tmp_path: Path) -> None:
    """Gemm with either layout of weights, and MatMul."""
    made = Written(quant_models.dense(), tmp_path, profile)
    given = Graph.load(made.path)
    for name, source, rows in (("rows", "flat", 1), ("columns", "b", 0), ("product", "c", 0)):
        node = next(n for n in given.nodes if n.output[0] == name)
        weight = given.constant(node.input[1]).astype(np.float64)
        bias = given.constant(node.input[2]) if len(node.input) > 2 else 0.0
        graph = OnnxRuntimeGraph(made.out, outputs=[source, name], optimize="none")
        x, found = graph.run({"images": quant_models.image(6)})
        x = pair(x, made, source, profile == "onnxruntime" and source in made.plan.unsigned)
        matrix = rounded(weight) if rows else rounded(weight.T)
        expected = x @ matrix.T + bias
        np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


def pair(x: np.ndarray, made: Written, tensor: str, unsigned: bool) -> np.ndarray:
    """Quantize and dequantize by the formula of the operators' specification."""
    threshold = max(made.scales.thresholds[name] for name in made.plan.groups[tensor])
    step = np.float32(threshold / (255 if unsigned else 127))
    low, high = (0, 255) if unsigned else (-128, 127)
    return np.clip(np.rint(x / step), low, high).astype(np.float64) * step


def rounded(weight: np.ndarray) -> np.ndarray:
    """Weights with the output channels first, each channel's largest magnitude at 127."""
    largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    steps = (largest / 127).reshape(-1, *[1] * (weight.ndim - 1))
    return np.rint(weight / steps) * steps


def convolved(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, groups: int, stride: int
) -> np.ndarray:
    """A 3x3 convolution in groups with a border of zeros, in float64."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    parts = [
        np.einsum("bihwkl,oikl->bohw", part, kernel)
        for part, kernel in zip(
            np.split(windows, groups, axis=1), np.split(weight, groups), strict=True
        )
    ]
    return np.concatenate(parts, axis=1) + bias.reshape(1, -1, 1, 1)


@pytest.mark.parametrize(
    ("profile", "precision"),
    [("tensorrt", "int8+fp16"), ("portable", "int8+fp32"), ("onnxruntime", "int8+fp32")],
)
def test_notes(profile: str, precision: str, tmp_path: Path) -> None:
    model = quant_models.c2f()
    model.metadata_props.add(key="names", value="{0: 'person'}")
    model.metadata_props.add(key="edgert.precision", value="fp32")
    made = Written(model, tmp_path, profile, keep=["/m1"])
    assert made.notes["names"] == "{0: 'person'}"
    assert made.notes["edgert.precision"] == precision
    keys = [entry.key for entry in made.graph.model.metadata_props]
    assert len(set(keys)) == len(keys)
    told = json.loads(made.notes["edgert.quantization"])
    assert told.pop("edgert")
    assert told == {
        "profile": profile,
        "method": "minmax",
        "weights": "minmax",
        "corrected_biases": 0,
        "layers": 6,
        "int8": 4,
        "kept": {"/m1": "asked for"},
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_a_quarter_of_the_size(profile: str, tmp_path: Path) -> None:
    made = Written(large(), tmp_path, profile)
    assert 0.25 < made.out.stat().st_size / made.path.stat().st_size < 0.28


def test_kept_layers_keep_their_weights_to_the_last_bit(tmp_path: Path) -> None:
    made = Written(quant_models.residual(), tmp_path, "portable", keep=["/one", "/four"])
    given = Graph.load(made.path)
    for name in ("/one", "/four", "/head/output"):
        before, after = (next(n for n in g.nodes if n.name == name) for g in (given, made.graph))
        for index in (1, 2):
            np.testing.assert_array_equal(
                given.constant(before.input[index]), made.graph.constant(after.input[index])
            )


def test_weights_that_one_kept_layer_shares_stay_for_it(tmp_path: Path) -> None:
    made = Written(quant_models.shared(), tmp_path, "portable", keep=["/second"])
    given = Graph.load(made.path)
    second = next(n for n in made.graph.nodes if n.name == "/second")
    shared = next(n for n in given.nodes if n.name == "/first").input[1]
    np.testing.assert_array_equal(made.graph.constant(second.input[1]), given.constant(shared))
    Written(quant_models.shared(), tmp_path, "portable")
    assert shared not in Graph.load(tmp_path / "int8.onnx").initializers


def test_the_method_for_weights(tmp_path: Path) -> None:
    made = Written(quant_models.plain(), tmp_path, "portable")
    write(made.path, made.scales, made.plan, tmp_path / "mse.onnx", weights="mse")
    graph = Graph.load(tmp_path / "mse.onnx")
    conv = next(n for n in graph.nodes if n.name == "/middle")
    weight = Graph.load(made.path).constant(made.plan.layers[1].weight)
    expected, steps = quantize_weight(weight, 0, "mse", smallest_scale=0.0)
    source = graph.producer(conv.input[1])
    np.testing.assert_array_equal(graph.constant(source.input[0]), expected)
    np.testing.assert_array_equal(graph.constant(source.input[1]), steps)
    told = {e.key: e.value for e in graph.model.metadata_props}["edgert.quantization"]
    assert json.loads(told)["weights"] == "mse"


def test_external_data_comes_inside(tmp_path: Path) -> None:
    made = Written(large(), tmp_path, "portable")
    apart = tmp_path / "apart.onnx"
    onnx.save(large(), str(apart), save_as_external_data=True, size_threshold=0, location="w")
    write(apart, made.scales, made.plan, tmp_path / "again.onnx")
    one, two = (Graph.load(p).initializers for p in (made.out, tmp_path / "again.onnx"))
    assert set(one) == set(two)
    for name in one:
        assert two[name].data_location == TensorProto.DEFAULT
        np.testing.assert_array_equal(*(numpy_helper.to_array(g[name]) for g in (one, two)))


@pytest.mark.parametrize("profile", PROFILES)
def test_nodes_that_share_a_name(profile: str, tmp_path: Path) -> None:
    model = quant_models.plain()
    for node in model.graph.node:
        node.name = "same"
    made = Written(quant_models.plain(), tmp_path, profile)
    path = quant_models.saved(model, tmp_path / "same.onnx")
    plan = Plan.default(path, profile)
    write(path, made.scales, plan, tmp_path / "same.int8.onnx")
    feed = {"images": quant_models.image(7)}
    np.testing.assert_array_equal(
        OnnxRuntimeGraph(tmp_path / "same.int8.onnx", optimize="none").run(feed)[0],
        OnnxRuntimeGraph(made.out, optimize="none").run(feed)[0],
    )


def test_tensors_that_are_named_as_new_ones_would_be(tmp_path: Path) -> None:
    """A model may have tensors called like those that quantization adds."""
    model = quant_models.plain()
    first = model.graph.initializer[0].name
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == "middle":
                    names[index] = "a_dequantized"
                if name == "b":
                    names[index] = "a_int8"
                if name == first:
                    names[index] = "a_scale"
    model.graph.initializer[0].name = "a_scale"
    made = Written(model, tmp_path, "portable")
    clean = tmp_path / "clean"
    clean.mkdir()
    feed = {"images": quant_models.image(7)}
    np.testing.assert_array_equal(
        OnnxRuntimeGraph(made.out, optimize="none").run(feed)[0],
        OnnxRuntimeGraph(Written(quant_models.plain(), clean, "portable").out, optimize="none").run(
            feed
        )[0],
    )


def test_the_model_on_disk_stays_and_writing_is_repeatable(tmp_path: Path) -> None:
    model = quant_models.names()
    before = model.SerializeToString()
    made = Written(model, tmp_path, "portable")
    assert made.path.read_bytes() == before
    first = made.out.read_bytes()
    write(made.path, made.scales, made.plan, made.out)
    assert made.out.read_bytes() == first


def test_whoever_reads_the_old_file_reads_all_of_it(tmp_path: Path) -> None:
    made = Written(quant_models.plain(), tmp_path, "portable")
    old = made.out.read_bytes()
    with made.out.open("rb") as reader:
        write(made.path, made.scales, made.plan.keep("/stem"), made.out)
        assert reader.read() == old
    assert made.out.read_bytes() != old


def test_a_missing_scale_leaves_the_old_file(tmp_path: Path) -> None:
    made = Written(quant_models.plain(), tmp_path, "portable")
    old = made.out.read_bytes()
    with pytest.raises(KeyError, match="no scale for tensor 'images'"):
        write(made.path, Scales({}, {}, "minmax"), made.plan, made.out)
    assert made.out.read_bytes() == old


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Written(quant_models.plain(), tmp_path, "portable")
    old, there = made.out.read_bytes(), sorted(tmp_path.iterdir())

    def half_a_file(model: ModelProto, path: str) -> None:
        Path(path).write_bytes(model.SerializeToString()[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.onnx, "save", half_a_file)
    with pytest.raises(ModelError, match=r"int8\.onnx: cannot be written.*No space left"):
        write(made.path, made.scales, made.plan.keep("/stem"), made.out)
    assert made.out.read_bytes() == old
    assert sorted(tmp_path.iterdir()) == there


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    made = Written(quant_models.plain(), tmp_path, "portable")
    with pytest.raises(ModelError, match="cannot be written"):
        write(made.path, made.scales, made.plan, tmp_path / "no" / "such.onnx")
    with pytest.raises(ModelError, match="no such file"):
        write(tmp_path / "nothing.onnx", made.scales, made.plan, made.out)
    with pytest.raises(ModelError, match="no such file"):
        write_half(tmp_path / "nothing.onnx", made.out)


@pytest.mark.parametrize("name", ["c2f-17", "residual", "dfl", "depthwise", "left-in-float"])
def test_half_precision_alone(name: str, tmp_path: Path) -> None:
    path = quant_models.saved(quant_models.MODELS[name](), tmp_path / "float.onnx")
    write_half(path, tmp_path / "half.onnx")
    onnx.checker.check_model(str(tmp_path / "half.onnx"), full_check=True)
    feed = {"images": quant_models.image(8)}
    expected = OnnxRuntimeGraph(path).run(feed)[0]
    found = OnnxRuntimeGraph(tmp_path / "half.onnx", optimize="none").run(feed)[0]
    assert found.dtype == np.float32
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    assert 0 < difference < 0.01, "FP16's 11 bits"
    graph = Graph.load(tmp_path / "half.onnx")
    kinds = {
        numpy_helper.to_array(e).dtype for e in graph.initializers.values() if len(e.dims) == 4
    }
    assert np.dtype(np.float16) in kinds
    assert {e.key: e.value for e in graph.model.metadata_props} == {"edgert.precision": "fp16"}


def test_half_precision_is_half_the_size(tmp_path: Path) -> None:
    path = quant_models.saved(large(), tmp_path / "float.onnx")
    write_half(path, tmp_path / "half.onnx")
    assert 0.5 < (tmp_path / "half.onnx").stat().st_size / path.stat().st_size < 0.51


def test_half_precision_with_nodes_kept_in_float(tmp_path: Path) -> None:
    path = quant_models.saved(quant_models.dfl(), tmp_path / "float.onnx")
    names = {node.output[0]: node.name for node in Graph.load(path).nodes}

    def halves(keep: list[str]) -> set[str]:
        write_half(path, tmp_path / "half.onnx", keep=keep)
        types = element_types(Graph.load(tmp_path / "half.onnx").model)
        return {tensor for tensor in names if types[tensor] == onnx.TensorProto.FLOAT16}

    every = halves([])
    assert {"a", "box1", "box1_act", "score1"} <= every
    assert halves([names["box1"]]) == every - {"box1"}
    assert every - halves([f"^{names['score1']}$", "box1"]) == {"box1", "box1_act", "score1"}
    with pytest.raises(ValueError, match=r"float\.onnx: no node matches 'nothing'; there are "):
        halves(["nothing"])


def test_int8_keeps_the_mean_over_a_distribution_in_float(tmp_path: Path) -> None:
    """The last layers are FP16: INT8 rounds far more."""
    types = element_types(Written(quant_models.dfl(), tmp_path, "tensorrt").graph.model)
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    assert [types[t] for t in ("box2", "score2", "dfl")] == [half, half, single]
