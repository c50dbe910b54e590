"""The report: figures from counts, the page, the JSON, the picture, the terminal."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from functools import lru_cache
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgert.errors import SinkError
from edgert.page.markup import tag
from edgert.quant.report import Accuracy, Operator, Report, Speed, make_report, ranking_picture
from edgert.quant.report.content import (
    AuditRow,
    Calibration,
    Histogram,
    LayerRow,
    ModelFile,
    SearchStep,
    Threshold,
)
from edgert.quant.report.figures import bytes_text, decibels, number, percent, plain, ratio
from edgert.quant.report.histograms import clipped_share, make_histogram, rounding_sqnr
from edgert.quant.report.terminal import sensitivity_table, summary
from edgert.quant.statistics.stats import TensorStats

EVIL = "</script><img src=x onerror=alert(1)>&\"'"


def count(values: np.ndarray) -> np.ndarray:
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return np.bincount((bits & 0x7FFFFFFF) >> 16, minlength=32768).astype(np.uint64)


def stats_of(values: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(
        counts=count(values), minimum=float(values.min()), maximum=float(values.max()), nonfinite=0
    )


@lru_cache
def full_report() -> Report:
    rng = np.random.default_rng(5)
    values = rng.laplace(size=20_000).astype(np.float32)
    histograms = tuple(
        make_histogram(
            f"tensor {i} {EVIL}",
            stats_of(values * (i + 1)),
            [("percentile 99.99", 6.0 * (i + 1), 127, True), ("minmax", 9.0, 127, False)],
        )
        for i in range(9)
    )
    layers = (
        LayerRow(f"conv{EVIL}", "Conv", 1, 12.5, -12.5, 12.5, 8, "float", "rank 1", True),
        LayerRow("conv2", "Conv", 2, 30.0, -30.0, 30.0, 2),
        LayerRow("head", "Conv", action="float", reason="head"),
    )
    return Report(
        model=ModelFile(f"in/{EVIL}.onnx", 12_000_000, "ab" * 32),
        written=ModelFile("out.onnx", 3_000_000, "cd" * 32),
        profile="tensorrt",
        command=f"edgert quantize {EVIL}",
        accuracy=(
            Accuracy("box AP", 0.427, 0.424, "annotations", 40),
            Accuracy("agreement", None, 0.95, "float model", 40),
        ),
        outputs={"output0.boxes": 31.0, f"scores{EVIL}": 19.0},
        layers=layers,
        mode="one-in",
        metric="sqnr",
        search=(SearchStep((), 14.0, 0.04, 14.0), SearchStep((layers[0].layer,), 17.0, 0.02, 17.0)),
        histograms=histograms,
        speed=Speed("onnxruntime", "cpu", 2, 30, 92.0, 41.0, (Operator("Conv", 80.0, None),)),
        calibration=Calibration(
            24,
            24,
            "letterbox",
            "ef" * 32,
            "ab" * 32,
            "percentile 99.99",
            (f"24 images{EVIL}",),
            (f"broken{EVIL}",),
        ),
        audit=(AuditRow("conv2", "Conv", "int8", "fp16", False, EVIL),),
        audit_target="compute capability 8.6",
        versions={"edgert": "0.1.0", "numpy": "2.0"},
    )


class Reader(HTMLParser):
    """Takes a page apart, and fails where its tags do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.tags.append((name, dict(attributes)))
        self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.tags.append((name, dict(attributes)))

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


# Figures from the counts.


@settings(max_examples=50, derandomize=True, deadline=None)
@given(
    arrays(np.float32, 400, elements=st.floats(-1e4, 1e4, width=32)),
    st.floats(1e-3, 1e4),
)
def test_clipped_share_is_that_of_the_values_but_for_one_bin(values, threshold):
    magnitudes = np.abs(values).astype(np.float64)
    found = clipped_share(count(values), threshold)
    # A bin is at most 1/128 wide: the truth lies between the shares beyond its two edges.
    assert (magnitudes > threshold * (1 + 1 / 127)).mean() <= found + 1e-12
    assert found <= (magnitudes > threshold * (1 - 1 / 127)).mean() + 1e-12


@pytest.mark.parametrize("levels", [127, 255])
@pytest.mark.parametrize("threshold", [0.5, 3.0, 9.0])
def test_rounding_noise_is_that_of_the_values(threshold, levels):
    rng = np.random.default_rng(8)
    values = np.abs(rng.laplace(size=200_000)).astype(np.float32)
    values[:1000] = 0
    step = threshold / levels
    rounded = np.minimum(np.rint(values / step), levels) * step
    noise = np.mean((values.astype(np.float64) - rounded) ** 2)
    truth = 10 * math.log10(np.mean(values.astype(np.float64) ** 2) / noise)
    assert rounding_sqnr(count(values), threshold, levels) == pytest.approx(truth, abs=0.3)


