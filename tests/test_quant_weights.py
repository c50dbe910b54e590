"""Weights in 8 bits against ONNX Runtime's operators and a dense scan."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgert.quant.thresholds._solvers import search_weight_thresholds
from edgert.quant.thresholds.weights import dequantize, quantize_weight

QUICK = settings(max_examples=40, derandomize=True, deadline=None, database=None)
SHAPES = [((16, 3, 3, 3), 0), ((8, 16, 4, 4), 1), ((10, 20), 0), ((10, 20), 1), ((2, 5, 7), -1)]


def weights(shape, seed: int = 0) -> np.ndarray:
    """With a few large values in every channel, as trained ones have."""
    return np.random.default_rng(seed).standard_t(4, shape).astype(np.float32)


def errors(weight, axis: int, scale) -> np.ndarray:
    """Sums of squared errors per channel, in float64."""
    rows = np.moveaxis(np.asarray(weight, np.float64), axis, 0).reshape(len(scale), -1)
    step = np.asarray(scale, np.float64)[:, None]
    return ((rows - step * np.clip(np.rint(rows / step), -127, 127)) ** 2).sum(axis=1)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_minmax_scale_is_the_largest_magnitude_over_127(shape, axis: int) -> None:
    weight = weights(shape)
    q, scale = quantize_weight(weight, axis)
    others = tuple(i for i in range(weight.ndim) if i != axis % weight.ndim)
    assert q.dtype == np.int8
    assert q.shape == weight.shape
    assert scale.dtype == np.float32
    np.testing.assert_allclose(scale, np.abs(weight).max(axis=others) / 127, rtol=2e-7)
    assert np.all(np.abs(q.astype(int)).max(axis=others) == 127)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_onnxruntime_rounds_and_restores_the_same(shape, axis: int, method: str) -> None:
    onnx = pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    weight = weights(shape)
    q, scale = quantize_weight(weight, axis, method)
    zero = onnx.numpy_helper.from_array(np.zeros(len(scale), np.int8), "zero")
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("QuantizeLinear", ["w", "scale", "zero"], ["q"], axis=axis),
            onnx.helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x"], axis=axis),
        ],
        "g",
        [onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, shape)],
        [
            onnx.helper.make_tensor_value_info("q", onnx.TensorProto.INT8, shape),
            onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape),
        ],
        [onnx.numpy_helper.from_array(scale, "scale"), zero],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected_q, expected = session.run(["q", "x"], {"w": weight})
    # ONNX Runtime reaches -128, which symmetric weights leave out.
    np.testing.assert_array_equal(q, np.maximum(expected_q, -127))
    inside = expected_q > -128
    np.testing.assert_array_equal(dequantize(q, scale, axis)[inside], expected[inside])


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_mse_finds_the_best_scale_of_each_channel(shape, axis: int) -> None:
    weight = weights(shape)
    _, largest = quantize_weight(weight, axis)
    _, found = quantize_weight(weight, axis, "mse")
    scan = [errors(weight, axis, largest * share) for share in np.linspace(0.3, 1, 281)]
    # Few values have many narrow minima, of which a scan of 2 % steps may miss the deepest.
    assert np.all(errors(weight, axis, found) <= 1.25 * np.min(scan, axis=0))
    assert errors(weight, axis, found).sum() <= 1.05 * np.min(scan, axis=0).sum()


def test_mse_clips_a_lonely_outlier_and_only_in_its_channel() -> None:
    weight = np.random.default_rng(0).uniform(-1, 1, (2, 50_000)).astype(np.float32)
    weight[0, 123] = 2.5
    _, largest = quantize_weight(weight, 0)
    _, found = quantize_weight(weight, 0, "mse")
    assert found[0] < 0.9 * largest[0]
    assert found[1] > 0.98 * largest[1]


@QUICK
@given(
    arrays.arrays(
        np.float32, st.tuples(st.integers(1, 4), st.integers(1, 40)),
        elements=st.floats(-8, 8, width=32),
    )
)  # fmt: skip
def test_mse_is_never_worse_than_minmax_and_both_are_within_half_a_step(weight) -> None:
    q, scale = quantize_weight(weight, 0)
    assert np.all(np.abs(dequantize(q, scale, 0) - weight) <= 0.5001 * scale[:, None])
    _, found = quantize_weight(weight, 0, "mse")
    before, after = errors(weight, 0, scale), errors(weight, 0, found)
    assert np.all(after <= before * (1 + 1e-4) + 1e-9)
    assert np.all(found <= scale)


@QUICK
@given(st.integers(-10, 10), st.sampled_from(["minmax", "mse"]))
def test_twice_the_weights_are_exactly_twice_the_scale(power: int, method: str) -> None:
    weight = weights((4, 30)) * 16
    q, scale = quantize_weight(weight, 0, method, smallest_scale=1e-30)
    other_q, other = quantize_weight(weight * 2.0**power, 0, method, smallest_scale=1e-30)
    np.testing.assert_array_equal(q, other_q)
    np.testing.assert_array_equal(other, scale * np.float32(2.0**power))


@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_dead_and_tiny_channels_have_a_positive_scale(method: str) -> None:
    weight = weights((3, 2, 3, 3))
    weight[1] = 0
    weight[2] *= 1e-9
    q, scale = quantize_weight(weight, 0, method)
    assert scale[0] > scale[1] == scale[2] == np.float32(2.0**-14)
    assert not q[1:].any()
    q, scale = quantize_weight(weight, 0, method, smallest_scale=1e-20)
    assert scale[1] == np.float32(1e-20)
    assert np.abs(q[2]).max() == 127


def test_no_channels_and_no_values_are_no_error() -> None:
    for shape in ((0, 3), (3, 0)):
        for method in ("minmax", "mse"):
            q, scale = quantize_weight(np.zeros(shape, np.float32), 0, method)
            assert q.shape == shape
            assert scale.shape == shape[:1]
            assert np.all(scale > 0)


def test_wrong_use_says_what_is_wrong() -> None:
    weight = weights((4, 3))
    with pytest.raises(ValueError, match=r"shape \(4, 3\) has no axis 2"):
        quantize_weight(weight, 2)
    with pytest.raises(ValueError, match="unknown method 'kl' for weights: choose minmax or mse"):
        quantize_weight(weight, 0, "kl")
    weight[1, 2] = np.inf
    with pytest.raises(ValueError, match=r"shape \(4, 3\) has values that are not finite"):
        quantize_weight(weight, 0)
    with pytest.raises(ValueError, match="4 rows need as many thresholds, not 2"):
        search_weight_thresholds(weight, np.ones(2))
