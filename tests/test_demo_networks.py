"""The demo's networks as files: what was made by a script is what the script makes."""

from __future__ import annotations

import numpy as np
import pytest

from edgert import Engine
from edgert.demo import APPEARANCE, DETECTOR, POSE

onnx = pytest.importorskip("onnx", reason="pip install 'edgert[quant]'")

from onnx import numpy_helper  # noqa: E402

import make_appearance  # noqa: E402
import shorten  # noqa: E402


@pytest.fixture(scope="module")
def appearance():
    return Engine(APPEARANCE, device="cpu")


def looks(engine, *crops):
    """Features of length 1."""
    found = engine(np.stack(crops).astype(np.float32))[0]
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def dressed(shirt, trousers):
    height, width = make_appearance.SIZE
    crop = np.zeros((3, height, width))
    crop[:, : height // 2] = np.reshape(shirt, (3, 1, 1))
    crop[:, height // 2 :] = np.reshape(trousers, (3, 1, 1))
    return crop


def test_the_appearance_network_is_what_its_script_makes():
    made = make_appearance.appearance().SerializeToString()
    assert made == APPEARANCE.read_bytes()


def test_clothes_tell_people_apart_and_light_does_not(appearance):
    someone = dressed((0.8, 0.1, 0.1), (0.1, 0.1, 0.4))
    chance = np.random.default_rng(0)
    other_light = np.clip(0.9 * someone + chance.normal(0, 0.02, someone.shape), 0, 1)
    swapped = dressed((0.1, 0.1, 0.4), (0.8, 0.1, 0.1))
    green = dressed((0.1, 0.6, 0.2), (0.1, 0.1, 0.4))
    one, same, upside_down, other = looks(appearance, someone, other_light, swapped, green)
    assert one @ same > 0.9
    assert one @ upside_down < 0.5
    assert one @ other < 0.8


def test_what_stands_beside_a_person_does_not_count(appearance):
    someone = dressed((0.8, 0.1, 0.1), (0.1, 0.1, 0.4))
    beside = someone.copy()
    beside[:, :, :4] = beside[:, :, 12:] = 0.9
    one, other = looks(appearance, someone, beside)
    assert one @ other == pytest.approx(1)


@pytest.mark.parametrize("path", [DETECTOR, POSE], ids=lambda path: path.stem)
def test_weights_are_short(path):
    model = onnx.load(path)
    before = model.SerializeToString()
    shorten.shorten(model)
    assert model.SerializeToString() == before


def test_rounding_is_to_the_nearest_of_8_bits_and_ties_to_even():
    values = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -0.3, 0, 1e-30], np.float32)
    found = shorten.rounded(values)
    assert found[:4].tolist() == [1, 1, 1 + 2**-6, 1 + 2**-7]
    np.testing.assert_allclose(found, values, rtol=2**-8)
    np.testing.assert_array_equal(shorten.rounded(found), found)


def test_biases_keep_every_bit():
    bias = np.linspace(0.1, 1, 64, dtype=np.float32)
    graph = onnx.helper.make_graph([], "biases", [], [], [numpy_helper.from_array(bias, "b")])
    model = onnx.helper.make_model(graph)
    shorten.shorten(model)
    np.testing.assert_array_equal(numpy_helper.to_array(model.graph.initializer[0]), bias)
