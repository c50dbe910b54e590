"""`edgert inspect`: models, engines that load here, and engines that do not."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import edgert
from edgert.cli import main
from edgert.errors import ModelError
from edgert.inspection import inspect
from fake_gpu import needs_fake_gpu
from tensorrt_runtime_double import double, write_engine

from audit_models import LAYERS, every_layer, quantized

needs_builder = pytest.mark.skipif(
    edgert.backends()["tensorrt-rtx"].startswith("package"), reason="pip install 'edgert[audit]'"
)


@pytest.mark.parametrize(("dtype", "name"), [(np.float32, "fp32"), (np.float16, "fp16")])
def test_a_model(model, dtype, name):
    path = model("pose", dtype=dtype, metadata=(("edgert.cells", "center"),))
    found = inspect(path)
    assert (found.format, found.precision) == ("onnx", name)
    assert found.file_bytes == path.stat().st_size
    assert [str(spec) for spec in found.inputs] == [f"images (?, 3, 64, 48) {np.dtype(dtype)}"]
    assert [str(s) for s in found.outputs] == [f"heatmaps (?, 17, 16, 12) {np.dtype(dtype)}"]
    assert [(layer.kind, layer.precision) for layer in found.layers] == [
        ("Conv", name),
        ("AveragePool", name),
        ("Add", name),
    ]
    assert found.counts == {name: 3}
    assert found.left_in_fp32 == ()
    assert found.parameters == 17 * 3 + 17
    assert found.facts["opset"] == "ai.onnx 17"
    assert found.metadata == {"edgert.cells": "center"}
    assert found.remarks == ()


def test_a_quantized_model(tmp_path):
    import onnx

    path = tmp_path / "q.onnx"
    onnx.save(quantized(every_layer(), keep=["/dense/Gemm"]), path)
    found = inspect(path)
    precisions = {layer.name: layer.precision for layer in found.layers if layer.kind in LAYERS}
    in_float = {"/dense/Gemm", "/attention/MatMul"}
    assert found.precision == "int8"
    assert precisions == {n: "fp32" if n in in_float else "int8" for n in precisions}
    assert found.facts["multiplying"] == "6 int8, 2 fp32"
    assert not {"QuantizeLinear", "DequantizeLinear"} & {layer.kind for layer in found.layers}
    left = [layer.name for layer in found.left_in_fp32]
    assert left == [layer.name for layer in found.layers if precisions.get(layer.name) != "int8"]


def test_without_the_package_onnx(model, monkeypatch):
    path = model("pose", metadata=(("task", "pose"),))
    monkeypatch.setitem(sys.modules, "onnx", None)
    found = inspect(path)
    assert [str(spec) for spec in found.inputs] == ["images (?, 3, 64, 48) float32"]
    assert found.metadata == {"task": "pose"}
    assert (found.layers, found.precision) == ((), None)
    assert "pip install 'edgert[quant]'" in found.remarks[0]


def test_external_data_counts(tmp_path, model):
    import onnx

    path = tmp_path / "a.onnx"
    made = onnx.load(model("detector"))
    onnx.save(made, path, save_as_external_data=True, location="a.data", size_threshold=0)
    assert inspect(path).file_bytes == path.stat().st_size + (tmp_path / "a.data").stat().st_size


@pytest.fixture(scope="module")
def built(model, tmp_path_factory):
    """An engine of the true builder for a GPU that is not here, and its model."""
    folder = tmp_path_factory.mktemp("engines")
    onnx = shutil.copy(model("pose", metadata=(("names", "{0: 'x'}"),)), folder / "pose.onnx")
    return edgert.build(
        onnx,
        precision="fp16",
        runtime="tensorrt-rtx",
        compute_capability="8.6",
        max_batch=2,
        optimization_level=0,
        output=folder / "pose.engine",
        cache=False,
    )


@needs_builder
def test_an_engine_that_cannot_be_loaded_here(built):
    found = inspect(built)
    assert (found.format, found.precision) == ("tensorrt-rtx", "fp16")
    assert found.file_bytes == built.path.stat().st_size
    assert found.facts["built with"].startswith("TensorRT-RTX 1.")
    assert found.facts["compute capability"] == "8.6"
    assert found.facts["header"] == "none"
    assert found.profiles == ("batch 1", "batch 2")
    assert found.layers_from == "its manifest"
    assert found.counts.get("fp16", 0) > 0
    assert found.metadata == {"names": "{0: 'x'}"}
    assert [str(spec) for spec in found.inputs] == ["images (?, 3, 64, 48) float32"]
    assert any("not loaded: " in remark for remark in found.remarks)
    assert any("those of its model" in remark for remark in found.remarks)


@needs_builder
def test_a_model_that_has_changed_since_tells_nothing_of_the_engine(built, model):
    onnx = Path(built.manifest.model)
    before = onnx.read_bytes()
    try:
        onnx.write_bytes(model("detector").read_bytes())
        assert inspect(built).inputs is None
        onnx.unlink()
        assert inspect(built).inputs is None
    finally:
        onnx.write_bytes(before)


@needs_builder
def test_an_engine_alone(built, tmp_path):
    path = tmp_path / "alone.plan"
    names = json.dumps({"names": {"0": "person"}, "task": "detect"}).encode()
    path.write_bytes(len(names).to_bytes(4, "little") + names + built.path.read_bytes())
    found = inspect(path)
    assert (found.inputs, found.outputs, found.precision, found.layers) == (None, None, None, ())
    assert found.facts["compute capability"] == "8.6"
    assert found.facts["header"] == f"Ultralytics', {4 + len(names)} bytes"
    assert found.metadata == {"names": "{0: 'person'}", "task": "detect"}


@needs_builder
def test_a_manifest_that_is_not_the_engines(built, tmp_path):
    path = tmp_path / "a.engine"
    shutil.copy(f"{built.path}.json", f"{path}.json")
    path.write_bytes(b"\2\0\0\0{}" + built.path.read_bytes())
    found = inspect(path)
    assert found.precision is None
    assert any("the manifest of another engine" in remark for remark in found.remarks)
    Path(f"{path}.json").write_text("[]")
    assert any("not a manifest" in remark for remark in inspect(path).remarks)


@needs_fake_gpu
def test_an_engine_that_is_loaded(model, tmp_path, monkeypatch):
    from edgert.engines import tensorrt

    def layer(name, words):
        tensor = {"Name": "t", "Dimensions": [1, 17, 16, 12], "Format/Datatype": words}
        said = {"LayerType": "CaskConvolution", "Inputs": [tensor], "Outputs": [tensor]}
        return {"Name": name, "Metadata": f"[ONNX Layer: {name}]", **said}

    layers = [layer("a", "Row major linear FP16 format"), layer("b", "Row major linear FP32")]
    path = write_engine(
        tmp_path / "a.engine",
        model("pose"),
        profiles=[((1, 4), 2)],
        memory_bytes=1000,
        changes={"layers": layers},
    )
    binding, _ = double("tensorrt", "10.3.0")
    monkeypatch.setattr(tensorrt, "binding", lambda runtime: binding)
    found = inspect(path)
    assert found.lane_bytes == 4000
    assert found.layers_from == "the engine"
    assert found.counts == {"fp16": 1, "fp32": 1}
    assert found.profiles == ("1 x 3 x 64 x 48 to 4 x 3 x 64 x 48, at its best at 2 x 3 x 64 x 48",)
    assert [str(spec) for spec in found.outputs] == ["heatmaps (?, 17, 16, 12) float32"]
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.pt", b"x", r"a\.pt: of no known kind, expected a file \.onnx or \.engine"),
        ("a.onnx", b"no model", r"a\.onnx: "),
        ("a.onnx", b"", r"a\.onnx: the file is empty"),
        ("a.engine", b"no engine", r"a\.engine: found b'no e'"),
    ],
)
def test_files_that_are_no_models(tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=text):
        inspect(tmp_path / name)


def test_the_command(model, capsys, tmp_path):
    path = model("pose", dtype=np.float16)
    assert main(["inspect", str(path), "--json-report", str(tmp_path / "r.json")]) == 0
    text = capsys.readouterr().out
    assert f"{path}: ONNX model, 0.0 MB" in text
    assert "  inputs             images (?, 3, 64, 48) float16" in text
    assert "  layers             3 fp16 (from the file)" in text
    assert "AveragePool" not in text
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["inputs"] == [{"name": "images", "dtype": "float16", "shape": [None, 3, 64, 48]}]
    assert report["counts"] == {"fp16": 3}
    assert [layer["kind"] for layer in report["layers"]] == ["Conv", "AveragePool", "Add"]


def test_the_command_with_all_layers_quiet_and_into_a_pipe(model, capfd):
    path = str(model("pose"))
    assert main(["inspect", path, "--layers"]) == 0
    assert "AveragePool" in capfd.readouterr().out
    assert main(["inspect", path, "--quiet"]) == 0
    assert capfd.readouterr().out == ""
    assert main(["inspect", path, "--json-report", "-"]) == 0
    assert json.loads(capfd.readouterr().out)["path"] == path


def test_the_command_tells_what_is_wrong(capsys):
    assert main(["inspect", "missing.engine"]) == 1
    assert "edgert: error: missing.engine: No such file" in capsys.readouterr().err
