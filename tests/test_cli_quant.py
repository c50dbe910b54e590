"""`edgert quantize` and `edgert sensitivity`: what they write, say and refuse."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnx
import pytest

from edgert.cli import main
from edgert.quant.model.graph import Graph
from edgert.quant.rewrite import equalize
from edgert.work import Work

import flow_models as small


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A detector of four convolutions: three that can be quantized, and the head."""
    return small.detector(tmp_path_factory.mktemp("network") / "small.onnx")


@pytest.fixture(scope="module")
def chained(tmp_path_factory):
    """The same with Relu, so that its channels can be equalized."""
    return small.detector(tmp_path_factory.mktemp("chained") / "chained.onnx", relu=True)


@pytest.fixture(scope="module")
def pose(tmp_path_factory):
    return small.pose(tmp_path_factory.mktemp("pose") / "pose.onnx")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return small.pictures(tmp_path_factory.mktemp("images"))


@pytest.fixture
def progress(monkeypatch):
    """What is done, as the bars show it: [(part, done), ...]."""
    told = []
    monkeypatch.setattr(Work, "update", lambda self, part, done, total: told.append((part, done)))
    return told


def quantize(model, images, out, *more):
    """The report of `edgert quantize`, which has to succeed."""
    report = out.with_suffix(".report.json")
    arguments = ["quantize", model, "--data", images, "-o", out, "--json-report", report, "--quiet"]
    assert main([str(each) for each in (*arguments, *more)]) == 0
    return json.loads(report.read_text())


def test_everything_is_written_and_measured(network, images, tmp_path, capfd):
    out, page = tmp_path / "small.int8.onnx", tmp_path / "small.html"
    arguments = ["quantize", str(network), "--data", str(images), "-o", str(out)]
    more = ["--profile", "onnxruntime", "--report", str(page), "--json-report", "-"]
    assert main([*arguments, *more, "--max-drop", "0", "--max-keep", "0.3"]) == 0
    captured = capfd.readouterr()
    assert "edgert: warning: 6 images, under 500" in captured.err
    report = json.loads(captured.out)
    assert report == json.loads(page.with_suffix(".json").read_text())
    by_name = {row["layer"]: row for row in report["layers"]}
    assert set(by_name) == {"conv0", "conv1", "conv2", "head"}
    assert by_name["head"]["action"] == "float"
    assert by_name["head"]["rank"] is None
    # A budget of nothing keeps what it may: 0.3 of four layers is one.
    kept = [name for name, row in by_name.items() if row["action"] == "float" and row["rank"]]
    assert len(kept) == 1
    assert "rank" in by_name[kept[0]]["reason"]
    assert report["calibration"]["images"] == 6
    assert min(report["outputs"].values()) > 15
    assert report["accuracy"][0]["against"] == "float model"
    # Of ten images two are for tuning, two for measuring; what INT8 does to noise is seen.
    assert (report["calibration"]["tuned"], report["calibration"]["measured"]) == (2, 2)
    assert report["accuracy"][0]["images"] == 2
    assert 0.5 < report["accuracy"][0]["after"] < 1
    assert report["speed"]["after_ms"] > 0
    assert {row["op"] for row in report["speed"]["operators"]} & {"QLinearConv"}
    nodes = onnx.load(str(out)).graph.node
    assert any(node.op_type == "QuantizeLinear" for node in nodes)
    assert "small.int8.onnx" in page.read_text()


def test_a_named_layer_is_kept_and_the_summary_says_so(network, images, tmp_path, capfd):
    out = tmp_path / "o.onnx"
    arguments = ["quantize", str(network), "--data", str(images), "-o", str(out)]
    assert main([*arguments, "--keep", "conv1,conv2", "--profile", "portable"]) == 0
    text = capfd.readouterr().out
    assert "conv1: asked for" in " ".join(text.split())
    assert "conv2: asked for" in text
    assert "1 of 4 in INT8" in text
    assert main([*arguments, "--keep", "none", "--quiet"]) == 0
    assert capfd.readouterr().out == ""


