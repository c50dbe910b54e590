"""What is found out of a machine, of its TensorRT, and of an engine's layers."""

from __future__ import annotations

import json
import platform
import sys
from importlib import metadata

import pytest

import edgert
from edgert import installed
from edgert.builds import environment
from edgert.builds.layers import Layer, from_inspector
from edgert.engines import tensorrt as engines
from edgert.errors import ModelError, UnavailableError

import tensorrt_double
from tensorrt_models import Gpus, small


@pytest.fixture
def network(tmp_path):
    return small(tmp_path / "net.onnx")


# The machine.


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Files of a machine: `machine(driver="570.1", l4t=..., cuda=..., cudnn=...)`."""

    def make(driver=None, l4t=None, cuda=None, cudnn=None):
        library = f"usr/lib/{platform.machine()}-linux-gnu/libcudnn.so"
        texts = {
            "sys/module/nvidia/version": driver,
            "etc/nv_tegra_release": l4t,
            "usr/local/cuda/version.json": cuda,
            f"{library}.{cudnn}": None if cudnn is None else "",
            f"{library}.9": None if cudnn is None else "",
        }
        for name, text in texts.items():
            if text is not None:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(text)
        monkeypatch.setattr(environment, "_ROOT", tmp_path)
        monkeypatch.setattr(installed, "_CUDA_PACKAGES", ())
        monkeypatch.setattr(installed, "_CUDNN_PACKAGES", ())

    return make


def test_a_jetsons_versions(machine, jetson, network):
    machine(
        # Of the display; the GPU's is a part of L4T.
        driver="540.4.0",
        l4t="# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64",
        cuda='{"cuda": {"name": "CUDA SDK", "version": "12.6.11"}}',
        cudnn="9.3.0",
    )
    jetson("10.3.0")
    made = edgert.build(network)
    assert made.manifest.versions == {
        "edgert": edgert.__version__,
        "tensorrt": "10.3.0",
        "cuda": "12.6.11",
        "cudnn": "9.3.0",
        "driver": "L4T 36.4.3",
    }
    assert made.manifest.key.environment["driver"] == "L4T 36.4.3"


def test_versions_that_are_not_found_are_none(machine, jetson, network, monkeypatch):
    machine(driver="570.124.06\n", cuda="{}")
    jetson("10.16.1.11")
    found = edgert.build(network).manifest.versions
    assert (found["driver"], found["cuda"], found["cudnn"]) == ("570.124.06", None, None)
    # A package's own version goes before the system's.
    monkeypatch.setattr(installed, "_CUDA_PACKAGES", ("no-such-package", "numpy"))
    found = edgert.build(network, precision="fp16").manifest.versions
    assert found["cuda"] == metadata.version("numpy")


def test_another_model_of_gpu_with_the_same_capability_is_named(jetson, network, monkeypatch):
    jetson("10.3.0")
    edgert.build(network)
    Gpus(87, name="Orin NX").put_in(monkeypatch)
    with pytest.raises(ModelError, match="does not fit: GPU: built with Orin, found Orin NX"):
        edgert.build(network, on_mismatch="error")


# The package.


@pytest.fixture
def no_package(monkeypatch, tmp_path):
    """A machine without TensorRT; gives its root."""
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(engines, "_ROOT", tmp_path)
    return tmp_path


def test_a_missing_package_comes_with_its_command(no_package, network):
    with pytest.raises(UnavailableError) as caught:
        edgert.build(network)
    assert "package tensorrt not installed; pip install tensorrt" in str(caught.value)
    assert "pip install tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs" in str(caught.value)
    assert engines.state("tensorrt") == "package tensorrt not installed; pip install tensorrt"


def test_a_package_that_the_environment_hides(no_package, monkeypatch):
    """JetPack's own, where a venv was made without --system-site-packages."""
    mine = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = no_package / "usr/lib" / mine / "dist-packages" / "tensorrt"
    folder.mkdir(parents=True)
    reason = engines.state("tensorrt")
    assert str(folder) in reason
    assert "python3 -m venv --system-site-packages" in reason
    assert f"include-system-site-packages = true into {sys.prefix}/pyvenv.cfg" in reason


def test_a_package_for_another_python(no_package):
    (no_package / "usr/lib/python3.8" / "dist-packages" / "tensorrt").mkdir(parents=True)
    assert "is for Python 3.8: use python3.8 -m venv" in engines.state("tensorrt")


