"""Sensitivity and search on a network in which it is known what hurts."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

import quant_models
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import SourceError
from edgert.quant.rewrite.plan import Plan
from edgert.quant.rewrite.write import write
from edgert.quant.trials.metrics import EXACT_DB, SignalToNoise, parts
from edgert.quant.trials.search import search
from edgert.quant.trials.sensitivity import Row, rows_to_json, sensitivity
from edgert.quant.trials.trial import Trial

NAMES = ("/stem", "/calm1", "/worst", "/bad", "/calm2")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.path = quant_models.saved(quant_models.sensitive(), folder / "float.onnx")
        self.plan = Plan.default(self.path, "portable")
        self.items = quant_models.items(4)
        feeds = [item.tensor for item in quant_models.items(3, seed=90)]
        self.scales = quant_models.scales_of(self.path, self.plan, *feeds)
        self.trial = Trial(self.path, self.items, self.plan, threads=1)
        self.rows = sensitivity(
            self.path, self.scales, self.items, trial=self.trial, screen=2, refine=4
        )

    def sensitivity(self, **options) -> list[Row]:
        trial = options.pop("trial", self.trial)
        return sensitivity(self.path, self.scales, self.items, trial=trial, **options)

    def search(self, max_drop: float, max_keep: float = 1.0, **options) -> Plan:
        rows = options.pop("rows", self.rows)
        trial = options.pop("trial", self.trial)
        return search(
            self.path, self.scales, self.items, rows, max_drop, max_keep, trial=trial, **options
        )

    def drop(self, kept: tuple[str, ...]) -> float:
        """Noise power over signal power in a state, from the outputs themselves."""
        on = set(NAMES) - set(kept)
        signal = noise = 0.0
        for item, expected in zip(self.items, self.trial.reference, strict=True):
            found = self.trial._simulator.run(item.tensor, self.scales, on)[0]
            signal += np.square(expected[0].astype(np.float64)).sum()
            noise += np.square(expected[0].astype(np.float64) - found).sum()
        return noise / signal


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


def error(items, outputs) -> float:
    """A metric of its own kind: minus the mean magnitude of what comes out."""
    assert len(items) == len(outputs)
    assert all(item.tensor.shape == (1, 3, 16, 16) for item in items)
    return -float(np.mean([np.abs(output[0]).mean() for output in outputs]))


@pytest.mark.parametrize("mode", ["one-in", "one-out"])
def test_what_hurts_is_first(bench: Bench, mode) -> None:
    rows = bench.sensitivity(mode=mode, screen=1, refine=4)
    assert rows[0].layer == "/worst"
    # Beside the worst one's noise the second's is hardly heard: only alone does it stand out.
    assert rows[1].layer == "/bad" or mode == "one-out"
    assert {row.layer for row in rows} == set(NAMES)
    assert [row.rank for row in rows] == [1, 2, 3, 4, 5]
    assert [row.loss for row in rows] == sorted((row.loss for row in rows), reverse=True)
    assert {row.mode for row in rows} == {mode}
    assert {row.op for row in rows} == {"Conv"}
    assert {row.action for row in rows} == {"int8"}


def test_one_in_measures_this_layer_alone(bench: Bench) -> None:
    for row in bench.rows:
        others = tuple(name for name in NAMES if name != row.layer)
        assert 10 ** (-row.sqnr / 10) == pytest.approx(bench.drop(others), rel=1e-3)
        assert row.score == row.sqnr
        assert row.loss == -row.sqnr


def test_one_out_measures_all_the_others(bench: Bench) -> None:
    everything = -10 * math.log10(bench.drop(()))
    for row in bench.sensitivity(mode="one-out"):
        assert 10 ** (-row.sqnr / 10) == pytest.approx(bench.drop((row.layer,)), rel=1e-3)
        assert row.loss == pytest.approx(row.sqnr - everything, abs=1e-2)
    assert bench.sensitivity(mode="one-out")[0].loss > 1


@pytest.mark.parametrize("mode", ["one-in", "one-out"])
def test_a_metric_of_the_caller(bench: Bench, mode) -> None:
    rows = bench.sensitivity(metric=error, mode=mode, top=None)
    outputs = {
        None: error(bench.items, bench.trial.reference),
        "all": error(
            bench.items,
            [bench.trial._simulator.run(i.tensor, bench.scales) for i in bench.items],
        ),
    }
    for row in rows:
        if mode == "one-in":
            assert row.loss == pytest.approx(outputs[None] - row.score, abs=1e-6)
        else:
            assert row.loss == pytest.approx(row.score - outputs["all"], abs=1e-6)
        assert row.sqnr != row.score


def test_a_metric_of_the_caller_sees_as_many_images_as_asked_for(bench: Bench) -> None:
    seen: list[int] = []

    def counting(items, outputs) -> float:
        seen.append(len(items))
        return error(items, outputs)

    bench.sensitivity(metric=counting, screen=1, refine=3, top=2)
    # The float network once a round, and each layer.
    assert seen == [1] * 6 + [3] * 3


def test_the_worst_are_measured_again_on_more_images(bench: Bench) -> None:
    steps: list[tuple[str, int, int]] = []
    rows = bench.sensitivity(screen=1, refine=3, top=2, on_step=lambda *s: steps.append(s))
    assert [row.images for row in rows] == [3, 3, 1, 1, 1]
    assert [step[1:] for step in steps] == [(i, 7) for i in range(1, 8)]
    assert [step[0] for step in steps[:5]] == list(NAMES)
    assert {step[0] for step in steps[5:]} == {rows[0].layer, rows[1].layer}
    steps.clear()
    rows = bench.sensitivity(screen=1, refine=3, top=None, on_step=lambda *s: steps.append(s))
    assert [row.images for row in rows] == [3] * 5
    assert [step[1:] for step in steps] == [(i, 5) for i in range(1, 6)]
    # More images than there are, more layers than there are.
    assert {row.images for row in bench.sensitivity(screen=8, refine=9, top=99)} == {4}


def test_rows_say_what_the_plan_keeps(bench: Bench) -> None:
    plan = bench.plan.keep("/bad")
    trial = Trial(bench.path, bench.items, plan, threads=1)
    rows = bench.sensitivity(trial=trial)
    assert {row.layer for row in rows if row.action == "float"} == {"/bad"}
    # Alone in INT8 it is what it was; with all others in INT8, the kept one stays out.
    by_name = {row.layer: row for row in rows}
    assert by_name["/bad"].sqnr == pytest.approx(
        next(row.sqnr for row in bench.rows if row.layer == "/bad"), abs=1e-6
    )
    for row in bench.sensitivity(trial=trial, mode="one-out"):
        kept = tuple({row.layer, "/bad"})
        assert 10 ** (-row.sqnr / 10) == pytest.approx(bench.drop(kept), rel=1e-3)


def test_from_paths_and_arguments_as_from_a_trial(bench: Bench) -> None:
    rows = sensitivity(
        bench.path, bench.scales, bench.items, plan=bench.plan, screen=2, refine=4, threads=1
    )
    assert rows == bench.rows


def test_rows_as_json(bench: Bench) -> None:
    assert json.loads(rows_to_json(bench.rows)) == [asdict(row) for row in bench.rows]


@pytest.mark.parametrize(
    "wrong",
    [{"mode": "both"}, {"screen": 0}, {"screen": 5, "refine": 4}, {"metric": "map"}],
)
def test_parameters_out_of_range(bench: Bench, wrong: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        bench.sensitivity(**wrong)


def test_no_images_no_trial(bench: Bench) -> None:
    with pytest.raises(SourceError, match="the data is empty"):
        Trial(bench.path, [], bench.plan)


def best_by_trying_all(bench: Bench, budget: float) -> int:
    """The fewest kept layers that meet a budget, of all choices there are."""
    for count in range(len(NAMES) + 1):
        if any(bench.drop(kept) <= budget for kept in itertools.combinations(NAMES, count)):
            return count
    raise AssertionError("no choice meets the budget")


@pytest.mark.parametrize("needed", [(), ("/worst",), ("/worst", "/bad")])
def test_as_few_are_kept_as_any_choice_needs(bench: Bench, needed: tuple[str, ...]) -> None:
    budget = bench.drop(needed) * 1.01
    assert best_by_trying_all(bench, budget) == len(needed)
    plan = bench.search(budget)
    assert set(plan.kept) == set(needed)
    assert plan.steps[-1].drop == pytest.approx(bench.drop(needed), rel=1e-3)
    assert [step.kept for step in plan.steps] == [needed[:i] for i in range(len(needed) + 1)]
    drops = [step.drop for step in plan.steps]
    assert drops == sorted(drops, reverse=True)
    for step in plan.steps:
        assert step.drop == pytest.approx(10 ** (-step.sqnr / 10), rel=1e-6)


def test_the_plan_says_why(bench: Bench) -> None:
    plan = bench.search(bench.drop(("/worst", "/bad")) * 1.01)
    first, second, third = plan.steps
    assert plan.kept["/worst"] == (
        f"rank 1 by sensitivity; in float it raises the outputs' SQNR from {first.sqnr:.2f} to "
        f"{second.sqnr:.2f} dB"
    )
    assert f"{second.sqnr:.2f} to {third.sqnr:.2f} dB" in plan.kept["/bad"]


def test_no_more_are_kept_than_allowed(bench: Bench) -> None:
    # Six layers, the head among them: 0.2 of them is one.
    steps: list[tuple[str, int, int]] = []
    plan = bench.search(0.0, 0.2, on_step=lambda *s: steps.append(s))
    assert set(plan.kept) == {"/worst"}
    assert steps == [("/worst", 1, 1)]
    assert plan.steps[-1].drop > 0, "the budget is not met, and that can be seen"
    assert bench.search(0.0, 0.16).kept == {}
    assert len(bench.search(0.0, 1.0).kept) == 5
    assert bench.search(0.0, 1.0).steps[-1].sqnr == EXACT_DB


def test_layers_that_turn_out_to_be_needless_go_back(bench: Bench) -> None:
    """A wrong ranking, and one try a step: the calm layers are taken first."""
    order = ("/calm1", "/calm2", "/worst", "/stem", "/bad")
    wrong = [replace(row, rank=1 + order.index(row.layer)) for row in bench.rows]
    plan = bench.search(bench.drop(("/worst",)) * 1.01, rows=wrong, width=1)
    assert set(plan.kept) == {"/worst"}
    assert plan.steps[-2].kept == order[:3]
    assert plan.steps[-1].kept == ("/worst",)
    # Several tries a step find it at once.
    assert len(bench.search(bench.drop(("/worst",)) * 1.01, rows=wrong, width=3).steps) == 2


def test_layers_that_hardly_help_are_not_worth_their_time(bench: Bench) -> None:
    gains = {"/worst": 3.0, "/bad": 0.2, "/calm1": 0.01}

    class Known:
        """A trial whose figures are given."""

        plan = bench.plan

        def measure(self, metric, scales, layers=None) -> tuple[float, float]:
            kept = set(NAMES) - set(NAMES if layers is None else layers)
            found = EXACT_DB if scales is None else 10 + sum(gains.get(n, 0.0) for n in kept)
            return found, found

    plan = bench.search(1e-6, 0.5, trial=Known())
    assert [step.kept for step in plan.steps[:4]] == [
        (),
        ("/worst",),
        ("/worst", "/bad"),
        ("/worst", "/bad", "/calm1"),
    ]
    assert set(plan.kept) == {"/worst"}
    assert plan.steps[-1].kept == ("/worst",)


def test_a_budget_that_cannot_be_met_gives_the_best_state_found(bench: Bench) -> None:
    """The caller's figure falls with every layer kept, so that the first state is the best."""
    calls: list[int] = []

    def contrary(items, outputs) -> float:
        calls.append(1)
        return 1.0 if len(calls) == 1 else 1.0 - 0.1 * len(calls)

    plan = bench.search(0.01, 0.5, metric=contrary)
    assert plan.kept == {}
    assert plan.steps[-1].kept == ()
    assert plan.steps[-1].drop == min(step.drop for step in plan.steps)


