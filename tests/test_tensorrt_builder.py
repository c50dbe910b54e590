"""What is said to TensorRT 10 and 11, to a double of their builder: no machine here has them."""

from __future__ import annotations

import struct

import onnx
import pytest

import edgert
from edgert.builds.layers import Layer, LayerTensor
from edgert.builds.manifest import Manifest
from edgert.errors import CalibrationError, ModelError, UnavailableError
from edgert.quant.model.half import to_half
from edgert.quant.statistics.tensorrt_cache import write_tensorrt_cache
from edgert.quant.thresholds.scales import Scales

from audit_models import every_layer, quantized
from tensorrt_models import Gpus, small

VERSIONS = ("10.3.0", "10.16.1.11", "11.4.0.106")


@pytest.fixture
def network(tmp_path):
    return small(tmp_path / "net.onnx")


def config_of(package):
    """Of the only build: the network and the configuration."""
    (built,) = package.built
    return built


@pytest.mark.parametrize("version", VERSIONS)
def test_strongly_typed_on_every_version(version, jetson, network):
    package = jetson(version)
    made = edgert.build(network, precision="fp16")
    network, config = config_of(package)
    assert network.flags == 1 << package.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert config.told == set()
    assert config.int8_calibrator is None
    assert config.pools == {}
    assert config.builder_optimization_level == 3
    assert config.profiling_verbosity == package.ProfilingVerbosity.DETAILED
    assert config.profiles == []
    assert made.manifest.runtime == "tensorrt"
    assert made.manifest.key.environment["version"] == version
    assert made.manifest.key.environment["compute_capability"] == "8.7"
    assert made.manifest.warnings == ("a word of warning",)
    # The loaded engine was asked for its layers.
    tensor = LayerTensor("fp16", (1, 3, 8, 8))
    assert made.manifest.layers == (
        Layer("conv", "CaskConvolution", "fp16", (tensor,), (), ("/a/Conv",)),
    )
    assert edgert.build(made.manifest.model, precision="fp16").cached
    assert len(package.built) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_fp32_is_exact_and_auto_leaves_tf32(jetson, network, version):
    package = jetson(version)
    edgert.build(network)
    assert not edgert.build(network, precision="fp32").cached
    assert [config.cleared for _, config in package.built] == [set(), {"TF32"}]


def test_what_is_asked_for_is_set(jetson, tmp_path):
    package = jetson("10.16.1.11")
    edgert.build(
        small(tmp_path / "pose.onnx", batch="n"),
        max_batch=5,
        workspace_bytes=1 << 28,
        optimization_level=4,
        sparse_weights=True,
        version_compatible=True,
        hardware_compatibility="SAME_COMPUTE_CAPABILITY",
    )
    _, config = config_of(package)
    assert config.told == {"SPARSE_WEIGHTS", "VERSION_COMPATIBLE"}
    assert config.pools == {"WORKSPACE": 1 << 28}
    assert config.builder_optimization_level == 4
    level = package.HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY
    assert config.hardware_compatibility_level == level
    sizes = [tuple(shape[0] for shape in p.shapes["images"]) for p in config.profiles]
    assert sizes == [(1, 1, 1), (2, 2, 2), (3, 4, 4), (5, 5, 5)]


def test_what_a_version_lacks_is_named(jetson, network):
    jetson("10.3.0")
    with pytest.raises(UnavailableError, match=r"TensorRT 10\.3\.0 has no SAME_COMPUTE_CAPABILITY"):
        edgert.build(network, hardware_compatibility="SAME_COMPUTE_CAPABILITY")
    jetson("11.4.0.106")
    with pytest.raises(UnavailableError, match=r"TensorRT 11 removed them.* edgert quantize"):
        edgert.build(network, weakly_typed=True, precision="fp16")


# Weak typing.


def test_weakly_typed_fp16(jetson, network):
    package = jetson("10.3.0")
    made = edgert.build(network, weakly_typed=True, precision="fp16")
    built, config = config_of(package)
    assert built.flags == 0
    assert config.told == {"FP16"}
    assert config.int8_calibrator is None
    assert made.manifest.precision == "fp16"
    assert made.manifest.key.request["half"] is None


def thresholds(text: bytes) -> tuple[str, dict[str, float]]:
    header, *lines = text.decode().splitlines()
    pairs = (line.split(": ") for line in lines)
    return header, {k: 127 * struct.unpack(">f", bytes.fromhex(v))[0] for k, v in pairs}


