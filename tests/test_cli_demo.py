"""`edgert demo`: what it writes, says and refuses, with small networks in place of its own."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

import edgert.demo
from edgert.cli import main
from edgert.demo import networks

import flow_models
import models

FIGURES = ("ap50", "ap", "oks_ap", "hota", "idf1", "id_switches")
KEYS = ("fps", "python_fps", *FIGURES)
EXTRA = ("cv2", "lap", "motrics", "pycocotools")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Networks that find bright places: some of them are people."""
    folder = tmp_path_factory.mktemp("pair")
    models.detector(folder / "detector.onnx", classes=1, size=(96, 160), names=["person"])
    models.pose(folder / "pose.onnx")
    return folder / "detector.onnx", folder / "pose.onnx"


@pytest.fixture(autouse=True)
def small_networks(pair, monkeypatch):
    monkeypatch.setattr(networks, "DETECTOR", pair[0])
    monkeypatch.setattr(networks, "POSE", pair[1])


def demo(folder, *more):
    """The report of `edgert demo`, which has to succeed."""
    path = folder / "report.json"
    arguments = ["demo", "--frames", 6, "--people", 5, "--output", folder, "--json-report", path]
    assert main([str(each) for each in (*arguments, *more)]) == 0
    return json.loads(path.read_text())


def needs_extra():
    for package in EXTRA:
        pytest.importorskip(package, reason="pip install 'edgert[demo]'")


class Page(HTMLParser):
    """Fails on a tag that is not closed; counts elements, keeps what they refer to."""

    VOID = frozenset({"meta", "img", "br", "hr", "input", "link"})

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.references, self.text = [], {}, [], []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, name, attributes):
        self._note(name, attributes)
        if name not in self.VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self._note(name, attributes)

    def _note(self, name, attributes):
        self.found[name] = self.found.get(name, 0) + 1
        self.references += [v for k, v in attributes if k in ("src", "href", "xlink:href")]

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, text):
        self.text.append(text)