def test_fp16_has_no_calibration(network, images, tmp_path):
    out, data = tmp_path / "o.onnx", tmp_path / "o.json"
    arguments = ["quantize", str(network), "--data", str(images), "-o", str(out)]
    assert main([*arguments, "--profile", "fp16", "--json-report", str(data), "--quiet"]) == 0
    report = json.loads(data.read_text())
    assert report["calibration"] is None
    assert min(report["outputs"].values()) > 40
    assert report["written"]["size_bytes"] < report["model"]["size_bytes"]


def test_fp16_keeps_what_is_named_in_float(network, images, tmp_path, capfd):
    every = quantize(network, images, tmp_path / "all.onnx", "--profile", "fp16")
    kept = quantize(
        network, images, tmp_path / "kept.onnx", "--profile", "fp16", "--keep", "conv1,conv2"
    )
    assert kept["written"]["size_bytes"] > every["written"]["size_bytes"]
    assert min(kept["outputs"].values()) > min(every["outputs"].values())
    arguments = ["quantize", str(network), "--data", str(images), "-o", str(tmp_path / "no.onnx")]
    assert main([*arguments, "--profile", "fp16", "--keep", "conv9", "--quiet"]) != 0
    assert "no node matches 'conv9'; there are " in capfd.readouterr().err
    assert not (tmp_path / "no.onnx").exists()