@pytest.mark.parametrize("kind", ["scales", "mapping", "scales file", "cache file"])
def test_weakly_typed_int8_reads_our_scales(kind, jetson, network, tmp_path):
    package = jetson("10.16.1.11")
    found = {"images": 1.0, "h": 3.5, "dead": 0.0}
    scales = Scales(found, dict.fromkeys(found, "m"), "m")
    scales.save(tmp_path / "scales.json")
    alive = {name: value for name, value in found.items() if value}
    write_tensorrt_cache(tmp_path / "calibration.cache", alive)
    told = {
        "scales": scales,
        "mapping": found,
        "scales file": tmp_path / "scales.json",
        "cache file": tmp_path / "calibration.cache",
    }[kind]
    made = edgert.build(network, weakly_typed=True, precision="int8", calibration=told)
    built, config = config_of(package)
    assert built.flags == 0
    assert config.told == {"FP16", "INT8"}
    calibrator = config.int8_calibrator
    assert calibrator.get_batch_size() == 1
    assert calibrator.get_batch(["images"]) is None
    header, read = thresholds(calibrator.read_calibration_cache())
    assert header == "TRT-101601-EntropyCalibration2"
    assert {name: read[name] for name in alive} == pytest.approx(alive, rel=1e-6)
    if "dead" in read:
        assert read["dead"] == pytest.approx(127 * 2.0**-14)
    assert made.manifest.precision == "int8"
    # Other scales are another engine.
    other = {**found, "h": 3.6}
    assert not edgert.build(network, weakly_typed=True, precision="int8", calibration=other).cached


def test_weakly_typed_int8_wants_scales(jetson, network, tmp_path):
    package = jetson("10.3.0")
    with pytest.raises(ModelError, match=r"takes its scales from calibration= \(--calibration\)"):
        edgert.build(network, weakly_typed=True, precision="int8")
    with pytest.raises(ModelError, match=r"edgert quantize .* or build with weakly_typed=True"):
        edgert.build(network, precision="int8")
    with pytest.raises(ValueError, match="calibration is for weakly_typed=True"):
        edgert.build(network, precision="int8", calibration={"images": 1.0})
    (tmp_path / "text").write_text("no scales")
    with pytest.raises(CalibrationError, match="text: the first line is 'no scales'"):
        edgert.build(network, weakly_typed=True, precision="int8", calibration=tmp_path / "text")
    onnx.save(quantized(every_layer()), str(tmp_path / "pairs.onnx"))
    edgert.build(tmp_path / "pairs.onnx", weakly_typed=True, precision="int8", max_batch=1)
    _, config = config_of(package)
    assert config.told == {"FP16", "INT8"}
    assert config.int8_calibrator is None


# The DLA.


def test_dla_is_weakly_typed_on_10_and_has_one_batch(jetson, tmp_path):
    package = jetson("10.3.0", dla_cores=2)
    path = small(tmp_path / "pose.onnx", batch="n")
    made = edgert.build(path, dla_core=1, precision="fp16", max_batch=4)
    network, config = config_of(package)
    assert network.flags == 0
    assert config.told == {"GPU_FALLBACK", "FP16"}
    assert (config.default_device_type, config.DLA_core) == (package.DeviceType.DLA, 1)
    assert made.manifest.batches == (4,)
    (profile,) = config.profiles
    assert {shape[0] for shape in profile.shapes["images"]} == {4}
    with pytest.raises(UnavailableError, match=r"dla_core is 2, but TensorRT 10\.3\.0 sees 2 DLA"):
        edgert.build(path, dla_core=2)


def test_layers_of_a_dlas_engine_are_read_on_its_core(jetson, network, monkeypatch):
    """Without its core TensorRT does not load it."""
    package = jetson("10.3.0", dla_cores=2)

    class Runtime(package.Runtime):
        DLA_core = -1

        def deserialize_cuda_engine(self, serialized_engine):
            if self.DLA_core == 1:
                return super().deserialize_cuda_engine(serialized_engine)
            return None

    monkeypatch.setattr(package, "Runtime", Runtime)
    assert edgert.build(network, dla_core=1, precision="fp16").manifest.layers
    assert not edgert.build(network, precision="fp16").manifest.layers


def test_dla_is_strongly_typed_on_11(jetson, network):
    package = jetson("11.4.0.106", dla_cores=1)
    made = edgert.build(network, dla_core=0, precision="fp16")
    network, config = config_of(package)
    assert network.flags == 1 << package.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert network.parser_flags == {"ADJUST_FOR_DLA"}
    assert config.told == {"GPU_FALLBACK"}
    assert made.manifest.key.request["half"] is not None


# What the builder measured.


def test_timings_are_kept_for_the_next_build(jetson, network, tmp_path):
    package = jetson("10.3.0")
    edgert.build(network)
    kept = tmp_path / "cache" / "tensorrt-10.3.0.sm8.7.timings"
    assert kept.read_bytes() == b"measured"
    kept.write_bytes(b"measured before")
    edgert.build(network, optimization_level=1)
    assert package.built[1][1].cache.content == b"measured before"
    kept.write_bytes(b"of another GPU")
    edgert.build(network, optimization_level=2)
    assert package.built[2][1].cache.content == b""
    assert kept.read_bytes() == b"measured"


# Failures.

