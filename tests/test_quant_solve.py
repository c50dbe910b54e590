"""Thresholds against brute force, and what must hold for any histogram."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import DamagedInputWarning
from edgert.quant.statistics.stats import TensorStats
from edgert.quant.thresholds._solvers import Distribution
from edgert.quant.thresholds.solve import candidates, solve

import solver_oracle as oracle
from solver_oracle import draw, threshold

METHODS = ("minmax", "entropy", "percentile", "mse")
QUICK = settings(max_examples=40, derandomize=True, deadline=None, database=None)


KINDS = ("normal", "relu", "silu", "long tail", "outlier", "uniform", "few")


def distribution(tensor) -> Distribution:
    return Distribution(tensor.counts, oracle.absmax(tensor))


def rational(largest: float = 50.0):
    """A histogram with a long tail in nothing but exact operations: the same everywhere."""
    counts = np.zeros(32768, np.uint64)
    edges = oracle.EDGES[largest > oracle.EDGES]
    middle = edges[:-1] + np.diff(edges) / 2
    share = np.diff(edges) / (1 + middle * middle) ** 2
    counts[: len(share)] = np.floor(1e9 * share).astype(np.uint64)
    counts[0] = 10**9
    last = int(np.flatnonzero(counts)[-1])
    top = float(oracle.EDGES[last] + (oracle.EDGES[last + 1] - oracle.EDGES[last]) / 2)
    return TensorStats(counts, -top, top, 0)


# Brute force ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_minmax_is_the_largest_magnitude_to_the_last_bit(kind: str) -> None:
    values = draw(kind)
    assert threshold(values, "minmax") == np.abs(values.astype(np.float64)).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("percent", [50.0, 99.0, 99.9, 99.99])
def test_percentile_inverts_the_cumulative_count(kind: str, percent: float) -> None:
    if kind in ("relu", "few"):  # with many zeros, see below
        percent = max(percent, 99.6)
    tensor = oracle.histogram(draw(kind))
    expected = oracle.percentile(tensor, percent)
    assert distribution(tensor).percentile(percent) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["normal", "relu", "silu", "long tail", "uniform"])
def test_percentile_is_that_of_the_values_but_for_a_bins_width(kind: str) -> None:
    values = draw(kind)
    expected = np.quantile(np.abs(values), 0.995)
    assert threshold(values, "percentile", percentile=99.5) == pytest.approx(expected, rel=0.008)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("levels", [128, 256])
def test_entropy_equals_the_plain_loop(kind: str, levels: int) -> None:
    tensor = oracle.histogram(draw(kind))
    assert distribution(tensor).entropy(levels) == pytest.approx(
        oracle.entropy(tensor, levels), rel=1e-12
    )


@pytest.mark.parametrize("seed", range(8))
def test_entropy_equals_the_plain_loop_where_most_bins_are_empty(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.uniform(0, 0.3, 4000), rng.uniform(0, 1, 8 + 30 * seed), [1.0]])
    tensor = oracle.histogram(values)
    for levels in (128, 256):
        expected = oracle.entropy(tensor, levels)
        assert distribution(tensor).entropy(levels) == pytest.approx(expected, rel=1e-12)


def test_unsigned_tensors_are_searched_with_twice_the_levels() -> None:
    values = draw("relu", 3)
    tensor = oracle.histogram(values)
    signed, unsigned = (oracle.entropy(tensor, levels) for levels in (128, 256))
    assert signed != unsigned
    assert threshold(values, "entropy") == pytest.approx(signed, rel=1e-12)
    assert threshold(values, "entropy", unsigned=["x"]) == pytest.approx(unsigned, rel=1e-12)


def test_mse_finds_a_threshold_far_below_the_maximum() -> None:
    tensor = oracle.histogram(draw("normal"))
    tensor.counts[:] *= np.uint64(10**7)
    tensor.counts[int(np.searchsorted(oracle.EDGES, 2.0**14))] = 1
    tensor = replace(tensor, maximum=2.0**14)
    known = distribution(tensor)
    scan = np.geomspace(0.5, 2.0**14, 2000)
    found = known.mse(127)
    assert found < 100
    assert known.error(found, 127) <= 1.001 * min(known.error(at, 127) for at in scan)


def test_entropy_clips_a_lonely_outlier() -> None:
    assert threshold(draw("outlier"), "entropy") < 0.1 * threshold(draw("outlier"), "minmax")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("share", "levels"), [(1.0, 127), (0.41, 127), (0.07, 255), (0.41, 3)])
def test_error_is_the_integral_over_the_bins(kind: str, share: float, levels: int) -> None:
    tensor = oracle.histogram(draw(kind))
    at = share * oracle.absmax(tensor)
    expected = oracle.spread_error(tensor, at, levels)
    assert distribution(tensor).error(at, levels) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("kind", ["normal", "relu", "silu", "long tail", "outlier", "uniform"])
@pytest.mark.parametrize("unsigned", [False, True])
def test_mse_finds_the_best_threshold_for_the_values_themselves(kind: str, unsigned: bool) -> None:
    values, levels = np.abs(draw(kind)), 255 if unsigned else 127
    found = threshold(values, "mse", unsigned=["x"] if unsigned else [])
    best = min(
        oracle.squared_error(values, share * values.max(), levels)
        for share in np.geomspace(0.002, 1, 400)
    )
    assert oracle.squared_error(values, found, levels) <= 1.01 * best


def test_known_thresholds_stay_what_they_are() -> None:
    stats = oracle.SimpleNamespace(tensors={"x": rational()})
    found = {name: scales.thresholds["x"] for name, scales in candidates(stats).items()}
    assert found == pytest.approx(GOLDEN, rel=1e-9)


GOLDEN = {
    "minmax": 49.625,
    "entropy": 12.62432861328125,
    "percentile 99.9": 5.642065293621193,
    "percentile 99.99": 12.216442687993073,
    "percentile 99.999": 25.26818843229498,
    "mse": 26.426303654720478,
}

# What must hold for any values --------------------------------------------------------------------

magnitudes = st.floats(2.0**-20, 2.0**20, width=32)
tensors = st.lists(
    magnitudes | magnitudes.map(lambda x: -x) | st.just(0.0), min_size=1, max_size=60
)


@QUICK
@given(tensors, st.integers(-40, 40), st.sampled_from(METHODS))
def test_twice_the_values_are_exactly_twice_the_threshold(values, power, method) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedInputWarning)
        one = threshold(values, method)
        other = threshold(np.float32(values) * np.float32(2.0**power), method)
    assert other == one * 2.0**power


@QUICK
@given(tensors, st.lists(st.floats(0.01, 100), min_size=2, max_size=8))
def test_percentile_grows_with_the_share_and_ends_at_the_maximum(values, percents) -> None:
    tensor = oracle.histogram(values)
    found = [distribution(tensor).percentile(percent) for percent in [*sorted(percents), 100]]
    assert found == sorted(found)
    assert found[-1] == oracle.absmax(tensor)


@QUICK
@given(tensors, st.sampled_from(METHODS), st.booleans())
def test_no_threshold_exceeds_the_maximum_or_vanishes(values, method, unsigned) -> None:
    values = np.abs(np.float32(values)) if unsigned else np.float32(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedInputWarning)
        found = threshold(values, method, unsigned=["x"] if unsigned else [])
    assert found <= np.abs(values).max()
    assert found > 0 or not np.any(values)


@QUICK
@given(tensors)
def test_mse_has_no_larger_error_than_the_maximum(values) -> None:
    histogram = oracle.histogram(values)
    if oracle.absmax(histogram) > 0:
        known = distribution(histogram)
        assert known.error(known.mse(127), 127) <= known.error(oracle.absmax(histogram), 127)


@QUICK
@given(st.sampled_from(KINDS[:-1]), st.integers(0, 1000), st.sampled_from([99.0, 99.9, 99.99]))
def test_mse_beats_minmax_and_percentile_on_the_values(kind, seed, percent) -> None:
    values = draw(kind, seed)
    error = {
        name: oracle.squared_error(values, threshold(values, name, percentile=percent), 127)
        for name in ("mse", "minmax", "percentile")
    }
    assert error["mse"] <= 1.01 * error["minmax"]
    assert error["mse"] <= 1.01 * error["percentile"]


@pytest.mark.parametrize("levels", [128, 256])
def test_entropy_keeps_what_the_levels_represent_exactly(levels: int) -> None:
    counts = np.zeros(32768, np.uint64)
    last = int(np.searchsorted(oracle.EDGES, 4.0))
    counts[:last] = (np.diff(oracle.EDGES)[:last] * 2.0**40).astype(np.uint64)  # uniform
    assert Distribution(counts, np.nextafter(4.0, 0)).entropy(levels) == np.nextafter(4.0, 0)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_keeps_its_magnitude(method: str) -> None:
    for value in (1.0, -0.7310586, 3.1e-2):
        found = threshold(np.full(1000, value), method)
        assert found == pytest.approx(abs(value), rel=0.008)


# Zeros --------------------------------------------------------------------------------------------


def with_zeros(values, zeros: int) -> Distribution:
    tensor = oracle.histogram(values)
    tensor.counts[0] += np.uint64(zeros)
    return distribution(tensor)


def test_zeros_count_for_the_percentile() -> None:
    found = with_zeros(np.linspace(0.5, 1, 10_000), 10_000).percentile(99.9)
    assert found == pytest.approx(1 - 0.5 * 20 / 10_000, rel=1e-3)


@pytest.mark.parametrize(("percent", "clipped"), [(99.99, 0.01), (99.0, 0.01), (90.0, 0.1)])
def test_zeros_do_not_take_a_sparse_tensor_with_them(percent: float, clipped: float) -> None:
    sparse = with_zeros(np.linspace(0.5, 1, 10_000), 10**9)
    assert sparse.percentile(percent) == pytest.approx(1 - clipped / 2, rel=1e-3)


@pytest.mark.parametrize("method", ["entropy", "mse"])
def test_zeros_do_not_move_the_other_thresholds(method: str) -> None:
    values = draw("long tail")
    padded = np.concatenate([values, np.zeros(200_000, np.float32)])
    assert threshold(padded, method) == threshold(values, method)


# Degenerate tensors -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("values", [np.zeros(10), np.zeros(0), np.full(3, np.nan)])
def test_dead_tensors_are_named_and_have_the_smallest_scale(method: str, values) -> None:
    stats = oracle.statistics({"live": draw("normal"), "dead/tensor": values})
    with pytest.warns(DamagedInputWarning) as caught:
        scales = solve(stats, method)
    assert any("no value but zero" in str(w.message) for w in caught)
    assert all("dead/tensor" in str(w.message) for w in caught)
    assert all("live" not in str(w.message) for w in caught)
    assert scales.thresholds["dead/tensor"] == 0
    assert scales.scale("dead/tensor") == 2.0**-14


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("largest", [1e-41, 1e-39, 1e-30, 0.0077])
def test_tiny_tensors_are_named_and_have_the_smallest_scale(method: str, largest: float) -> None:
    values = np.float32(largest) * np.linspace(0, 1, 100, dtype=np.float32)
    with pytest.warns(DamagedInputWarning, match=r"fewer levels: tiny \(up to"):
        scales = solve(oracle.statistics({"tiny": values}), method)
    assert 0 < scales.thresholds["tiny"] <= values.max()
    assert scales.scale("tiny") == 2.0**-14


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    values = np.concatenate([draw("normal"), [np.nan, np.inf, -np.inf]])
    stats = oracle.statistics({"bad": values, "good": draw("normal")})
    with pytest.warns(DamagedInputWarning, match=r"not finite.*: bad \(3 values\)$"):
        scales = solve(stats, "mse")
    assert scales.thresholds["bad"] == scales.thresholds["good"]


def test_a_warning_names_the_first_and_counts_the_rest() -> None:
    stats = oracle.statistics({f"t{i}": np.zeros(1) for i in range(9)})
    with pytest.warns(DamagedInputWarning, match=r": t0, t1, t2, t3, t4 and 4 more$"):
        solve(stats)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maximum": 1e3}, "not in the histogram's last bin"),
        ({"maximum": math.inf}, "must be finite"),
        ({"counts": np.zeros(2048, np.uint64)}, "has 32768 counts, not 2048"),
    ],
)
def test_statistics_at_odds_with_themselves_are_refused(change, message: str) -> None:
    stats = oracle.statistics({"conv1": draw("normal")})
    vars(stats.tensors["conv1"]).update(change)
    with pytest.raises(ValueError, match=f"statistics of conv1: .*{message}"):
        solve(stats)


def test_counts_may_be_read_only() -> None:
    stats = oracle.statistics({"x": draw("normal")})
    before = solve(stats, "mse")
    stats.tensors["x"].counts.flags.writeable = False
    assert solve(stats, "mse") == before
