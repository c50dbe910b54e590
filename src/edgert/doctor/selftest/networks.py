"""A small network on every runtime: built, loaded, bound, run, compared, replayed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from edgert import _core
from edgert.availability import choose
from edgert.builds.build import build
from edgert.devices import address_of, context, cuda_state, host_copy
from edgert.doctor.selftest.models import SIZE, write_network
from edgert.doctor.selftest.record import Record, Trial
from edgert.engines import tensorrt
from edgert.engines.base import Array, DeviceNetwork, DeviceTensor, Run
from edgert.engines.onnxruntime import OnnxRuntimeNetwork
from edgert.engines.onnxruntime_cuda import OnnxRuntimeCudaNetwork
from edgert.engines.tensorrt_network import TensorRtNetwork
from edgert.errors import ModelError, UnavailableError
from edgert.models.binding import DeviceBound

__all__ = ["build_engine", "try_networks", "why_not"]

_PRECISIONS = ("fp32", "fp16", "int8")
_ON_GPU = ("load", "bind", "run", "result", "replay")
_BATCH = 2
_REPLAYS = 50
# TensorRT-RTX builds without a GPU too: then for an Ampere card.
_AHEAD = "8.6"
# Largest difference to ONNX Runtime on the CPU with the same file, as a part of the largest value.
# FP32 is computed in TF32 on GPUs that have it, 10 bits a product; an INT8 value that falls on the
# other side of a rounding is off by 1/127 a layer.
_TOLERANCES = {"fp32": 5e-3, "fp16": 1e-2, "int8": 4 / 127}


@dataclass(frozen=True)
class _Case:
    """A model, what goes in, and what ONNX Runtime on the CPU puts out."""

    precision: str
    path: Path
    feed: Array
    wanted: Array


def try_networks(record: Record, folder: Path) -> None:
    """Try every precision on every runtime.

    Args:
        record: Where the steps go.
        folder: For models and engines.
    """
    cases = [case for name in _PRECISIONS if (case := _on_cpu(record, folder, name)) is not None]
    for case in cases:
        _on_cuda(record, case)
    for runtime in tensorrt.RUNTIMES:
        for case in cases:
            _on_tensorrt(record, runtime, case)


def build_engine(path: Path, runtime: str) -> Path:
    """Build for the GPU that is here, or ahead of time where there is none."""
    built = build(
        path,
        runtime=runtime,
        cache=False,
        output=path.with_suffix(f".{runtime}.engine"),
        compute_capability=None if cuda_state() == "ok" else _AHEAD,
        progress=lambda *_: None,
    )
    return built.path


def why_not(runtime: str) -> str:
    """Why a runtime cannot run a model on the GPU here; empty where it can."""
    try:
        choose(runtime, "cuda:0")
    except UnavailableError as error:
        return str(error).partition(": ")[2]
    return ""


def _has_package(runtime: str) -> bool:
    return tensorrt.state(runtime) == "ok"


def _on_cpu(record: Record, folder: Path, precision: str) -> _Case | None:
    path = folder / f"network.{precision}.onnx"
    feed = np.random.default_rng(7).random((_BATCH, 3, *SIZE), np.float32)
    with record.trial(f"onnxruntime:cpu {precision}", ("load", "run")) as trial:

        def load() -> OnnxRuntimeNetwork:
            write_network(path, precision)
            return OnnxRuntimeNetwork(path)

        network = trial.step("load", load)
        images = feed.astype(network.inputs[0].dtype)
        wanted = trial.step("run", lambda: network.infer(images)[0])
        return _Case(precision, path, images, wanted)
    return None


def _on_cuda(record: Record, case: _Case) -> None:
    with record.trial(f"onnxruntime:cuda {case.precision}", _ON_GPU) as trial:
        if reason := why_not("onnxruntime"):
            trial.skip(reason)
        network = trial.step("load", lambda: OnnxRuntimeCudaNetwork(case.path))
        _run(trial, network, case)


def _on_tensorrt(record: Record, runtime: str, case: _Case) -> None:
    with record.trial(f"{runtime} {case.precision}", ("build", *_ON_GPU)) as trial:
        reason = why_not(runtime)
        ahead = cuda_state() != "ok" and runtime == "tensorrt-rtx" and _has_package(runtime)
        if reason and not ahead:
            trial.skip(reason)
        engine = trial.step("build", lambda: build_engine(case.path, runtime))
        target = f" for compute capability {_AHEAD}" if ahead else ""
        trial.say(f"{engine.stat().st_size / 1e3:.0f} kB{target}")
        if ahead:
            trial.skip(reason)
        network = trial.step("load", lambda: TensorRtNetwork(engine))
        _run(trial, network, case)


def _run(trial: Trial, network: DeviceNetwork, case: _Case) -> None:
    """Bind, run, compare, replay."""
    gpu = context(0)
    feed = gpu.empty(case.feed.shape, case.feed.dtype)
    gpu.copy_from(feed, case.feed)
    output = gpu.zeros(case.wanted.shape, case.wanted.dtype)
    spec = network.outputs[0].name

    def bind(stream: int, address: int, addresses: list[int]) -> Run:
        return network.bind_device(
            stream,
            DeviceTensor(case.feed.dtype, case.feed.shape, address),
            [(spec, DeviceTensor(case.wanted.dtype, case.wanted.shape, addresses[0]))],
        )

    enqueue = trial.step("bind", lambda: bind(gpu.intake, address_of(feed), [address_of(output)]))

    def run() -> Array:
        enqueue(_BATCH)
        return host_copy(output, gpu, gpu.intake)

    found = trial.step("run", run)
    told = trial.step("result", lambda: _compare(found, case))
    trial.say(told)
    bound = DeviceBound(
        DeviceTensor(case.feed.dtype, case.feed.shape),
        [DeviceTensor(case.wanted.dtype, case.wanted.shape)],
        [_BATCH],
        bind,
    )
    ms = trial.step("replay", lambda: _replay(gpu, bound))
    trial.say("", ms)


def _compare(found: Array, case: _Case) -> str:
    scale = float(np.abs(case.wanted).max())
    gap = float(np.abs(found.astype(np.float64) - case.wanted).max()) / scale
    told = f"differs by {gap:.1e} of the largest value"
    if not gap <= _TOLERANCES[case.precision]:
        raise ModelError(
            f"{told} from ONNX Runtime on the CPU, expected at most "
            f"{_TOLERANCES[case.precision]:.1e}"
        )
    return told


def _replay(gpu: _core.CudaContext, network: DeviceBound) -> float:
    """Milliseconds a run, replayed from a graph.

    Raises:
        ModelError: The runtime's work cannot be recorded.
    """
    leg = SimpleNamespace(network=network)
    ms, recorded = _core.measure_network(gpu, leg, _BATCH, _REPLAYS)
    if not recorded:
        raise ModelError(
            f"its work cannot be recorded as a graph and is enqueued anew each time, "
            f"{ms:.2f} ms; it runs, but slower than it could"
        )
    return ms
