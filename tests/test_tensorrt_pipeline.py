"""Engine and Pipeline with TensorRT: engines, .onnx files that are built, "auto", fallback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgert
from edgert.availability import choose
from edgert.builds.key import Key
from edgert.builds.manifest import Manifest
from edgert.devices import context as edgert_context
from edgert.errors import CacheWarning, FallbackWarning, ModelError, UnavailableError
from fake_gpu import needs_fake_gpu
from tensorrt_runtime_double import double, write_engine
from test_gpu_pipeline import assert_same, frames

pytestmark = needs_fake_gpu

POSE_BUCKETS = [((1, most), most) for most in (1, 2, 4)]


@pytest.fixture
def tensorrt(monkeypatch):
    """TensorRT 10.3.0 is here: the double. What it was wrongly asked fails the test."""
    from edgert.engines import tensorrt as module

    binding, world = double("tensorrt", "10.3.0")

    def find(runtime="auto"):
        if runtime == "tensorrt-rtx":
            raise UnavailableError("package tensorrt-rtx not installed")
        return binding

    monkeypatch.setattr(module, "binding", find)
    yield world
    assert world.violations == []


def manifest(engine: Path, **changes) -> Manifest:
    said = {
        "model": "pose.onnx",
        "precision": "fp16",
        "batches": (1, 2, 4),
        "key": Key({"runtime": "tensorrt"}, {}),
        "versions": {},
        "metadata": {},
        "engine_bytes": engine.stat().st_size,
        "engine_sha256": "",
        "layers": (),
        "warnings": (),
        "seconds": 1.0,
        "built_at": "2026-01-01T00:00:00+00:00",
        **changes,
    }
    made = Manifest(**said)
    made.save(engine)
    return made


@pytest.fixture
def engines(model, tmp_path):
    detector = write_engine(tmp_path / "detector.engine", model("detector"), profiles=[((1, 1), 1)])
    pose = write_engine(tmp_path / "pose.plan", model("pose"), profiles=POSE_BUCKETS)
    return detector, pose


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("graphs", [True, False])
def test_same_people_as_on_the_cpu(tensorrt, model, engines, lanes, graphs):
    source = frames(12, people=3)
    options = {"classes": None, "lanes": lanes}
    with edgert.Pipeline(model("detector"), model("pose"), device="cpu", **options) as pipe:
        wanted = list(pipe.run(source))
    with edgert.Pipeline(*engines, graphs=graphs, **options) as pipe:
        found = list(pipe.run(source))
        text = repr(pipe)
    assert sum(map(len, wanted)) > 12
    for one, other in zip(found, wanted, strict=True):
        assert_same(one, other)
    assert "detector.engine 64x64 float32, tensorrt on cuda:0" in text
    assert "auto: an engine of TensorRT 10.3.0.30" in text
    assert ("replayed as graphs" in text) == graphs


def test_an_engine_says_what_it_takes(tensorrt, engines):
    engine = edgert.Engine(engines[1])
    assert engine.max_batch == 4
    assert engine.lane_bytes == 4 * 4096
    assert repr(engine).endswith("heatmaps (?, 17, 16, 12) float32; 0.0 MB a lane)")
    with pytest.raises(ModelError, match=r"max_batch 5 .* built for at most 4; .*--max-batch 5"):
        edgert.Engine(engines[1], max_batch=5)
    assert edgert.Engine(engines[1], max_batch=3).max_batch == 3


def test_a_lane_has_one_piece_of_memory_for_its_networks(tensorrt, model, tmp_path):
    detector = write_engine(
        tmp_path / "d.engine", model("detector"), profiles=[((1, 1), 1)], memory_bytes=10_000
    )
    pose = write_engine(
        tmp_path / "p.engine", model("pose"), profiles=POSE_BUCKETS, memory_bytes=1_000_000
    )
    with edgert.Pipeline(detector, pose, classes=None, lanes=3) as pipe:
        list(pipe.run(frames(4)))
        assert "; 4.0 MB a lane between the layers" in repr(pipe)
    pieces: dict[int, set[int]] = {}
    for context in tensorrt.contexts:
        for work in context._kept:
            pieces.setdefault(work._stream, set()).add(context._memory[0])
    del pieces[edgert_context(0).intake]  # where the models were looked at
    assert [len(of_lane) for of_lane in pieces.values()] == [1, 1, 1]


def test_an_engine_runs_on_no_cpu(tensorrt, engines):
    with pytest.raises(ValueError, match="'tensorrt' runs on a GPU, but device is 'cpu'"):
        edgert.Engine(engines[0], device="cpu")


@pytest.mark.parametrize("runtime", ["tensorrt-rtx", "onnxruntime"])
def test_an_engine_runs_on_no_other_runtime(tensorrt, engines, runtime):
    with pytest.raises(ModelError, match=rf"TensorRT 10.3.0.30, which runtime '{runtime}' does no"):
        edgert.Engine(engines[0], runtime=runtime)
    assert edgert.Engine(engines[0], runtime="tensorrt", device="cuda:0").why == ""


def test_without_its_tensorrt_an_engine_says_what_is_missing(engines):
    text = r"detector\.engine: an engine of TensorRT 10\.3\.0\.30; runtime 'tensorrt': package"
    with pytest.raises(UnavailableError, match=text):
        edgert.Pipeline(engines[0])


def test_class_names_come_from_the_header_or_the_manifest(tensorrt, model, tmp_path):
    onnx = model("detector", classes=2)
    names = {"names": {"0": "cat", "1": "dog"}}
    path = write_engine(tmp_path / "a.engine", onnx, header=names, profiles=[((1, 1), 1)])
    assert edgert.Pipeline(path, classes=None).class_names == ("cat", "dog")
    path = write_engine(tmp_path / "b.engine", onnx, profiles=[((1, 1), 1)])
    manifest(path, metadata={"names": "{0: 'cow', 1: 'pig'}"})
    assert edgert.Pipeline(path, classes=["cow"]).class_names == ("cow", "pig")
    assert edgert.Engine(path).precision == "fp16"
    with pytest.raises(ValueError, match=r"'int8' was asked for, but .* is fp16, and tensorrt"):
        edgert.Pipeline(path, classes=None, precision="int8")
    edgert.Pipeline(path, classes=None, precision="fp16")


def test_a_manifest_of_another_engine_is_not_used(tensorrt, model, engines):
    path = engines[0]
    manifest(path, engine_bytes=7, metadata={"names": "{}"})
    with pytest.warns(CacheWarning, match="the manifest of another engine; .* used without it"):
        assert edgert.Engine(path).metadata == {}
    Path(f"{path}.json").write_text("{}")
    with pytest.warns(CacheWarning, match="not a manifest that edgert writes"):
        assert edgert.Engine(path).precision is None


def test_what_the_manifest_says_of_its_building_is_heeded(tensorrt, model, engines):
    path = engines[1]
    edgert.Engine(path)
    assert (tensorrt.dla_core, tensorrt.host_code_allowed) == (-1, False)
    manifest(path, key=Key({"dla_core": 1, "version_compatible": True}, {}))
    edgert.Engine(path)
    assert (tensorrt.dla_core, tensorrt.host_code_allowed) == (1, True)


def test_the_dla_core_of_ultralytics_header(tensorrt, model, tmp_path):
    path = write_engine(tmp_path / "a.engine", model("pose"), header={"dla": 0, "task": "pose"})
    edgert.Engine(path)
    assert tensorrt.dla_core == 0


class Builder:
    """In place of `edgert.build`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[dict] = []
        self.failing: Exception | None = None

    def __call__(self, path, **options):
        from edgert.builds.build import Built

        self.asked.append({"name": Path(path).name, **options})
        if self.failing is not None:
            raise self.failing
        engine = self.folder / f"{Path(path).stem}.engine"
        write_engine(engine, Path(path), profiles=POSE_BUCKETS)
        return Built(engine, manifest(engine), False, 1.0)


