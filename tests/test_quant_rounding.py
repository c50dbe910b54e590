"""Corrected biases: the mean error of rounded weights is gone, and every step knows of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

import quant_models
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import SourceError
from edgert.quant.model.graph import Graph, attribute
from edgert.quant.rewrite.plan import Plan
from edgert.quant.rewrite.rounding import Rounding
from edgert.quant.rewrite.write import write
from edgert.quant.trials.metrics import SignalToNoise
from edgert.quant.trials.search import search
from edgert.quant.trials.sensitivity import sensitivity
from edgert.quant.trials.simulate import Simulator
from edgert.quant.trials.trial import Trial

FLOAT_PROFILES = ("portable", "onnxruntime")


def correctable(bias: bool = False) -> ModelProto:
    """Depthwise, grouped and pointwise convolutions on positive inputs, without borders."""
    net = quant_models.Net(seed=4)
    x = net.relu(net.conv("images", 3, 32, to="stem"), to="a")
    options = {"pads": [0, 0, 0, 0], "bias": bias}
    net.relu(net.conv(x, 32, 32, to="depth", group=32, **options), to="b")
    net.relu(net.conv("b", 32, 32, 1, to="grouped", group=4, **options), to="c")
    net.relu(net.conv("c", 32, 16, 1, to="point", **options), to="d")
    net.head(net.relu(net.conv("d", 16, 16, to="last"), to="e"), 16)
    return net.model()


class Case:
    def __init__(self, folder: Path, profile: str = "portable", bias: bool = False) -> None:
        self.path = quant_models.saved(correctable(bias), folder / "float.onnx")
        self.graph = Graph.load(self.path)
        self.plan = Plan.default(self.path, profile)
        self.items = quant_models.items(3)
        self.feeds = [item.tensor for item in self.items]
        self.scales = quant_models.scales_of(self.path, self.plan, *self.feeds)
        self.rounding = Rounding.fit(self.path, self.items, self.plan)

    def errors(self, layer: str, rounding: Rounding) -> np.ndarray:
        """Mean over images and places of what rounding the weights does to each channel.

        In float64, from the float network's own inputs of the layer.
        """
        node = next(n for n in self.graph.nodes if n.name == layer)
        found = next(la for la in self.plan.layers if la.name == layer)
        levels, steps = rounding.weight(self.graph, found)
        weight = self.graph.constant(node.input[1]).astype(np.float64)
        change = levels * steps.astype(np.float64).reshape(-1, 1, 1, 1) - weight
        groups = attribute(node, "group", 1)
        network = OnnxRuntimeGraph(self.path, outputs=[node.input[0]])
        total = np.zeros(len(weight))
        for feed in self.feeds:
            x = network.run({"images": feed})[0].astype(np.float64)
            size = weight.shape[2:]
            windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))
            parts = zip(np.split(windows, groups, 1), np.split(change, groups), strict=True)
            output = np.concatenate(
                [np.einsum("bihwkl,oikl->bohw", part, kernel) for part, kernel in parts], axis=1
            )
            total += output.mean(axis=(0, 2, 3)) / len(self.feeds)
        return total + rounding.shifts.get(layer, 0.0)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("rounding"))


@pytest.mark.parametrize(
    ("layer", "left"),
    # A 3x3 window sees a little less at its corners than the mean says; a 1x1 sees all.
    [("/depth", 0.15), ("/grouped", 1e-5), ("/point", 1e-5)],
)
@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_no_mean_error_is_left_in_any_channel(case: Case, layer: str, left: float, method) -> None:
    before = case.errors(layer, Rounding(method))
    rounding = Rounding.fit(case.path, case.items, case.plan, method=method)
    after = case.errors(layer, rounding)
    assert rounding.method == method
    assert np.abs(before).max() > 1e-4, "there is something to correct"
    assert np.abs(after).max() < left * np.abs(before).max()
    assert rounding.shifts[layer].dtype == np.float32
    assert rounding.shifts[layer].shape == before.shape


def test_the_means_are_over_the_first_images(case: Case) -> None:
    some = Rounding.fit(case.path, case.items, case.plan, images=2)
    same = Rounding.fit(case.path, case.items[:2], case.plan)
    for layer, shift in some.shifts.items():
        np.testing.assert_array_equal(shift, same.shifts[layer])
        assert not np.array_equal(shift, case.rounding.shifts[layer])


def test_convolutions_are_corrected_and_nothing_else(tmp_path: Path) -> None:
    path = quant_models.saved(quant_models.dense(), tmp_path / "float.onnx")
    rounding = Rounding.fit(path, quant_models.items(1))
    assert set(rounding.shifts) == {"/stem"}
    path = quant_models.saved(quant_models.dfl(), tmp_path / "dfl.onnx")
    rounding = Rounding.fit(path, quant_models.items(1))
    assert set(rounding.shifts) == {"/stem", "/box1", "/score1"}


def test_no_images(case: Case) -> None:
    with pytest.raises(SourceError, match="the data is empty"):
        Rounding.fit(case.path, [], case.plan)


def test_a_method_alone_corrects_nothing() -> None:
    assert Rounding.of("mse") == Rounding("mse")
    assert not Rounding.of("minmax").shifts
    rounding = Rounding("mse", {"x": np.zeros(1, np.float32)})
    assert Rounding.of(rounding) is rounding


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("profile", FLOAT_PROFILES)
def test_simulated_and_written_with_corrected_biases(
    profile: str, bias: bool, tmp_path: Path
) -> None:
    case = Case(tmp_path, profile, bias)
    plan = case.plan.keep("/grouped")
    simulator = Simulator(case.path, plan, weights=case.rounding, threads=1)
    write(case.path, case.scales, plan, tmp_path / "int8.onnx", weights=case.rounding)
    file = OnnxRuntimeGraph(tmp_path / "int8.onnx", optimize="none", threads=1)
    plain = Simulator(case.path, plan, threads=1)
    float_network = OnnxRuntimeGraph(case.path, threads=1)
    for feed in case.feeds:
        expected = float_network.run({"images": feed})[0].astype(np.float64)
        found = simulator.run(feed, case.scales)[0]
        noise = np.square(found - expected).sum()
        written = file.run({"images": feed})[0]
        assert np.square(found - written).sum() < 0.02 * noise
        uncorrected = plain.run(feed, case.scales)[0]
        assert np.square(found - uncorrected).sum() > 0.05 * noise
        # A layer in float has its own bias.
        np.testing.assert_allclose(simulator.run(feed)[0], expected, atol=1e-4)
    notes = {e.key: e.value for e in Graph.load(tmp_path / "int8.onnx").model.metadata_props}
    assert json.loads(notes["edgert.quantization"])["corrected_biases"] == len(case.rounding.shifts)


@pytest.mark.parametrize("bias", [False, True])
def test_what_the_file_adds_is_bias_and_shift(bias: bool, tmp_path: Path) -> None:
    case = Case(tmp_path, "portable", bias)
    plan = case.plan.keep("/grouped")
    write(case.path, case.scales, plan, tmp_path / "int8.onnx", weights=case.rounding)
    made = Graph.load(tmp_path / "int8.onnx")
    for layer in ("/depth", "/point", "/grouped"):
        before = next(n for n in case.graph.nodes if n.name == layer)
        after = next(n for n in made.nodes if n.name == layer)
        own = case.graph.constant(before.input[2]) if bias else np.float32(0)
        if layer == "/grouped":
            assert len(after.input) == len(before.input), "kept in float, as it was"
            continue
        np.testing.assert_array_equal(
            made.constant(after.input[2]), own + case.rounding.shifts[layer]
        )


def test_a_shared_bias_is_corrected_for_each_layer_by_itself(tmp_path: Path) -> None:
    path = quant_models.saved(quant_models.shared(), tmp_path / "float.onnx")
    plan = Plan.default(path, "portable")
    scales = quant_models.scales_of(path, plan)
    rounding = Rounding.fit(path, quant_models.items(2), plan)
    write(path, scales, plan, tmp_path / "int8.onnx", weights=rounding)
    given, made = Graph.load(path), Graph.load(tmp_path / "int8.onnx")
    for layer in ("/first", "/second"):
        before, after = (next(n for n in g.nodes if n.name == layer) for g in (given, made))
        np.testing.assert_allclose(
            made.constant(after.input[2]) - given.constant(before.input[2]),
            rounding.shifts[layer],
            atol=1e-6,
        )
    assert not np.allclose(rounding.shifts["/first"], rounding.shifts["/second"])


def test_the_network_is_better_for_it(case: Case) -> None:
    """On other images than those that the means are from."""
    others = quant_models.items(3, seed=50)
    plain, corrected = (
        Trial(case.path, others, case.plan, weights=weights, threads=1)
        for weights in ("minmax", case.rounding)
    )
    layers = ["/depth", "/grouped", "/point"]
    before, after = (
        trial.signal_to_noise(case.scales, layers).mean for trial in (plain, corrected)
    )
    assert after > before + 1


def test_trial_sensitivity_search_and_file_tell_the_same(case: Case, tmp_path: Path) -> None:
    trial = Trial(case.path, case.items, case.plan, weights=case.rounding, threads=1)
    options = {"plan": case.plan, "weights": case.rounding, "threads": 1}
    rows = sensitivity(case.path, case.scales, case.items, screen=3, refine=3, **options)
    for row in rows:
        alone = trial.measure("sqnr", case.scales, [row.layer])[0]
        assert row.sqnr == pytest.approx(alone, abs=1e-6)
    uncorrected = sensitivity(
        case.path, case.scales, case.items, plan=case.plan, screen=3, refine=3, threads=1
    )
    assert {r.layer: r.sqnr for r in rows} != {r.layer: r.sqnr for r in uncorrected}
    plan = search(case.path, case.scales, case.items, rows, 0.0, 0.4, **options)
    assert len(plan.kept) == 2
    state = {layer.name for layer in plan.quantized}
    found = trial.measure("sqnr", case.scales, state)[0]
    assert plan.steps[-1].sqnr == pytest.approx(found, abs=1e-6)
    write(case.path, case.scales, plan, tmp_path / "int8.onnx", weights=case.rounding)
    file = OnnxRuntimeGraph(tmp_path / "int8.onnx", optimize="none", threads=1)
    noise = SignalToNoise()
    for item, expected in zip(case.items, trial.reference, strict=True):
        noise.add(["output"], expected, file.run({"images": item.tensor}))
    assert noise.mean == pytest.approx(found, abs=0.05)
