"""The numbers behind the live page: addresses, rates, sources, the text that Prometheus reads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

import edgert
from edgert.monitor import feeds
from edgert.monitor.address import Address, parse_address
from edgert.monitor.feeds import Feeds, Rate
from edgert.monitor.prometheus import metrics_text
from edgert.result import Result

STATS = {
    "stages": {
        "detect": {"count": 4, "mean": 2.5, "p50": 2.0, "p95": 4.0, "p99": 5.0},
        "total": {"count": 3, "mean": 20.0, "p50": 18.0, "p95": 30.0, "p99": 31.0},
    },
    "fps": 24.5,
    "frames": 4,
    "dropped_frames": 7,
    "skipped_frames": 2,
    "dropped_rows": 5,
    "dropped_heatmaps": 6,
    "temperature": 61.5,
    "throttled": True,
}


def result(n: int, index: int = 0) -> Result:
    return Result(
        np.zeros((n, 4), np.float32),
        np.zeros(n, np.float32),
        np.zeros(n, np.int32),
        np.zeros(n, np.int64),
        *(None, None, index, 0.0, (10, 20), "x"),
    )


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


# --- Addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("8000", "127.0.0.1", 8000),
        (":8000", "127.0.0.1", 8000),
        ("0", "127.0.0.1", 0),
        ("65535", "127.0.0.1", 65535),
        ("127.0.0.1:8000", "127.0.0.1", 8000),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("jetson.local:8000", "jetson.local", 8000),
        ("[::1]:8000", "::1", 8000),
        ("[::]:0", "::", 0),
        ("[fe80::1%eth0]:8000", "fe80::1%eth0", 8000),
    ],
)
def test_addresses(text, host, port):
    address = parse_address(text)
    assert address == Address(host, port)
    assert parse_address(str(address)) == address


NO_ADDRESSES = [
    *("", ":", "street", "65536", "-1", "+80", "8000 ", "8_0", "٨٠", "::1:8000", "[::1]", "[x]:80"),
    *("http://localhost:8000", "user@host:80", "a/b:80", "[127.0.0.1]:80", "127.0.0.1:", "[]:80"),
]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match="expected PORT, HOST:PORT"):
        parse_address(text)


# --- Rates and sources ----------------------------------------------------------------------------


@settings(derandomize=True, deadline=None)
@given(
    rate=st.floats(0.5, 500), count=st.integers(2, 2000), start=st.floats(0, 1e6), age=st.just(0.0)
)
def test_a_steady_rate_is_found_and_falls_to_zero(rate, count, start, age):
    meter = Rate()
    assert meter.per_second(start) == 0
    for i in range(count):
        now = start + i / rate
        meter.add(now)
    # In a window of 3 s one event more or less may fall.
    assert meter.per_second(now) == pytest.approx(rate, abs=1 / 3 + 1e-3 * rate)
    assert meter.per_second(now + 1.5) <= rate + 1 / 3 + 1e-3 * rate
    assert meter.per_second(now + 3.01) == 0


def test_one_event_is_no_rate_yet():
    meter = Rate()
    meter.add(5.0)
    assert meter.per_second(5.0) == 0


def test_sources_keep_their_place_and_stalled_ones_have_no_people():
    clock = Clock()
    known = Feeds(clock)
    known.note("b", result(2))
    known.note("a", result(3))
    assert [source["name"] for source in known.summary()["sources"]] == ["b", "a"]
    assert known.summary()["people"] == 5
    clock.now += 9.9
    known.note("a", result(1, index=1))
    assert known.summary()["people"] == 3
    clock.now += 0.2
    summary = known.summary()
    assert [source["people"] for source in summary["sources"]] == [None, 1]
    assert summary["people"] == 1
    assert summary["idle_s"] == pytest.approx(0.2)
    assert known.idle_s() == pytest.approx(0.2)
    assert [feed.name for feed in known.all()] == ["b", "a"]


def test_names_without_end_do_not_fill_the_memory():
    known = Feeds()
    for i in range(1000):
        known.note(f"source {i}", result(1))
    names = [source["name"] for source in known.summary()["sources"]]
    assert len(names) == feeds._MOST_FEEDS
    assert names[0] == "source 0"
    assert names[-1] == "(others)"
    known.note("source 5", result(4, index=9))
    assert known.summary()["sources"][5]["frame"] == 9


# --- Prometheus -----------------------------------------------------------------------------------


def parsed(text: str) -> dict:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for family in families.values():
        assert family.documentation, f"{family.name} has no HELP"
        assert family.type != "unknown", f"{family.name} has no TYPE"
    return families


def live(*names: str, people: int | None = 2) -> dict:
    sources = [{"name": n, "people": people, "seen_unix": 1700000000.5} for n in names]
    return {"fps": 24.98, "people": people or 0, "idle_s": 0.1, "sources": sources}


def value(families: dict, name: str, **labels: str) -> float:
    (found,) = (
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    )
    return found


def test_metrics_as_a_prometheus_parser_reads_them():
    families = parsed(metrics_text(STATS, live("a", "b"), "1.2.3"))
    assert {name: family.type for name, family in families.items()} == {
        "edgert_build_info": "gauge",
        "edgert_frames": "counter",
        "edgert_dropped_frames": "counter",
        "edgert_skipped_frames": "counter",
        "edgert_dropped_rows": "counter",
        "edgert_dropped_heatmaps": "counter",
        "edgert_stage_seconds": "summary",
        "edgert_frames_per_second": "gauge",
        "edgert_people": "gauge",
        "edgert_last_frame_timestamp_seconds": "gauge",
        "edgert_temperature_celsius": "gauge",
        "edgert_throttled": "gauge",
    }
    assert value(families, "edgert_build_info", version="1.2.3") == 1
    assert value(families, "edgert_frames_total") == 4
    assert value(families, "edgert_dropped_frames_total") == 7
    assert value(families, "edgert_skipped_frames_total") == 2
    assert value(families, "edgert_dropped_rows_total") == 5
    assert value(families, "edgert_dropped_heatmaps_total") == 6
    assert value(families, "edgert_frames_per_second") == 24.98
    assert value(families, "edgert_people", source="b") == 2
    assert value(families, "edgert_last_frame_timestamp_seconds", source="a") == 1700000000.5
    assert value(families, "edgert_temperature_celsius") == 61.5
    assert value(families, "edgert_throttled") == 1
    detect = {"stage": "detect"}
    for quantile, seconds in (("0.5", 0.002), ("0.95", 0.004), ("0.99", 0.005)):
        found = value(families, "edgert_stage_seconds", **detect, quantile=quantile)
        assert found == pytest.approx(seconds)
    assert value(families, "edgert_stage_seconds_sum", **detect) == pytest.approx(0.01)
    assert value(families, "edgert_stage_seconds_count", **detect) == 4


def test_what_is_not_known_has_no_line():
    stats = {**STATS, "stages": {}, "temperature": None, "throttled": None}
    families = parsed(metrics_text(stats, live("a", people=None), "1"))
    absent = {"temperature_celsius", "throttled", "people", "stage_seconds"}
    assert not {f"edgert_{name}" for name in absent} & set(families)
    assert "edgert_last_frame_timestamp_seconds" in families
    text = metrics_text(stats, live(), "1")
    assert "edgert_people" not in text


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\\"\n{},= #'), max_size=40)
)
def test_any_name_of_a_source_survives(name):
    families = parsed(metrics_text(STATS, live(name), "1"))
    assert value(families, "edgert_people", source=name) == 2


def test_stats_of_a_pipeline(model, picture):
    with edgert.Pipeline(model("detector"), model("pose")) as pipe:
        known = Feeds()
        for _ in range(5):
            known.note("camera:0", pipe(picture))
        stats = pipe.stats()
        families = parsed(metrics_text(stats, known.summary(), edgert.__version__))
    assert value(families, "edgert_frames_total") == 5
    stages = {s.labels["stage"] for s in families["edgert_stage_seconds"].samples}
    assert stages == set(stats["stages"])
    total = value(families, "edgert_stage_seconds_sum", stage="total")
    assert 0 < total < 60
    assert math.isclose(total, stats["stages"]["total"]["mean"] * 5 / 1000)
