"""What a user may ask of `solve`, how "auto" chooses, and the file of scales."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest

from edgert.quant.thresholds.scales import Scales
from edgert.quant.thresholds.solve import candidates, choose, solve

import solver_oracle as oracle
from solver_oracle import draw, threshold

METHODS = ("minmax", "entropy", "percentile", "mse")
THREE = {"a/conv": draw("long tail"), "b/conv": draw("silu"), "b/act": draw("relu")}


def test_order_of_tensors_does_not_matter() -> None:
    backwards = oracle.statistics(dict(reversed(THREE.items())))
    for method in METHODS:
        groups = [["a/conv", "b/conv"]]
        one = solve(oracle.statistics(THREE), method, groups=groups)
        other = solve(backwards, method, groups=[["b/conv", "a/conv"]])
        assert one == other
        assert list(one.thresholds) == list(THREE)


@pytest.mark.parametrize("method", METHODS)
def test_a_group_is_solved_as_if_its_values_were_of_one_tensor(method: str) -> None:
    stats = oracle.statistics(THREE)
    joined = np.concatenate([THREE["a/conv"], THREE["b/act"]])
    found = solve(stats, method, groups=[["a/conv", "b/act"]]).thresholds
    assert found["a/conv"] == found["b/act"] == threshold(joined, method)
    assert found["b/conv"] == threshold(THREE["b/conv"], method)


def test_the_last_override_that_matches_counts() -> None:
    overrides = {"^b/": "mse", "act$": {"method": "percentile", "percentile": 99}, "^a": 2}
    scales = solve(oracle.statistics(THREE), "entropy", overrides=overrides)
    assert scales.methods == {"a/conv": "fixed 2", "b/conv": "mse", "b/act": "percentile 99"}
    assert scales.thresholds["a/conv"] == 2.0
    assert scales.thresholds["b/conv"] == threshold(THREE["b/conv"], "mse")
    assert scales.thresholds["b/act"] == threshold(THREE["b/act"], "percentile", percentile=99)
    assert scales.method == "entropy"


def test_an_override_of_one_holds_for_its_group() -> None:
    scales = solve(oracle.statistics(THREE), groups=[["a/conv", "b/act"]], overrides={"act": 1.5})
    assert scales.thresholds["a/conv"] == scales.thresholds["b/act"] == 1.5


def test_the_percentile_asked_for_is_that_of_overrides_too() -> None:
    scales = solve(oracle.statistics(THREE), "mse", percentile=99.9, overrides={"^a": "percentile"})
    assert scales.methods["a/conv"] == "percentile 99.9"


def test_bounds_need_no_statistics() -> None:
    options = {"groups": [["sigmoid"], ["a/conv"]], "unsigned": ["sigmoid"]}
    scales = solve(oracle.statistics(THREE), bounds={"sigmoid": 1.0, "b/act": 6.0}, **options)
    assert (scales.thresholds["sigmoid"], scales.methods["sigmoid"]) == (1.0, "bound")
    assert scales.thresholds["b/act"] == 6.0
    assert scales.scale("sigmoid", unsigned=True) == 1 / 255
    with pytest.raises(ValueError, match="group 'sigmoid' is none of the 3 tensors"):
        solve(oracle.statistics(THREE), groups=[["sigmoid", "a/conv"]], bounds={"sigmoid": 1.0})


def test_a_group_may_be_listed_once_for_each_of_its_tensors() -> None:
    groups = [("a/conv", "b/conv")]
    assert solve(oracle.statistics(THREE), groups=groups * 2) == solve(
        oracle.statistics(THREE), groups=groups
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bounds": {"sigmoid": 0.0}}, "bound of 'sigmoid' must be finite and positive, not 0.0"),
        ({"method": "kl"}, "unknown method 'kl': choose one of minmax, entropy"),
        ({"percentile": 0}, "percentile must be over 0"),
        ({"percentile": 100.1}, "percentile must be over 0 and at most 100, not 100.1"),
        (
            {"overrides": {"c/conv": "mse"}},
            "override 'c/conv' is none of the 3.*near it: b/conv, a/conv",
        ),
        ({"overrides": {"(": "mse"}}, r"override '\(': .*unterminated"),
        ({"overrides": {"a": "best"}}, "override 'a': unknown method 'best'"),
        ({"overrides": {"a": -1.0}}, "override 'a': a fixed threshold must be finite and positive"),
        ({"overrides": {"a": {"percentile": 9}}}, "override 'a': a method is"),
        ({"overrides": {"a": {"method": "mse", "bins": 9}}}, "override 'a': a method is"),
        ({"groups": [["a/conv", "zzz"]]}, "group 'zzz' is none of the 3 tensors"),
        ({"groups": [["a/conv"], ["b/act", "a/conv"]]}, "'a/conv' is in two groups"),
        ({"groups": [["a/conv", "a/conv"]]}, "'a/conv' is in two groups"),
        ({"groups": [["a/conv", "b/act"]], "overrides": {"^a": 1, "^b": 2}}, "overrides differ"),
        ({"groups": [["b/conv", "b/act"]], "unsigned": ["b/act"]}, "partly unsigned"),
        ({"unsigned": ["b/conv"]}, "unsigned tensor 'b/conv' has values down to -0.27"),
        ({"unsigned": ["b/acts"]}, "unsigned 'b/acts' is none of the 3.*near it: b/act"),
        ({"method": "auto"}, "chooses by measurement: give it evaluate="),
    ],
)
def test_wrong_use_says_what_is_wrong(options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(oracle.statistics(THREE), **options)


# Choosing -----------------------------------------------------------------------------------------


def test_candidates_are_what_solve_finds() -> None:
    stats = oracle.statistics(THREE)
    found = candidates(stats, groups=[["a/conv", "b/conv"]], unsigned=["b/act"])
    assert list(found) == [
        "minmax", "entropy", "percentile 99.9", "percentile 99.99", "percentile 99.999", "mse",
    ]  # fmt: skip
    for name, scales in found.items():
        method, *percent = name.split()
        options = {"percentile": float(percent[0])} if percent else {}
        assert (
            scales.thresholds
            == solve(
                stats, method, groups=[["a/conv", "b/conv"]], unsigned=["b/act"], **options
            ).thresholds
        )
        assert set(scales.methods.values()) == {name}


def test_auto_takes_the_best_by_measurement() -> None:
    def evaluate(scales: Scales) -> float:
        error = oracle.squared_error(THREE["a/conv"], scales.thresholds["a/conv"], 127)
        return -math.log(error)

    stats = oracle.statistics(THREE)
    found = solve(stats, "auto", evaluate=evaluate, overrides={"act": 1.0})
    assert found.method == "auto: mse"
    assert found.thresholds == solve(stats, "mse", overrides={"act": 1.0}).thresholds


def test_choosing_leaves_out_what_has_no_value_and_keeps_the_first_of_equals() -> None:
    found = candidates(oracle.statistics(THREE))
    values = dict(zip(found, [math.nan, 1.0, 2.0, 2.0, math.nan, -math.inf], strict=True))
    by_threshold = {scales.thresholds["a/conv"]: name for name, scales in found.items()}

    def evaluate(scales: Scales) -> float:
        return values[by_threshold[scales.thresholds["a/conv"]]]

    best = choose(found, evaluate)
    assert best == dataclasses.replace(found["percentile 99.9"], method="auto: percentile 99.9")
    with pytest.raises(ValueError, match="no candidate has a value"):
        choose(found, lambda _: math.nan)


# Scales -------------------------------------------------------------------------------------------


def test_a_scale_is_the_threshold_over_the_levels() -> None:
    scales = solve(oracle.statistics(THREE), "minmax")
    largest = float(THREE["b/act"].max())
    assert scales.scale("b/act") == largest / 127
    assert scales.scale("b/act", unsigned=True) == largest / 255
    with pytest.raises(KeyError, match="no scale for tensor 'c': there are 3 others"):
        scales.scale("c")


def test_scales_survive_a_file_to_the_last_bit(tmp_path) -> None:
    scales = solve(oracle.statistics(THREE), "mse", overrides={"act": 0.1})
    scales.save(tmp_path / "scales.json")
    assert Scales.load(tmp_path / "scales.json") == scales
    assert [path.name for path in tmp_path.iterdir()] == ["scales.json"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": "edgert-scales", "version": 2, "method": "mse", "tensors": {}}',
     '{"format": "edgert-scales", "version": 1, "method": "mse", "tensors": {"a": {}}}'],
)  # fmt: skip
def test_a_file_that_holds_no_scales_is_named(tmp_path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}: not scales as"):
        Scales.load(path)


# Other people's tools -----------------------------------------------------------------------------


def test_minmax_equals_that_of_onnxruntime(tmp_path) -> None:
    onnx = pytest.importorskip("onnx")
    quantization = pytest.importorskip("onnxruntime.quantization")
    rng = np.random.default_rng(3)
    shape = [1, 3, 8, 8]
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape)
    output = onnx.helper.make_tensor_value_info("act", onnx.TensorProto.FLOAT, [1, 4, 8, 8])
    kernel = onnx.numpy_helper.from_array(rng.normal(size=(4, 3, 1, 1)).astype(np.float32), "w")
    nodes = [
        onnx.helper.make_node("Conv", ["image", "w"], ["conv"]),
        onnx.helper.make_node("Relu", ["conv"], ["act"]),
    ]
    graph = onnx.helper.make_graph(nodes, "g", [image], [output], [kernel])
    opset = [onnx.helper.make_opsetid("", 17)]
    path = str(tmp_path / "m.onnx")
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    images = [rng.normal(size=shape).astype(np.float32) for _ in range(4)]

    class Reader(quantization.CalibrationDataReader):
        left = iter([{"image": image} for image in images])

        def get_next(self):
            return next(self.left, None)

    calibrator = quantization.calibrate.create_calibrator(
        path, augmented_model_path=str(tmp_path / "augmented.onnx"),
        calibrate_method=quantization.CalibrationMethod.MinMax,
    )  # fmt: skip
    calibrator.collect_data(Reader())
    ranges = calibrator.compute_data()
    weights = onnx.numpy_helper.to_array(kernel)[:, :, 0, 0]
    conv = np.concatenate([np.einsum("oi,nihw->nohw", weights, image) for image in images])
    stats = oracle.statistics({"image": images, "conv": conv, "act": np.maximum(conv, 0)})
    scales = solve(stats, "minmax")
    for name in scales.thresholds:
        low, high = (float(np.ravel(v)[0]) for v in ranges[name].range_value)
        assert scales.scale(name) == pytest.approx(max(-low, high) / 127, rel=1e-5), name
