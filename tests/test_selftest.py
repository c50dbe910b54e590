"""`edgert doctor --selftest`: what passes, where a failure is told, what cannot be tried."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from rich.console import Console

from edgert.cli.selftest import show_selftest
from edgert.doctor.selftest import Record, models, networks, selftest
from edgert.engines import onnxruntime as onnxruntime_engine
from edgert.engines import onnxruntime_cuda, tensorrt
from fake_gpu import needs_fake_gpu

PRECISIONS = ("fp32", "fp16", "int8")


def text_of(record: Record) -> str:
    out = io.StringIO()
    show_selftest(record, Console(file=out, width=80, soft_wrap=True))
    return out.getvalue()


def states(record: Record, subject: str) -> dict[str, str]:
    return {name: step.state for name, step in record.of(subject).items()}


# ---- the record


def test_a_failure_ends_its_trial_and_no_other():
    begun = []
    record = Record(lambda subject, name: begun.append((subject, name)))
    with record.trial("one", ("a", "b", "c")) as trial:
        assert trial.step("a", lambda: 3) == 3
        trial.say("three", 5.0)
        trial.step("b", lambda: 1 / 0)
        raise AssertionError("not reached")
    with record.trial("two", ("a", "b")) as trial:
        trial.skip("not here")
    with record.trial("three", ("a", "b")) as trial:
        trial.step("a", lambda: None)
    assert [(s.subject, s.name, s.state) for s in record.steps] == [
        ("one", "a", "passed"),
        ("one", "b", "failed"),
        ("one", "c", "skipped"),
        ("two", "a", "skipped"),
        ("two", "b", "skipped"),
        ("three", "a", "passed"),
        ("three", "b", "skipped"),
    ]
    assert begun == [("one", "a"), ("one", "b"), ("three", "a")]
    one = record.of("one")
    assert (one["a"].detail, one["a"].ms) == ("three", 5.0)
    assert one["b"].detail == "division by zero"
    assert one["c"].detail == "b failed"
    assert record.to_dict()["failed"] == 1


def test_what_is_wrong_with_the_program_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt), Record().trial("one", ("a",)):
        raise KeyboardInterrupt


# ---- the models


@pytest.mark.parametrize("precision", PRECISIONS)
def test_networks_are_what_they_say(tmp_path, precision):
    path = tmp_path / "network.onnx"
    models.write_network(path, precision)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == kinds.count("Relu") == 3
    assert kinds.count("QuantizeLinear") == (3 if precision == "int8" else 0)
    assert kinds.count("DequantizeLinear") == (6 if precision == "int8" else 0)
    element = model.graph.input[0].type.tensor_type.elem_type
    half, full = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    assert element == (half if precision == "fp16" else full)


def test_precisions_are_of_one_network(tmp_path):
    """And there is enough in its output for a comparison to mean something."""
    feed = np.random.default_rng(1).random((3, 3, *models.SIZE), np.float32)
    found = {}
    for precision in PRECISIONS:
        path = tmp_path / f"{precision}.onnx"
        models.write_network(path, precision)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        images = feed.astype(np.float16) if precision == "fp16" else feed
        found[precision] = session.run(None, {"images": images})[0].astype(np.float64)
    largest = np.abs(found["fp32"]).max()
    assert largest > 0.1
    assert found["fp32"].std() > 0.02 * largest
    assert 0 < np.abs(found["fp16"] - found["fp32"]).max() < 1e-2 * largest
    assert 1e-3 * largest < np.abs(found["int8"] - found["fp32"]).max() < 4 / 127


# ---- where there is no GPU


def command(**environment):
    done = subprocess.run(
        [sys.executable, "-m", "edgert", "doctor", "--selftest", "--json-report", "-"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_a_gpu_it_says_what_was_not_tried():
    report = command(EDGERT_LIBCUDA="/nowhere/libcuda.so.1")
    assert report["can_run"]
    assert report["selftest"]["failed"] == 0
    steps = {(step["subject"], step["name"]): step for step in report["selftest"]["steps"]}
    nowhere = "/nowhere/libcuda.so.1 not found"
    for precision in PRECISIONS:
        assert steps[f"onnxruntime:cpu {precision}", "run"]["state"] == "passed"
        assert steps[f"onnxruntime:cuda {precision}", "replay"]["state"] == "skipped"
        assert steps[f"tensorrt {precision}", "build"]["state"] == "skipped"
        if find_spec("tensorrt_rtx") or find_spec("tensorrt_rtx_bindings"):
            built = steps[f"tensorrt-rtx {precision}", "build"]
            assert built["state"] == "passed"
            assert "compute capability 8.6" in built["detail"]
        assert nowhere in steps[f"tensorrt-rtx {precision}", "load"]["detail"]
    for name in ("load", "run", "result"):
        assert steps["pipeline onnxruntime:cpu", name]["state"] == "passed"
    assert nowhere in steps["pipeline tensorrt", "build"]["detail"]


def test_command_on_what_is_here():
    report = command()
    assert report["selftest"]["failed"] == 0
    assert report["selftest"]["passed"] >= 9


def test_without_the_package_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    record = selftest()
    assert "pip install 'edgert[quant]'" in record.of("onnxruntime:cpu fp32")["load"].detail
    assert record.count("passed") == 0
    assert "FAILED onnxruntime:cpu fp32, load: the selftest makes its models" in text_of(record)


# ---- on the fake driver


@pytest.fixture
def tensorrt_here(monkeypatch):
    """TensorRT 10.3 of tests/tensorrt_runtime_double.py, with a builder that is none."""
    from tensorrt_runtime_double import double, write_engine

    bound, world = double("tensorrt", "10.3.0")
    world.capability = "8.7"
    real = tensorrt.binding

    def binding(runtime="auto"):
        return bound if runtime in ("auto", "tensorrt") else real(runtime)

    def build_engine(path: Path, runtime: str) -> Path:
        assert runtime == "tensorrt"
        buckets = [((1, most), most) for most in (1, 2, 4, 8, 16)]
        return write_engine(path.with_suffix(".engine"), path, runtime, profiles=buckets)

    monkeypatch.setattr(tensorrt, "binding", binding)
    monkeypatch.setattr(networks, "build_engine", build_engine)
    monkeypatch.setattr("edgert.doctor.selftest.pipelines.build_engine", build_engine)
    yield world
    assert world.violations == []


@pytest.fixture
def cuda_provider_here(monkeypatch):
    """ONNX Runtime's CUDA provider, which is ONNX Runtime on the CPU enqueued on the fake."""
    from host_network import HostNetwork

    def make(path, *, ordinal=0, threads=None, tf32=True, **options):
        return HostNetwork(path, **options)

    monkeypatch.setattr(onnxruntime_engine, "cuda_state", lambda: "ok")
    monkeypatch.setattr(networks, "OnnxRuntimeCudaNetwork", make)
    monkeypatch.setattr(onnxruntime_cuda, "OnnxRuntimeCudaNetwork", make)
    return HostNetwork