@pytest.fixture
def builder(monkeypatch, tmp_path):
    from edgert.builds import build

    made = Builder(tmp_path)
    monkeypatch.setattr(build, "build", made)
    return made


def test_an_onnx_file_is_built_where_tensorrt_and_a_gpu_are(tensorrt, builder, model):
    detector, pose = model("detector"), model("pose")
    with edgert.Pipeline(detector, pose, classes=None, precision="fp16") as pipe:
        text = repr(pipe)
        assert len(pipe(frames(1)[0])) > 0
    assert "(auto: a GPU and TensorRT 10.3.0 are here)" in text
    assert [asked["name"] for asked in builder.asked] == [detector.name, pose.name]
    assert all(asked["precision"] == "fp16" for asked in builder.asked)
    assert all(asked["runtime"] == "tensorrt" for asked in builder.asked)
    assert all(asked["device"] == "cuda:0" for asked in builder.asked)


def test_what_build_returns_is_taken_as_a_path(tensorrt, builder, model):
    built = builder(model("pose"))
    assert edgert.Engine(built).path == str(built.path)
    edgert.Pipeline(builder(model("detector")), built, classes=None).close()


def test_a_model_that_tensorrt_does_not_take_is_left_to_onnxruntime(tensorrt, builder, model):
    builder.failing = ModelError("model.onnx: TensorRT does not accept Loop 'body'")
    engine = edgert.Engine(model("pose"))
    assert (engine.network.runtime, engine.network.device) == ("onnxruntime", "cpu")
    assert engine.why == "not by TensorRT: model.onnx: TensorRT does not accept Loop 'body'"
    for asked in ({"runtime": "tensorrt"}, {"precision": "fp16"}):
        with pytest.raises(ModelError, match="does not accept Loop"):
            edgert.Engine(model("pose"), **asked)