def test_rounding_noise_where_a_bin_holds_several_levels():
    # From 1 on bins are 1/128 wide, and 1.275 / 255 is 1/200.
    values = np.random.default_rng(9).uniform(1, 1.27, 100_000).astype(np.float32)
    rounded = np.rint(values.astype(np.float64) * 200) / 200
    noise = np.mean((values.astype(np.float64) - rounded) ** 2)
    truth = 10 * math.log10(np.mean(values.astype(np.float64) ** 2) / noise)
    assert rounding_sqnr(count(values), 1.275, 255) == pytest.approx(truth, abs=0.3)


def test_all_of_a_narrow_tensor_is_drawn():
    values = np.random.default_rng(4).uniform(1, 2, 1000).astype(np.float32)
    found = make_histogram("x", stats_of(values), [])
    assert (found.below, found.edges[0], found.edges[-1]) == (0.0, 1.0, 2.0)


def test_a_tensor_that_is_always_zero_has_no_ratio():
    zero = stats_of(np.zeros(10, np.float32))
    found = make_histogram("x", zero, [("minmax", 0.0, 127, True)])
    assert found.zeros == 1.0
    assert found.edges == found.shares == ()
    assert found.sqnr is None
    assert "Always 0." in Report(histograms=(found,)).to_html()


def test_a_saturated_tensor_is_said_to_be_one():
    clip = TensorStats.of_clip(0.0, 6.0)
    found = make_histogram("x", clip, [("clip", 6.0, 127, True)])
    assert (found.minimum, found.maximum, found.shares) == (0.0, 6.0, ())
    page = Report(histograms=(found,)).to_html()
    assert "reaches the end of its own Clip" in page
    assert "Always 0." not in page
    json.loads(Report(histograms=(found,)).to_json())


def test_nothing_was_counted():
    none = SimpleNamespace(
        counts=np.zeros(32768, np.uint64), minimum=math.inf, maximum=-math.inf, nonfinite=3
    )
    found = make_histogram("x", none, [("minmax", 1.0, 127, True)])
    assert (found.minimum, found.maximum, found.zeros) == (None, None, 0.0)
    json.loads(Report(histograms=(found,)).to_json())


def test_the_bins_hold_every_value_once():
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(size=5000) * 10.0**e for e in (-9, -3, 0, 3)])
    found = make_histogram("x", stats_of(np.append(values, 0).astype(np.float32)), [])
    assert len(found.edges) == len(found.shares) + 1
    assert found.below + sum(found.shares) == pytest.approx(1.0)
    assert found.edges[-1] >= np.abs(values).max() > found.edges[-2]
    low, high = found.edges[40], found.edges[41]
    inside = (np.abs(values.astype(np.float32)) >= low) & (np.abs(values.astype(np.float32)) < high)
    assert found.shares[40] == pytest.approx(inside.sum() / 20_001)
    # Nothing that matters is left of it: what is cut off is a 30,000th of the largest.
    assert found.edges[0] < found.maximum / 2**14


def test_the_largest_float_is_no_trouble():
    values = np.array([1.0, np.finfo(np.float32).max], np.float32)
    found = make_histogram("x", stats_of(values), [("minmax", float(values[1]), 127, True)])
    assert math.isfinite(found.edges[-1])
    assert found.thresholds[0].clipped == 0.0
    json.loads(Report(histograms=(found,)).to_json())


def test_the_largest_value_itself_is_not_clipped():
    values = np.array([0.1, 0.7, -1.2345], np.float32)
    found = make_histogram(
        "x", stats_of(values), [("minmax", float(np.float32(1.2345)), 127, True)]
    )
    assert found.thresholds[0].clipped == 0.0


# The page.


def test_every_name_is_text():
    page = Reader(full_report().to_html())
    assert {name for name, _ in page.tags} & {"img", "script", "iframe", "link", "object"} == set()
    assert EVIL in page.text
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)


def test_the_page_needs_nothing_but_itself():
    html = full_report().to_html()
    page = Reader(html)
    for _, attributes in page.tags:
        for key in ("href", "src"):
            assert attributes.get(key, "#").startswith(("#", "data:"))
    assert not re.search(r"@import|url\(", html)


def test_the_page_says_what_is_in_the_report():
    text = Reader(full_report().to_html()).text
    for wanted in (
        "-0.0030", "0.4270 → 0.4240", "19.0 dB", "1 of 3", "2.24×", "4.00×", "12.5 dB", "head",
        "not how good the model is", "17.0", "percentile 99.99", "compute capability 8.6",
        "Not built as planned: 1 of 1", "edgert quantize",
    ):  # fmt: skip
        assert wanted in text, wanted