@needs_fake_gpu
def test_everything_passes_where_all_is_well(tensorrt_here, cuda_provider_here):
    record = selftest()
    assert record.count("failed") == 0, text_of(record)
    on_gpu = {"load", "bind", "run", "result", "replay"}
    for precision in PRECISIONS:
        steps = states(record, f"tensorrt {precision}")
        assert set(steps) == {"build", *on_gpu}
        assert set(steps.values()) == {"passed"}
        steps = states(record, f"onnxruntime:cuda {precision}")
        assert set(steps) == on_gpu
        assert set(steps.values()) == {"passed"}
        assert set(states(record, f"tensorrt-rtx {precision}").values()) == {"skipped"}
    for runtime in ("tensorrt", "onnxruntime:cuda"):
        assert set(states(record, f"pipeline {runtime}").values()) == {"passed"}
    text = text_of(record)
    assert "result: boxes and joints differ by 0.000 px" in text
    assert all(len(line) <= 80 for line in text.splitlines() if ":" not in line[:60])


def expect_failure(record, subject, failed, said):
    steps = record.of(subject)
    names = list(steps)
    at = names.index(failed)
    assert [steps[name].state for name in names[:at]] == ["passed"] * at
    assert steps[failed].state == "failed"
    assert said in steps[failed].detail
    assert {steps[name].detail for name in names[at + 1 :]} <= {f"{failed} failed"}
    assert f"FAILED {subject}, {failed}: " in text_of(record)