def test_networks_on_two_devices_say_why(tensorrt, builder, model, engines):
    builder.failing = ModelError("too large")
    with pytest.raises(ValueError, match=r"pose_\d+.onnx on cpu \(not by TensorRT: too large\)"):
        edgert.Pipeline(engines[0], model("pose"), classes=None)


def test_auto_takes_tensorrt_first_and_says_why(tensorrt):
    assert choose() == ("tensorrt", "cuda:0", "a GPU and TensorRT 10.3.0 are here")
    assert choose("tensorrt", "cuda") == ("tensorrt", "cuda:0", "")
    assert choose("auto", "cpu") == ("onnxruntime", "cpu", "")
    assert edgert.backends()["tensorrt"] == "ok"


def test_auto_leaves_a_gpu_that_rtx_does_not_know(monkeypatch):
    """The fake's is 8.7, a Jetson's."""
    pytest.importorskip("tensorrt_rtx_bindings", reason="pip install 'edgert[audit]'")
    found = choose()
    assert (found.runtime, found.device) == ("onnxruntime", "cpu")
    assert "does not know compute capability 8.7" in found.why
    with pytest.raises(UnavailableError, match=r"RTX 1\.\S+ does not know compute capability 8.7"):
        choose("tensorrt-rtx")
    assert "does not know compute capability 8.7" in edgert.backends()["tensorrt-rtx"]
    with pytest.raises(UnavailableError, match="there is no cuda:7: this machine has 1"):
        choose("tensorrt-rtx", "cuda:7")


def linked(tmp_path, onnx, fallback_onnx, **engine):
    """An INT8 engine with the FP16 one beside it."""
    main = write_engine(tmp_path / "a.int8.engine", onnx, profiles=POSE_BUCKETS, **engine)
    other = write_engine(tmp_path / "a.fp16.engine", fallback_onnx, profiles=POSE_BUCKETS)
    manifest(main, precision="int8", fallback=other.name)
    manifest(other)
    return main, other


@pytest.mark.parametrize("why", ["mismatch", "not finite"])
def test_fallback_to_the_engine_beside_it(tensorrt, model, tmp_path, why):
    good = model("pose")
    if why == "mismatch":
        main, other = linked(tmp_path, good, good, version="10.7.0.23")
        text = r"built with TensorRT 10.7.0.23.*; falling back to .*a\.fp16\.engine"
    else:
        main, other = linked(tmp_path, model("pose", poison=np.nan), good)
        text = r"heatmaps of a grey picture is not finite.*; falling back to .*a\.fp16\.engine"
    with pytest.warns(FallbackWarning, match=text):
        engine = edgert.Engine(main, fallback=True)
    assert (engine.path, engine.precision) == (str(other), "fp16")


def test_a_good_engine_needs_no_fallback(tensorrt, model, tmp_path):
    main, _ = linked(tmp_path, model("pose"), model("pose"))
    assert edgert.Engine(main, fallback=True).path == str(main)


def test_without_fallback_the_error_is_the_engines(tensorrt, model, tmp_path):
    main, other = linked(tmp_path, model("pose"), model("pose"), version="10.7.0.23")
    with pytest.raises(ModelError, match=r"built with TensorRT 10\.7\.0\.23"):
        edgert.Engine(main)
    other.unlink()
    with pytest.raises(ModelError, match=r"built with TensorRT 10\.7\.0\.23"):
        edgert.Engine(main, fallback=True)