OUT_OF_MEMORY = (
    "[defaultAllocator.cpp::allocateAsync::48] Error Code 1: Cuda Runtime (out of memory)"
)


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (OUT_OF_MEMORY, r"--workspace.*--optimization-level 2.*add swap: sudo fallocate"),
        ("Requested amount of GPU memory (4294967296 bytes) could not be allocated", "add swap"),
        ("Target GPU SM 61 is not supported by this TensorRT release", "compute capability is"),
        ("Error Code 10: Could not find any implementation for node /a/Conv", "raise the worksp"),
        ("Unable to load library: libnvinfer_lean.so.10", "pip install tensorrt-lean"),
    ],
)
def test_what_the_builder_says_gets_its_fix(words, fix, jetson, network, tmp_path):
    jetson("10.3.0", words=words)
    with pytest.raises(ModelError, match=fix) as caught:
        edgert.build(network)
    assert str(caught.value).startswith(f"{network}: TensorRT 10.3.0 cannot build it: ")
    assert str(caught.value).endswith(f"Its words: {words}")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_builder_that_does_not_start(jetson, network):
    words = "CUDA initialization failure with error: 35"
    jetson("11.4.0.106", starts=False, words=words)
    with pytest.raises(UnavailableError, match="does not start: the driver is older than") as why:
        edgert.build(network)
    assert words in str(why.value)


# Where to build.


def test_tensorrt_builds_for_the_gpu_that_is_here(jetson, network, monkeypatch):
    jetson("10.3.0")
    with pytest.raises(ValueError, match=r"'8.6', but TensorRT 10.3.0 builds for .* here, 8.7"):
        edgert.build(network, runtime="tensorrt", compute_capability="8.6")
    Gpus().put_in(monkeypatch)
    with pytest.raises(UnavailableError, match=r"finds none \(libcuda.so.1 not found\)"):
        edgert.build(network)


def test_the_gpu_that_is_named_is_built_on(jetson, network, monkeypatch):
    jetson("10.16.1.11")
    gpus = Gpus(86, 120).put_in(monkeypatch)
    made = edgert.build(network, device="cuda:1")
    assert made.manifest.key.environment["compute_capability"] == "12.0"
    assert gpus.entered == [1]
    assert edgert.build(network).manifest.key.environment["compute_capability"] == "8.6"
    assert gpus.entered == [1, 0]
    assert edgert.build(network).cached
    assert gpus.entered == [1, 0]
    with pytest.raises(UnavailableError, match="finds none"):
        edgert.build(network, runtime="tensorrt", device="cuda:2")
    with pytest.raises(ValueError, match="device is 'gpu', expected"):
        edgert.build(network, device="gpu")


def test_auto_takes_the_one_that_can(jetson, network):
    pytest.importorskip("tensorrt_rtx_bindings", reason="pip install 'edgert[audit]'")
    package = jetson("10.3.0")
    assert edgert.build(network).manifest.runtime == "tensorrt"
    assert edgert.build(network, compute_capability="8.7").cached is False
    ahead = edgert.build(network, compute_capability="8.6")
    assert ahead.manifest.runtime == "tensorrt-rtx"
    assert len(package.built) == 2
    for options, words in (
        ({"dla_core": 0}, "no DLA"),
        ({"hardware_compatibility": "AMPERE_PLUS"}, "compute_capability"),
        ({"version_compatible": True}, "has neither"),
        ({"weakly_typed": True}, "TensorRT-RTX never had them"),
    ):
        with pytest.raises(UnavailableError, match=words):
            edgert.build(network, compute_capability="8.6", **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "fp8"}, "precision is 'fp8', expected one of auto, fp32, fp16, int8"),
        ({"optimization_level": 6}, "optimization_level is 6, expected 0 to 5"),
        ({"max_batch": 0}, "max_batch is 0, expected at least 1"),
        ({"workspace_bytes": 0}, "workspace_bytes is 0"),
        ({"dla_core": -1}, "dla_core is -1, expected at least 0"),
        ({"hardware_compatibility": "ALL"}, "hardware_compatibility is 'ALL', expected one of"),
        ({"on_mismatch": "ignore"}, "on_mismatch is 'ignore', expected 'rebuild' or 'error'"),
        ({"runtime": "openvino"}, "runtime is 'openvino', expected 'auto' or one of"),
        ({"shapes": {"image": (1, 3, 8, 8)}}, "shapes names 'image'; the model has images"),
        ({"shapes": {"images": (4, 3, 16, 16)}}, r"\(4, 3, 16, 16\), which does not fit the model"),
        ({"shapes": {"images": (1, 3, 16)}}, r"does not fit the model's \(1, 3, 16, 16\)"),
    ],
)
def test_wrong_options_are_named(options, words, jetson, network):
    jetson("10.3.0")
    with pytest.raises(ValueError, match=words):
        edgert.build(network, **options)


def test_a_manifest_comes_back_whole(jetson, network, tmp_path):
    jetson("10.3.0")
    made = edgert.build(network, output=tmp_path / "net.engine")
    assert Manifest.load(tmp_path / "net.engine") == made.manifest
    assert "layers" not in repr(made)


def test_half_is_what_the_model_says(jetson, network, tmp_path):
    jetson("11.4.0.106")
    onnx.save(to_half(onnx.load(network)), str(tmp_path / "half.onnx"))
    made = edgert.build(tmp_path / "half.onnx")
    assert (made.manifest.precision, made.manifest.key.request["half"]) == ("fp16", None)
