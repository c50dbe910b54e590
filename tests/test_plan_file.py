"""What an engine file says of itself, read without TensorRT; real engines of TensorRT-RTX."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from edgert.engines.plan_file import is_plan, read_plan_file
from edgert.errors import ModelError
from edgert.models import metadata as notes

RTX = "tensorrt_rtx_bindings"


@pytest.fixture(scope="module")
def rtx_engine(model):
    """`rtx_engine("8.6", "8.9")`: bytes of an engine that the true builder made."""
    rtx = pytest.importorskip(RTX, reason="pip install 'edgert[audit]'")
    made: dict[tuple[str, ...], bytes] = {}

    class Quiet(rtx.ILogger):
        def __init__(self) -> None:
            rtx.ILogger.__init__(self)

        def log(self, severity, msg) -> None:
            pass

    log = Quiet()

    def make(*capabilities: str) -> bytes:
        if capabilities not in made:
            builder = rtx.Builder(log)
            network = builder.create_network(0)
            assert rtx.OnnxParser(network, log).parse_from_file(str(model("reid", batch=1)))
            config = builder.create_builder_config()
            config.num_compute_capabilities = len(capabilities)
            for index, name in enumerate(capabilities):
                kind = getattr(rtx.ComputeCapability, "SM" + name.replace(".", ""))
                config.set_compute_capability(kind, index)
            made[capabilities] = bytes(builder.build_serialized_network(network, config))
        return made[capabilities]

    return make


def header(said: dict) -> bytes:
    text = json.dumps(said).encode()
    return struct.pack("<i", len(text)) + text


ULTRALYTICS = {
    "description": "Ultralytics YOLOv8n model",
    "stride": 32,
    "task": "detect",
    "batch": 1,
    "imgsz": [640, 640],
    "names": {"0": "person", "1": "bicycle"},
    "args": {"half": True, "nms": False, "dla": None},
}


@pytest.mark.parametrize("name", ["7.5", "8.0", "8.6", "8.9", "12.0", "12.1"])
def test_a_real_engine_says_for_whom_and_by_whom(rtx_engine, tmp_path, name):
    path = tmp_path / "bare.engine"
    path.write_bytes(rtx_engine(name))
    file = read_plan_file(path)
    assert file.runtime == "tensorrt-rtx"
    assert file.compute_capabilities == (name,)
    assert file.builder == f"TensorRT-RTX {pytest.importorskip(RTX).__version__}"
    assert (file.offset, file.plan_bytes) == (0, path.stat().st_size)
    assert file.metadata == {}
    assert file.plan() == path.read_bytes()


def test_an_engine_for_two_gpus(rtx_engine, tmp_path):
    path = tmp_path / "two.plan"
    path.write_bytes(rtx_engine("8.6", "12.0"))
    assert read_plan_file(path).compute_capabilities == ("8.6", "12.0")


def test_behind_ultralytics_header(rtx_engine, tmp_path):
    path = tmp_path / "yolov8n.engine"
    plan = rtx_engine("8.6")
    path.write_bytes(header(ULTRALYTICS) + plan)
    file = read_plan_file(path)
    assert file.plan() == plan
    assert file.compute_capabilities == ("8.6",)
    assert file.metadata["task"] == "detect"

    class Engine:
        """As the readers of a model's notes see it."""

        path = "yolov8n.engine"
        metadata = file.metadata

    assert notes.value(Engine, "imgsz") == [640, 640]
    assert notes.value(Engine, "names") == {0: "person", 1: "bicycle"}
    assert notes.value(Engine, "args") == {"half": True, "nms": False, "dla": None}


def test_a_plan_of_tensorrt(tmp_path):
    path = tmp_path / "jetson.engine"
    head = struct.pack("<4s4xQQ4B", b"ftrt", 2, 999, 10, 3, 0, 30)
    path.write_bytes(head + bytes(100))
    file = read_plan_file(path)
    assert (file.runtime, file.builder) == ("tensorrt", "TensorRT 10.3.0.30")
    assert file.compute_capabilities == ()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "found b''"),
        (b"ftrt", "damaged: found an engine of 4 bytes"),
        (b"\x08\x08\x12\x07pytorch" + bytes(100), "no engine, or one of a TensorRT before"),
        (header(ULTRALYTICS), "found b'"),
        (header(ULTRALYTICS) + b"ftrt", "damaged: found an engine of 4 bytes"),
        (header(ULTRALYTICS)[:50], "no engine"),
        (struct.pack("<i", -1) + bytes(100), "no engine"),
    ],
)
def test_what_is_no_engine_is_an_error_that_names_the_file(tmp_path, content, text):
    path = tmp_path / "some.engine"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=text) as raised:
        read_plan_file(path)
    assert str(path) in str(raised.value)


def test_half_an_engine(rtx_engine, tmp_path):
    path = tmp_path / "half.engine"
    plan = rtx_engine("8.6")
    path.write_bytes(plan[: len(plan) // 2])
    with pytest.raises(ModelError, match=rf"{len(plan) // 2} bytes, expected {len(plan)};"):
        read_plan_file(path)


def test_headers_that_are_none(rtx_engine, tmp_path):
    """Whatever four bytes a file begins with, they are not followed beyond its end."""
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.engine"
    for size in (0, 3, 4, 5, 39, 40, 41, 4000):
        for length in (0, 1, size, size - 4, 1 << 31):
            noise = rng.integers(0, 256, size, np.uint8).tobytes()
            path.write_bytes(struct.pack("<I", max(length, 0)) + noise)
            with pytest.raises(ModelError):
                read_plan_file(path)
    # Text that is no JSON, or no object, is skipped as one whose notes cannot be read.
    plan = rtx_engine("8.6")
    for text in (b"[1, 2]", b"{not json", b"\xff\xfe"):
        path.write_bytes(struct.pack("<I", len(text)) + text + plan)
        file = read_plan_file(path)
        assert (file.metadata, file.plan()) == ({}, plan)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        read_plan_file(tmp_path / "missing.engine")
    with pytest.raises(ModelError, match="Is a directory"):
        read_plan_file(tmp_path)


def test_what_engines_are_called():
    assert all(map(is_plan, ["a.engine", "b.plan", "c.trt", "D.ENGINE"]))
    assert not any(map(is_plan, ["a.onnx", "engine", "a.engine.json"]))