def raising(text):
    def work(*_, **__):
        raise RuntimeError(text)

    return work


@needs_fake_gpu
def test_a_build_that_fails(tensorrt_here, monkeypatch):
    monkeypatch.setattr(networks, "build_engine", raising("out of memory"))
    expect_failure(selftest(), "tensorrt fp16", "build", "out of memory")


@needs_fake_gpu
def test_an_engine_that_does_not_load(tensorrt_here):
    tensorrt_here.capability = "8.9"
    record = selftest()
    expect_failure(record, "tensorrt int8", "load", "8.7")
    expect_failure(record, "pipeline tensorrt", "load", "8.7")


@needs_fake_gpu
@pytest.mark.parametrize(
    ("step", "method"), [("bind", "bind_device"), ("load", "__init__"), ("run", "run")]
)
def test_a_network_that_breaks(cuda_provider_here, monkeypatch, step, method):
    if method == "run":
        broken = lambda *_: raising("it broke")  # noqa: E731
        monkeypatch.setattr(cuda_provider_here, "bind_device", broken)
    else:
        monkeypatch.setattr(cuda_provider_here, method, raising("it broke"))
    expect_failure(selftest(), "onnxruntime:cuda fp32", step, "it broke")


@needs_fake_gpu
@pytest.mark.parametrize("precision", PRECISIONS)
def test_results_that_are_a_little_wrong(cuda_provider_here, monkeypatch, precision):
    """By three times what is allowed."""
    tolerance = networks._TOLERANCES[precision]
    real = networks._compare

    def compare(found, case):
        wrong = found + (3 * tolerance * np.abs(case.wanted).max()).astype(found.dtype)
        return real(wrong, case)

    monkeypatch.setattr(networks, "_compare", compare)
    expect_failure(selftest(), f"onnxruntime:cuda {precision}", "result", "differs by")


@needs_fake_gpu
def test_results_that_are_no_numbers(cuda_provider_here, monkeypatch):
    real = networks._compare
    monkeypatch.setattr(networks, "_compare", lambda found, case: real(found * np.nan, case))
    expect_failure(selftest(), "onnxruntime:cuda fp32", "result", "differs by nan")


@needs_fake_gpu
def test_work_that_cannot_be_recorded(cuda_provider_here, monkeypatch):
    real = cuda_provider_here.__init__
    monkeypatch.setattr(
        cuda_provider_here, "__init__", lambda self, path: real(self, path, capturable=False)
    )
    record = selftest()
    expect_failure(record, "onnxruntime:cuda fp16", "replay", "cannot be recorded as a graph")
    expect_failure(record, "pipeline onnxruntime:cuda", "replay", "enqueued step by step, since")


@needs_fake_gpu
def test_a_pipeline_that_finds_something_else(cuda_provider_here, monkeypatch):
    from edgert.doctor.selftest import pipelines

    real = pipelines._pipeline

    def other(detector, pose, runtime, device):
        if device == "cpu":
            return real(detector, pose, runtime, device)
        from edgert.pipeline import Pipeline

        return Pipeline(detector, pose=pose, tracker=None, device=device, score_threshold=0.6)

    monkeypatch.setattr(pipelines, "_pipeline", other)
    expect_failure(selftest(), "pipeline onnxruntime:cuda", "result", "boxes, expected")