def test_sensitivity(network, images, tmp_path, capfd):
    picture = tmp_path / "ranking.png"
    arguments = ["sensitivity", str(network), "--data", str(images), "--profile", "portable"]
    assert main([*arguments, "--picture", str(picture), "--json-report", "-"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert [row["rank"] for row in report["layers"]] == [1, 2, 3]
    scores = [row["score"] for row in report["layers"]]
    assert scores == sorted(scores)
    assert report["mode"] == "one-in"
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert main([*arguments, "--one-out", "--top", "1"]) == 0
    assert "and 2 more" in capfd.readouterr().out


def test_a_cache_is_made_and_used(network, images, tmp_path):
    cache, out = tmp_path / "c.npz", tmp_path / "o.onnx"
    arguments = ["quantize", str(network), "--data", str(images), "-o", str(out), "--quiet"]
    arguments += ["--keep", "none", "--profile", "portable", "--cache", str(cache)]
    assert main(arguments) == 0
    first = cache.read_bytes(), out.read_bytes()
    out.unlink()
    assert main([*arguments]) == 0
    assert (cache.read_bytes(), out.read_bytes()) == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quantize", "{network}", "--data", "{images}"], "-o"),
        (["quantize", "{network}", "--data", "{images}", "-o", "{network}"], "the model itself"),
        (["quantize", "{network}", "--data", "{images}", "-o", "{none}/o.onnx"], "no folder"),
        (
            ["quantize", "{network}", "--data", "{images}", "-o", "o.onnx", "--max-drop", "2"],
            "--max-drop is 2.0",
        ),
        (
            ["quantize", "{network}", "--data", "{images}", "-o", "o.onnx", "--audit"],
            "--profile tensorrt",
        ),
        (["sensitivity", "{network}", "--data", "{images}", "--profile", "fp16"], "fp16"),
    ],
)
def test_wrong_use(arguments, message, network, images, tmp_path, capsys):
    names = {"network": network, "images": images, "none": tmp_path / "none"}
    with pytest.raises(SystemExit) as stop:
        main([argument.format(**names) for argument in arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_failures_are_one_line(network, images, tmp_path, capfd):
    out = str(tmp_path / "o.onnx")
    assert main(["quantize", str(network), "--data", str(tmp_path / "no"), "-o", out]) == 1
    assert main(["quantize", str(tmp_path / "no.onnx"), "--data", str(images), "-o", out]) == 1
    arguments = ["quantize", str(network), "--data", str(images), "-o", out]
    assert main([*arguments, "--keep", "nosuch"]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if "warning" not in line]
    assert len(lines) == 3
    assert all(line.startswith("edgert: error: ") for line in lines)
    assert "nosuch" in lines[2]
    assert not (tmp_path / "o.onnx").exists()


@pytest.mark.parametrize("command", ["quantize", "sensitivity", "debug"])
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"edgert {command}" in capsys.readouterr().out.split("example:")[1]


def test_with_annotations_the_budget_is_ap(network, images, tmp_path, capfd):
    pytest.importorskip("pycocotools", reason="pip install 'edgert[eval]'")
    annotations = small.annotate_boxes(tmp_path / "b.json", network, images)
    more = ["--annotations", annotations, "--profile", "portable", "--max-keep", "0.8"]
    report = quantize(network, images, tmp_path / "o.onnx", *more, "--max-drop", "0")
    assert report["search_metric"] == "box AP"
    assert (report["metric"], report["budget"]) == ("sqnr", 0)
    first, last = report["search"][0], report["search"][-1]
    assert 0 <= last["drop"] < first["drop"] < 1
    # Scores are of AP, and the float network's is where score and drop add up to.
    assert first["score"] + first["drop"] == pytest.approx(last["score"] + last["drop"])
    by_name = {row["name"]: row for row in report["accuracy"]}
    assert by_name["box AP"]["against"] == "annotations"
    assert by_name["box AP"]["images"] == 2
    assert 0.5 < by_name["box AP"]["before"] <= 1
    assert by_name["detections in agreement (F1)"]["before"] is None
    # A budget of a whole AP is met with nothing kept.
    loose = quantize(network, images, tmp_path / "o.onnx", *more, "--max-drop", "1")
    assert len(loose["search"]) == 1
    strange = small.pictures(tmp_path / "more", 11)
    arguments = ["quantize", network, "--data", strange, "-o", tmp_path / "o.onnx", *more]
    capfd.readouterr()
    assert main([str(each) for each in arguments]) == 1
    assert "10.png is not among the 10 images of" in capfd.readouterr().err


def test_a_pose_network_from_annotations(pose, images, tmp_path):
    pytest.importorskip("pycocotools", reason="pip install 'edgert[eval]'")
    people = small.annotate_people(tmp_path / "p.json", pose, images, missed=1.0)
    out, page = tmp_path / "o.onnx", tmp_path / "o.html"
    more = ["--annotations", people, "--profile", "tensorrt", "--report", page]
    report = quantize(pose, images, out, *more)
    assert report["search_metric"] == "keypoint AP"
    found = report["calibration"]
    assert (found["images"], found["items"], found["tuned"], found["measured"]) == (6, 12, 2, 2)
    assert found["preprocessing"].startswith("crops")
    assert (found["equalized"], found["corrected"]) == (3, 3)
    by_name = {row["name"]: row for row in report["accuracy"]}
    assert {"keypoint AP", "joints within 5% of the box"} < set(by_name)
    assert abs(by_name["keypoint AP"]["after"] - by_name["keypoint AP"]["before"]) < 0.2
    assert min(report["outputs"].values()) > 20
    text = page.read_text()
    assert "keypoint AP" in text
    assert "images for tuning" in text
    rows = tmp_path / "r.json"
    arguments = ["sensitivity", pose, "--data", images, "--annotations", people]
    assert main([str(a) for a in (*arguments, "--quiet", "--json-report", rows)]) == 0
    ranking = json.loads(rows.read_text())
    assert ranking["metric"] == "keypoint AP"
    # All people of both images for tuning, in one round.
    assert {row["images"] for row in ranking["layers"]} == {4}
    assert all(row["loss"] <= 1 for row in ranking["layers"])


def test_a_pose_network_from_a_detector(pose, model, images, tmp_path):
    report = quantize(pose, images, tmp_path / "o.onnx", "--detector", model("detector", classes=1))
    assert "people: as Pipeline" in report["calibration"]["preprocessing"]
    assert [row["name"] for row in report["accuracy"]] == ["joints within 5% of the box"]


def test_equalization_and_bias_correction_can_be_switched_off(chained, images, tmp_path):
    more = ["--keep", "none", "--profile", "portable"]
    off = ["--no-equalize", "--no-bias-correction"]
    noise = {}
    options = {"both": [], "equalized": off[1:], "corrected": off[:1], "none": off}
    for name, switched_off in options.items():
        report = quantize(chained, images, tmp_path / f"{name}.onnx", *more, *switched_off)
        found = report["calibration"]
        expected = 3 * (name in ("both", "equalized")), 3 * (name in ("both", "corrected"))
        assert (found["equalized"], found["corrected"]) == expected
        # The report speaks of the user's model.
        assert report["model"]["path"] == str(chained)
        noise[name] = np.mean(list(report["outputs"].values()))
    assert len({*noise.values()}) == 4
    assert noise["both"] > noise["none"]


def test_an_equalized_model_lies_beside_the_cache_and_fits_again(chained, images, tmp_path):
    cache = tmp_path / "c.npz"
    more = ["--keep", "none", "--profile", "portable", "--cache", cache]
    quantize(chained, images, tmp_path / "o.onnx", *more)
    (beside,) = tmp_path.glob("c.npz.*.equalized.onnx")
    first = cache.read_bytes(), beside.read_bytes(), (tmp_path / "o.onnx").read_bytes()
    # What was computed anew is the same to the last bit, so the cache would fit without the file.
    beside.unlink()
    quantize(chained, images, tmp_path / "o.onnx", *more)
    assert (cache.read_bytes(), beside.read_bytes(), (tmp_path / "o.onnx").read_bytes()) == first
    quantize(chained, images, tmp_path / "p.onnx", *more[:4])
    assert (tmp_path / "p.onnx").read_bytes() == first[2]


def test_a_cache_of_another_processor_needs_its_equalized_model(
    chained, images, tmp_path, monkeypatch, capfd
):
    """Whose kernels add in another order, so that ranges differ in their last bits."""
    more = ["--keep", "none", "--profile", "portable", "--cache"]
    quantize(chained, images, tmp_path / "o.onnx", *more, tmp_path / "c.npz")
    (beside,) = tmp_path.glob("c.npz.*.equalized.onnx")
    there = tmp_path / "there"
    there.mkdir()
    cache = shutil.copy(tmp_path / "c.npz", there)
    measure = equalize._maxima

    def otherwise(*given):
        return {name: np.nextafter(found, np.inf) for name, found in measure(*given).items()}

    monkeypatch.setattr(equalize, "_maxima", otherwise)
    arguments = ["quantize", chained, "--data", images, "-o", there / "o.onnx", *more, cache]
    capfd.readouterr()
    assert main([str(each) for each in arguments]) == 1
    said = " ".join(capfd.readouterr().err.split())
    assert f"{beside.name}, which lay beside it and is missing" in said
    assert Graph.load(beside).digest in said
    assert sorted(path.name for path in there.iterdir()) == ["c.npz"]
    shutil.copy(beside, there)
    quantize(chained, images, there / "o.onnx", *more, cache)
    assert (there / "c.npz").read_bytes() == (tmp_path / "c.npz").read_bytes()


def test_audit_from_end_to_end(network, images, tmp_path, capfd):
    pytest.importorskip("tensorrt_rtx_bindings", reason="pip install 'edgert[audit]'")
    report = quantize(network, images, tmp_path / "o.onnx", "--profile", "tensorrt", "--audit")
    assert {row["layer"]: row["planned"] for row in report["audit"]}.keys() == {
        "conv0", "conv1", "conv2", "head",
    }  # fmt: skip
    assert all(row["matches"] for row in report["audit"])
    assert "8.6" in report["audit_target"]


def test_faint_layers_keep_their_biases_in_fp16(tmp_path, images):
    pose = small.pose(tmp_path / "faint.onnx", faint=True)
    people = small.annotate_people(tmp_path / "p.json", pose, images)
    more = ["--annotations", people, "--profile", "tensorrt", "--keep", "none", "--no-equalize"]
    report = quantize(pose, images, tmp_path / "o.onnx", *more)
    assert min(report["outputs"].values()) > 50