def test_stubs_are_no_package(no_package, monkeypatch, tmp_path):
    (tmp_path / "site" / "tensorrt").mkdir(parents=True)
    (tmp_path / "site" / "tensorrt" / "__init__.pyi").touch()
    monkeypatch.delitem(sys.modules, "tensorrt")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    assert engines.state("tensorrt") == "package tensorrt not installed; pip install tensorrt"


def test_a_package_that_does_not_load(no_package, monkeypatch, tmp_path):
    (tmp_path / "site" / "tensorrt").mkdir(parents=True)
    words = "libnvinfer.so.10: cannot open shared object file"
    (tmp_path / "site" / "tensorrt" / "__init__.py").write_text(f"raise ImportError({words!r})")
    monkeypatch.delitem(sys.modules, "tensorrt")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    reason = engines.state("tensorrt")
    assert f"package tensorrt is here but cannot be imported ({words})" in reason


def test_a_package_that_is_too_old(jetson):
    jetson("8.5.2.2")
    assert "package tensorrt is 8.5.2.2; edgert needs 10.3 or later" in engines.state("tensorrt")
    with pytest.raises(ValueError, match="expected 'auto' or one of tensorrt, tensorrt-rtx"):
        engines.binding("tensorrt-lean")


def test_the_log_keeps_what_was_said_while_it_was_recorded(jetson):
    log = engines.Log(jetson("10.3.0"))
    kinds = tensorrt_double.ILogger.Severity
    with log.record() as outer:
        log.sink.log(kinds.ERROR, " one ")
        with log.record() as inner:
            log.sink.log(kinds.WARNING, "two")
            log.sink.log(kinds.VERBOSE, "a million others")
            log.sink.log(kinds.VERBOSE, "Layers:\nName: x")
            log.sink.log(kinds.ERROR, "one")
        log.sink.log(kinds.INFO, "three")
    log.sink.log(kinds.ERROR, "four")
    assert [text for _, text in inner.lines] == ["two", "Layers:\nName: x", "one"]
    assert outer.said("ERROR") == "one"
    assert outer.said("WARNING", "INFO") == "two; three"
    assert log.said("ERROR") == "one; four"


# Layers, as the inspector tells of them.


def entry(**fields):
    return json.dumps({"Layers": [{"Name": "x", **fields}]})


def tensor(words, key="Format/Datatype"):
    return {"Name": "t", "Dimensions": [1, 2], key: words}


@pytest.mark.parametrize(
    ("fields", "precision"),
    [
        ({"Inputs": [tensor("Row major linear FP32")]}, "fp32"),
        ({"Inputs": [tensor("Channel major FP16 format where channel % 4 == 0")]}, "fp16"),
        ({"Inputs": [tensor("Thirty-two wide channel vectorized row major Int8 format.")]}, "int8"),
        ({"Inputs": [tensor("Half", "Datatype")]}, "fp16"),
        ({"Inputs": [tensor("BFloat16", "Datatype")]}, "bf16"),
        ({"Inputs": [tensor("UInt8", "Datatype")]}, "uint8"),
        ({"Inputs": [tensor("Half")], "Weights": {"Type": "Float", "Count": 9}}, "fp32"),
        # INT8 weights of a layer whose input is float are made floats before they are used.
        ({"Inputs": [tensor("Half")], "Weights": {"Type": "Int8", "Count": 9}}, "fp16"),
        ({"Inputs": [tensor("Int8")], "Weights": {"Type": "Int8", "Count": 9}}, "int8"),
        ({"Inputs": [tensor("Int8")], "Weights": {"Type": "Half", "Count": 0}}, "int8"),
        ({"Inputs": [tensor("Int8")], "Constants": [tensor("Int8"), tensor("Float")]}, "int8"),
        ({"Outputs": [tensor("Float")]}, "fp32"),
        ({}, "unknown"),
    ],
)
def test_the_precision_of_a_layer(fields, precision):
    (layer,) = from_inspector(entry(**fields))
    assert layer.precision == precision


def test_layers_of_an_engine_without_details():
    assert from_inspector('{"Layers": ["a + b"]}') == (Layer("a + b", "", "unknown", (), (), ()),)
    for text in ("no json", "[]", '{"Layers": [{}]}', '{"Layers": [3]}'):
        with pytest.raises(ModelError, match="not as TensorRT documents it"):
            from_inspector(text)