@pytest.mark.parametrize("left_out", [field.name for field in dataclasses.fields(Report)])
def test_any_part_may_be_missing(left_out):
    default = next(f for f in dataclasses.fields(Report) if f.name == left_out)
    empty = default.default_factory() if default.default is dataclasses.MISSING else default.default
    report = dataclasses.replace(full_report(), **{left_out: empty})
    page = Reader(report.to_html())
    anchors = {attributes["id"] for name, attributes in page.tags if name == "section"}
    links = {attributes["href"][1:] for name, attributes in page.tags if name == "a"}
    assert links == anchors
    json.loads(report.to_json())
    str(summary(report))


@pytest.mark.parametrize("only", [field.name for field in dataclasses.fields(Report)])
def test_any_part_may_be_alone(only):
    report = Report(**{only: getattr(full_report(), only)})
    Reader(report.to_html())
    json.loads(report.to_json())


def test_an_empty_report_is_a_page():
    assert "Quantization" in Reader(Report().to_html()).text


def test_no_claim_of_float_layers_where_there_are_none():
    report = dataclasses.replace(full_report(), layers=(LayerRow("a", "Conv", 1, 9.0, -9.0, 9.0),))
    text = Reader(report.to_html()).text
    assert "No layer is kept in float by choice." in text
    assert "Orange" not in text


def test_no_claim_of_a_ranking_where_nothing_was_measured():
    report = Report(layers=(LayerRow("a", "Conv", action="float", reason="asked for", kept=True),))
    text = Reader(report.to_html()).text
    assert "Kept by choice: 1 of 1" in text
    assert "Sensitivity" not in text
    assert "A bar" not in text


def test_figures_that_are_not_finite_are_shown_as_none():
    report = dataclasses.replace(
        full_report(),
        outputs={"a": math.inf, "b": math.nan, "c": -math.inf},
        layers=(LayerRow("a", "Conv", 1, math.nan, math.nan, math.inf, 2),),
    )
    page = Reader(report.to_html())
    assert "nan" not in page.text.lower()
    content = json.loads(report.to_json())
    assert content["outputs"] == {"a": None, "b": None, "c": None}
    assert content["layers"][0]["score"] is None


# The JSON.


def test_json_has_its_keys_in_order():
    content = json.loads(full_report().to_json())
    names = [field.name for field in dataclasses.fields(Report)]
    assert list(content) == ["format", "version", *names]
    assert list(content["layers"][0]) == [field.name for field in dataclasses.fields(LayerRow)]
    assert list(content["histograms"][0]) == [f.name for f in dataclasses.fields(Histogram)]
    assert list(content["histograms"][0]["thresholds"][0]) == [
        field.name for field in dataclasses.fields(Threshold)
    ]
    assert content["layers"][0]["layer"] == f"conv{EVIL}"
    assert full_report().to_json() == full_report().to_json()


def test_plain_values():
    given_ = {
        "a": np.float32(0.5),
        "b": np.int64(3),
        "c": (math.inf, -0.0),
        "d": {"z", "y"},
        1: None,
    }
    assert plain(given_) == {"a": 0.5, "b": 3, "c": [None, -0.0], "d": ["y", "z"], "1": None}


def test_saved_as_page_and_json(tmp_path):
    page, data = full_report().save(tmp_path / "new" / "r.html")
    assert (page.name, data.name) == ("r.html", "r.json")
    assert json.loads(data.read_text()) == full_report().to_dict()
    assert full_report().save(tmp_path / "folder")[0] == tmp_path / "folder" / "report.html"


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="file"):
        full_report().save(tmp_path / "file" / "r.html")


# From the objects of a run.


