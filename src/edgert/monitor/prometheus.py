"""Numbers for Prometheus, in its text format 0.0.4.

Format: prometheus.io/docs/instrumenting/exposition_formats. Names and units follow
prometheus.io/docs/practices/naming: base units, `_total` for what only grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["CONTENT_TYPE", "metrics_text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS = (
    ("edgert_frames_total", "frames", "Frames processed."),
    ("edgert_dropped_frames_total", "dropped_frames", "Frames lost: a live source was faster."),
    ("edgert_skipped_frames_total", "skipped_frames", "Frames and images that were unreadable."),
    ("edgert_dropped_rows_total", "dropped_rows", "Detector rows that were not finite."),
    ("edgert_dropped_heatmaps_total", "dropped_heatmaps", "Heatmaps that were not finite."),
)

_QUANTILES = (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))

_Sample = tuple[str, Mapping[str, str], float]


def metrics_text(stats: Mapping[str, Any], live: Mapping[str, Any], version: str) -> str:
    """All metrics.

    Args:
        stats: `Pipeline.stats()`.
        live: `Feeds.summary()`.
        version: Of edgert.

    Returns:
        The text. What the machine does not say (temperature, throttling) has no line, nor has the
        number of people of a source that has stalled.
    """
    lines: list[str] = []

    def family(name: str, kind: str, text: str, samples: Iterable[_Sample]) -> None:
        rows = [f"{name}{suffix}{_labels(labels)} {value!r}" for suffix, labels, value in samples]
        if rows:
            lines.extend((f"# HELP {name} {text}", f"# TYPE {name} {kind}", *rows))

    def gauge(name: str, text: str, value: float | None) -> None:
        family(name, "gauge", text, [] if value is None else [("", {}, value)])

    family(
        "edgert_build_info",
        "gauge",
        "Always 1; the version is in the label.",
        [("", {"version": version}, 1)],
    )
    for name, key, text in _COUNTERS:
        family(name, "counter", text, [("", {}, stats[key])])
    family(
        "edgert_stage_seconds",
        "summary",
        "Time that a frame spends in a stage; total is from its submission to its result.",
        _stage_samples(stats["stages"]),
    )
    gauge("edgert_frames_per_second", "Frames a second over the last 3 seconds.", live["fps"])
    sources = live["sources"]
    family(
        "edgert_people",
        "gauge",
        "People in the latest frame of a source.",
        [
            ("", {"source": source["name"]}, source["people"])
            for source in sources
            if source["people"] is not None
        ],
    )
    family(
        "edgert_last_frame_timestamp_seconds",
        "gauge",
        "When the latest frame of a source was done, in seconds since 1970.",
        [("", {"source": source["name"]}, source["seen_unix"]) for source in sources],
    )
    gauge("edgert_temperature_celsius", "Hottest thermal zone.", stats["temperature"])
    throttled = stats["throttled"]
    gauge(
        "edgert_throttled",
        "1: the machine has lowered its clock to protect itself since the pipeline was made.",
        None if throttled is None else int(throttled),
    )
    return "\n".join(lines) + "\n"


def _stage_samples(stages: Mapping[str, Mapping[str, float]]) -> Iterable[_Sample]:
    for stage, times_ms in stages.items():
        for quantile, key in _QUANTILES:
            yield "", {"stage": stage, "quantile": quantile}, times_ms[key] / 1000
        yield "_sum", {"stage": stage}, times_ms["mean"] * times_ms["count"] / 1000
        yield "_count", {"stage": stage}, times_ms["count"]


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