def test_the_caller_s_figure_decides_when_it_is_enough(bench: Bench) -> None:
    def agreement(items, outputs) -> float:
        """Minus the noise's share, as a figure that only the caller knows."""
        pairs = zip(bench.trial.reference, outputs, strict=True)
        return -float(np.mean([np.abs(a[0] - b[0]).mean() / np.abs(a[0]).mean() for a, b in pairs]))

    value = bench.search(1.0, metric=agreement).steps[0].drop
    plan = bench.search(value * 0.5, metric=agreement)
    assert set(plan.kept) == {"/worst"}
    assert plan.steps[0].drop == pytest.approx(value)
    assert plan.steps[-1].drop <= value * 0.5
    assert plan.steps[-1].score == pytest.approx(-plan.steps[-1].drop)
    # Noise may have to be low besides.
    wanted = plan.steps[-1].sqnr + 1
    stricter = bench.search(value * 0.5, metric=agreement, min_sqnr=wanted)
    assert {"/worst"} < set(stricter.kept)
    assert stricter.steps[-1].sqnr >= wanted


def test_a_plan_that_keeps_layers_is_where_it_starts(bench: Bench) -> None:
    plan = bench.plan.keep("/worst", "asked for")
    trial = Trial(bench.path, bench.items, plan, threads=1)
    found = bench.search(bench.drop(("/worst", "/bad")) * 1.01, trial=trial, width=1)
    assert set(found.kept) == {"/worst", "/bad"}
    assert found.kept["/worst"] == "asked for"
    assert [step.kept for step in found.steps] == [(), ("/bad",)]