def test_made_from_plan_rows_and_statistics(tmp_path):
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    layer = SimpleNamespace
    plan = SimpleNamespace(
        profile="onnxruntime",
        layers=(
            layer(name="c1", op="Conv", reason=""),
            layer(name="c2", op="Conv", reason=""),
            layer(name="h", op="Conv", reason="head"),
        ),
        kept={"c2": "asked for"},
        unsigned=frozenset({"t"}),
        steps=(layer(kept=("c2",), score=20.0, drop=0.01, sqnr=20.0),),
    )
    row = {"op": "Conv", "loss": -1.0, "images": 2, "mode": "one-in"}
    rows = [
        layer(layer="c2", score=10.0, sqnr=10.0, rank=1, action="int8", **row),
        layer(layer="c1", score=20.0, sqnr=20.0, rank=2, action="int8", **row),
    ]
    scales = layer(thresholds={"t": 2.0}, methods={"t": "percentile 99.99"}, method="percentile")
    minmax = layer(thresholds={"t": 3.0}, methods={"t": "minmax"}, method="minmax")
    values = np.abs(np.random.default_rng(1).normal(size=1000)).astype(np.float32)
    statistics = layer(
        tensors={"t": stats_of(values)}, images=2, items=("x", "y"), preprocessing="p",
        data_digest="d", model_digest="m",
    )  # fmt: skip
    report = make_report(
        tmp_path / "a.onnx", tmp_path / "b.onnx", plan=plan, rows=rows, stats=statistics,
        scales=scales, others=[scales, minmax],
    )  # fmt: skip
    assert [(r.layer, r.rank, r.action, r.reason) for r in report.layers] == [
        ("c2", 1, "float", "asked for"),
        ("c1", 2, "int8", ""),
        ("h", None, "float", "head"),
    ]
    assert [r.layer for r in report.kept] == ["c2"]
    assert report.model.size_bytes == 600
    (found,) = report.histograms
    assert [(t.method, t.value, t.chosen) for t in found.thresholds] == [
        ("percentile 99.99", 2.0, True),
        ("minmax", 3.0, False),
    ]
    # 255 levels, since the plan says that it is never negative.
    assert found.sqnr == rounding_sqnr(statistics.tensors["t"].counts, 2.0, 255)
    assert report.calibration.items == 2


# Picture and terminal.


def test_the_picture_has_a_bar_a_layer_kept_ones_in_orange(tmp_path):
    rows = full_report().layers
    image = ranking_picture(rows, tmp_path / "r.png", title="x")
    pixels = np.asarray(image)
    orange = (pixels == (180, 84, 10)).all(axis=2).sum(axis=1).max()
    blue = (pixels == (120, 168, 208)).all(axis=2).sum(axis=1).max()
    # Amplitudes: 12.5 dB against 30 dB.
    assert orange / blue == pytest.approx(10 ** (17.5 / 20), rel=0.02)
    assert (tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"


def test_picture_failures(tmp_path):
    with pytest.raises(ValueError, match="no layer with a rank"):
        ranking_picture(full_report().layers[2:])
    with pytest.raises(ValueError, match=r"use \.png"):
        ranking_picture(full_report().layers, tmp_path / "r.nothing")
    with pytest.raises(SinkError, match="cannot write"):
        ranking_picture(full_report().layers, tmp_path / "none" / "r.png")


def test_a_long_name_fits_the_picture():
    row = LayerRow("/model" * 200, "Conv", 1, 10.0, -10.0, 10.0)
    assert ranking_picture([row]).size == ranking_picture(full_report().layers[1:2]).size


def shown(renderable) -> str:
    from rich.console import Console

    console = Console(width=160, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_terminal_shows_layer_score_and_action():
    text = shown(sensitivity_table(full_report().layers, top=1))
    assert re.search(r"1 │ conv\S.* │ Conv │ +12.50 │ float", text)
    assert "and 1 more" in text
    assert "head" not in text
    text = shown(summary(full_report()))
    for wanted in ("out.onnx, 3.00 MB, 4.00× smaller", "1 of 3 in INT8", "19.0 dB", "(2.24×)"):
        assert wanted in text


def test_terminal_takes_names_literally():
    rows = [LayerRow("[red]x[/red]", "Conv", 1, 3.0, -3.0, 3.0, 2, "float", "[b]", True)]
    assert "[red]x[/red]" in shown(sensitivity_table(rows))
    assert "[red]x[/red]: [b]" in shown(summary(Report(layers=tuple(rows))))


# The small parts.


def test_markup_is_escaped_once():
    assert tag("td", tag("code", "<a>"), class_='"x"') == (
        '<td class="&quot;x&quot;"><code>&lt;a&gt;</code></td>'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (decibels(math.inf), "equal"),
        (decibels(math.nan), None),
        (decibels(-3.25), "-3.2"),
        (percent(0.00001, 1), "< 0.1 %"),
        (percent(0.0), "0.0 %"),
        (percent(math.nan), None),
        (ratio(3.0, 0.0), None),
        (number(123456.0), "123,456"),
        (number(0.00012345), "0.000123"),
        (bytes_text(1500), "1.5 kB"),
    ],
)
def test_figures(text, expected):
    assert text == expected


def test_making_a_page_imports_no_runtime_and_no_video_library():
    probe = (
        "import sys; from edgert.quant.report import Report; Report().to_html();"
        "print([m for m in ('onnxruntime', 'rich', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