def test_everything_is_written(tmp_path, capsys):
    needs_extra()
    report = demo(tmp_path, "--seed", "3")
    for key in KEYS:
        assert isinstance(report[key], float | int), key
    assert report["fps"] > 0
    assert report["python_fps"] > 0
    assert all(0 <= report[key] <= 1 for key in FIGURES if key != "id_switches")
    assert report["boxes_matched"] >= 0.97
    assert (report["seed"], report["frames"], report["people"]) == (3, 6, 5)
    assert report["missing"] == {}
    assert {"detect", "pose", "track"} <= set(report["stages"])
    lines = [json.loads(line) for line in (tmp_path / "demo.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(6))
    assert any(line["people"] for line in lines)

    captured = capsys.readouterr()
    for text in ("times as fast", "OKS-AP", "HOTA", "id switches", "demo.html"):
        assert text in captured.out
    assert captured.err == ""  # no progress in a pipe


def test_the_video_has_every_frame_with_drawings(tmp_path):
    av = pytest.importorskip("av")
    demo(tmp_path, "--quiet")
    with av.open(str(tmp_path / "demo.mp4")) as video:
        frames = [frame.to_ndarray(format="bgr24") for frame in video.decode(video=0)]
    assert [frame.shape for frame in frames] == [(720, 1280, 3)] * 6
    plain = edgert.demo.Scene(1, 5, (720, 1280), 6)[5].image
    # The drawings are of colours that the street has not.
    assert (abs(frames[5].astype(int) - plain) > 60).any(axis=2).sum() > 500


def test_the_page_needs_nothing_but_itself(tmp_path):
    needs_extra()
    demo(tmp_path, "--quiet")
    text = (tmp_path / "demo.html").read_text()
    page = Page(text)
    (video,) = [r for r in page.references if r.startswith("data:video/mp4;base64,")]
    assert base64.b64decode(video.partition(",")[2])[4:8] == b"ftyp"
    assert all(r.startswith(("#", "data:")) for r in page.references)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert page.found["video"] == page.found["svg"] == 1
    assert page.found["tr"] >= 9
    assert len(text) < 4e6


def test_the_page_shows_what_was_measured(tmp_path):
    needs_extra()
    report = demo(tmp_path, "--quiet")
    words = " ".join(Page((tmp_path / "demo.html").read_text()).text)
    for key in ("ap50", "ap", "oks_ap", "hota", "idf1"):
        assert f"{report[key]:.3f}" in words
    assert f"{report['fps']:.1f}" in words
    assert "onnxruntime" in words


def test_the_same_seed_gives_the_same_figures(tmp_path):
    needs_extra()
    reports = [demo(tmp_path, "--quiet", "--seed", seed) for seed in (4, 4, 5)]
    first, again, other = ({key: report[key] for key in FIGURES} for report in reports)
    assert first == again
    assert first != other


def test_int8_adds_figures_of_its_own(tmp_path, monkeypatch, capsys):
    needs_extra()
    pytest.importorskip("onnx", reason="pip install 'edgert[quant]'")
    from edgert.demo.show import quantized

    monkeypatch.setattr(networks, "DETECTOR", flow_models.detector(tmp_path / "detector.onnx"))
    monkeypatch.setattr(networks, "POSE", flow_models.pose(tmp_path / "pose.onnx"))
    monkeypatch.setattr(quantized, "_SCENES", 6)
    report = demo(tmp_path, "--int8")
    assert set(report["int8"]) == {"fps", *FIGURES}
    assert report["int8"]["fps"] > 0
    assert {"detector.int8.onnx", "pose.int8.onnx"} <= {p.name for p in tmp_path.iterdir()}
    captured = capsys.readouterr()
    assert "points lost" in captured.out
    assert captured.err == ""
    assert "points lost" in (tmp_path / "demo.html").read_text()


def test_int8_is_calibrated_on_other_scenes(monkeypatch):
    from edgert.demo.show import quantized

    seeds = []

    class Spy:
        def __init__(self, seed, *_):
            seeds.append(seed)

        def __len__(self):
            return 0

    monkeypatch.setattr(quantized, "Scene", Spy)
    assert list(quantized._images(seed=7)) == []
    assert len(seeds) == len(set(seeds)) == quantized._SCENES
    assert 7 not in seeds


WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
from pathlib import Path
from edgert.demo import networks
networks.DETECTOR, networks.POSE = map(Path, {pair!r})
from edgert.cli import main
raise SystemExit(main(["demo", "--frames", "4", "--people", "3", *{arguments!r}]))
"""


def run_without(missing, pair, *arguments):
    program = WITHOUT.format(
        missing=missing, pair=[str(p) for p in pair], arguments=[str(a) for a in arguments]
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_without_the_extra_it_runs_and_says_what_to_install(pair, tmp_path):
    path = tmp_path / "report.json"
    done = run_without(EXTRA, pair, "--output", tmp_path, "--json-report", path)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(path.read_text())
    assert report["fps"] > 0
    assert [report[key] for key in KEYS[1:]] == [None] * 7
    assert set(report["missing"]) == set(KEYS[1:])
    assert "pip install 'edgert[demo]'" in " ".join(done.stdout.split())
    words = " ".join(Page((tmp_path / "demo.html").read_text()).text)
    assert "pip install 'edgert[demo]'" in words
    assert (tmp_path / "demo.mp4").stat().st_size > 10_000
    assert len((tmp_path / "demo.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("package", "figures"),
    [("pycocotools", ("ap50", "ap", "oks_ap")), ("motrics", ("hota", "idf1", "id_switches"))],
)
def test_each_package_costs_its_own_figures_alone(package, figures, pair, tmp_path):
    needs_extra()
    path = tmp_path / "report.json"
    done = run_without([package], pair, "--output", tmp_path, "--json-report", path)
    assert done.returncode == 0, done.stderr
    report = json.loads(path.read_text())
    assert {key for key in KEYS if report[key] is None} == set(figures)


def test_int8_without_onnx_says_what_to_install(pair, tmp_path):
    done = run_without(["onnx"], pair, "--output", tmp_path, "--int8", "--quiet")
    assert done.returncode == 1
    assert "pip install 'edgert[quant]'" in done.stderr


def test_paths_that_differ_are_not_compared(tmp_path, monkeypatch, capsys):
    needs_extra()
    monkeypatch.setattr("edgert.baseline.agreement.matched_share", lambda pairs: 0.9)
    report = demo(tmp_path)
    assert report["python_fps"] is None
    assert report["boxes_matched"] == 0.9
    assert set(report["missing"]) == {"python_fps"}
    assert "90.0 %, expected 97 %" in " ".join(capsys.readouterr().out.split())


def test_missing_networks_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(networks, "POSE", tmp_path / "nowhere.onnx")
    assert main(["demo", "--output", str(tmp_path)]) == 1
    assert "nowhere.onnx is not there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--frames", "0", "--frames is 0"),
        ("--seed", "-1", "seed: -1"),
        ("--people", "999", "people: 999"),
    ],
)
def test_wrong_use_is_refused(option, value, text, tmp_path, capsys):
    try:
        status = main(["demo", option, value, "--output", str(tmp_path)])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert text in capsys.readouterr().err


def test_an_unwritable_output_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "--frames", "2", "--output", str(tmp_path / "file")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_report_may_lie_in_the_folder_that_is_made(tmp_path):
    folder = tmp_path / "not" / "there"
    assert demo(folder, "--quiet", "--frames", "2")["frames"] == 2


def test_a_report_goes_to_standard_output_alone(tmp_path, capfd):
    arguments = ["demo", "--frames", "2", "--people", "2", "--output", str(tmp_path)]
    assert main([*arguments, "--json-report", "-"]) == 0
    assert json.loads(capfd.readouterr().out)["frames"] == 2


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--help"])
    assert stop.value.code == 0
    assert "edgert demo --seed 7" in capsys.readouterr().out