def test_the_written_file_is_as_good_as_the_search_says(bench: Bench, tmp_path: Path) -> None:
    plan = bench.search(bench.drop(("/worst",)) * 1.01)
    write(bench.path, bench.scales, plan, tmp_path / "int8.onnx")
    graph = OnnxRuntimeGraph(tmp_path / "int8.onnx", optimize="none")
    noise = SignalToNoise()
    for item, expected in zip(bench.items, bench.trial.reference, strict=True):
        noise.add(["output"], expected, graph.run({"images": item.tensor}))
    assert noise.mean == pytest.approx(plan.steps[-1].sqnr, abs=0.05)


@pytest.mark.parametrize("wrong", [{"max_drop": -1}, {"max_keep": 1.5}, {"width": 0}])
def test_searches_out_of_range(bench: Bench, wrong: dict) -> None:
    with pytest.raises(ValueError, match="expected max_drop >= 0"):
        bench.search(**{"max_drop": 0.01, **wrong})


def test_signal_to_noise_by_hand() -> None:
    noise = SignalToNoise()
    one, two = np.ones((1, 4), np.float32), np.full((1, 4), 0.9, np.float32)
    noise.add(["x"], [one], [two])
    assert noise.mean == pytest.approx(20, abs=1e-5)
    # A second image ten times as loud counts a hundred times as much.
    noise.add(["x"], [10 * one], [10 * one])
    assert noise.per_part["x"] == pytest.approx(20 + 10 * math.log10(101), abs=1e-5)
    noise.add(["y"], [np.zeros((1, 4), np.float32)], [one])
    assert noise.per_part["y"] == -EXACT_DB
    noise.add(["z"], [one], [one])
    assert noise.per_part["z"] == EXACT_DB
    noise.add(["nan"], [one], [np.full((1, 4), np.nan, np.float32)])
    assert noise.per_part["nan"] == -EXACT_DB
    noise.add(["index"], [np.arange(4)], [np.arange(4)])
    assert "index" not in noise.per_part


def test_boxes_and_scores_are_heard_apart() -> None:
    output = np.zeros((1, 10, 64), np.float32)
    output[:, :4], output[:, 4:] = 300, 0.5
    found = output.copy()
    found[:, 4:] = 0.4
    noise = SignalToNoise()
    noise.add(["o"], [output], [found])
    assert noise.per_part["o.boxes"] == EXACT_DB
    assert noise.per_part["o.scores"] == pytest.approx(20 * math.log10(5), abs=1e-4)
    assert set(parts("heat", np.zeros((1, 17, 96, 72)))) == {"heat"}
    assert set(parts("tall", np.zeros((1, 64, 10)))) == {"tall"}
