"""`edgert quantize` and `edgert sensitivity`: what they write, say and refuse."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from edgert.cli import main

SIZE, CHANNELS, CLASSES = 64, 16, 4


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A detector of four convolutions: three that can be quantized, and the head."""
    rng = np.random.default_rng(11)
    nodes, constants = [], []

    def constant(name, values):
        constants.append(numpy_helper.from_array(values, name))
        return name

    def convolution(name, source, channels_in, channels_out, stride, kernel):
        shape = (channels_out, channels_in, kernel, kernel)
        spread = np.sqrt(2 / (channels_in * kernel**2))
        weights = constant(f"{name}.w", rng.normal(0, spread, shape).astype(np.float32))
        bias = constant(f"{name}.b", rng.normal(0, 0.1, channels_out).astype(np.float32))
        pads = [kernel // 2] * 4
        inputs = [source, weights, bias]
        nodes.append(
            helper.make_node(
                "Conv", inputs, [f"{name}.out"], name=name, strides=[stride] * 2, pads=pads
            )
        )
        return f"{name}.out"

    tensor = "images"
    for number, (inputs, stride) in enumerate([(3, 4), (CHANNELS, 2), (CHANNELS, 1)]):
        tensor = convolution(f"conv{number}", tensor, inputs, CHANNELS, stride, 3)
        gate, out = f"gate{number}", f"act{number}"
        nodes.append(helper.make_node("Sigmoid", [tensor], [gate], name=gate))
        nodes.append(helper.make_node("Mul", [tensor, gate], [out], name=out))
        tensor = out
    head = convolution("head", tensor, CHANNELS, 4 + CLASSES, 1, 1)
    cells = (SIZE // 8) ** 2
    shape = constant("shape", np.array([-1, 4 + CLASSES, cells], np.int64))
    nodes.append(helper.make_node("Reshape", [head, shape], ["flat"], name="flat"))
    ends = [
        constant(n, np.array([v], np.int64)) for n, v in (("0", 0), ("4", 4), ("9", 99), ("1", 1))
    ]
    nodes.append(helper.make_node("Slice", ["flat", ends[0], ends[1], ends[3]], ["near"], name="b"))
    nodes.append(helper.make_node("Slice", ["flat", ends[1], ends[2], ends[3]], ["raw"], name="s"))
    scale = constant("scale", np.float32(30))
    nodes.append(helper.make_node("Mul", ["near", scale], ["boxes"], name="scaled"))
    nodes.append(helper.make_node("Sigmoid", ["raw"], ["scores"], name="sigmoid"))
    nodes.append(helper.make_node("Concat", ["boxes", "scores"], ["output0"], name="c", axis=1))
    feed = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    out = helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["n", 4 + CLASSES, cells])
    graph = helper.make_graph(nodes, "small", [feed], [out], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path_factory.mktemp("network") / "small.onnx"
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rng = np.random.default_rng(12)
    folder = tmp_path_factory.mktemp("images")
    for number in range(10):
        pixels = rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_everything_is_written_and_measured(network, images, tmp_path, capfd):
    out, page = tmp_path / "small.int8.onnx", tmp_path / "small.html"
    arguments = ["quantize", str(network), "--data", str(images), "-o", str(out)]
    more = ["--profile", "onnxruntime", "--report", str(page), "--json-report", "-"]
    assert main([*arguments, *more, "--max-drop", "0", "--max-keep", "0.3"]) == 0
    captured = capfd.readouterr()
    assert "edgert: warning: 8 images, under 500" in captured.err
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
    assert report["calibration"]["images"] == 8
    assert min(report["outputs"].values()) > 15
    assert report["accuracy"][0]["against"] == "float model"
    # Of ten images two are held out, and what INT8 does to noise in pictures is seen.
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
