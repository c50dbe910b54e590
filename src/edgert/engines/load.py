"""Which network runs a file: by what it is called, what was asked for, and what is here."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edgert.availability import Choice, choose
from edgert.engines.base import Network
from edgert.engines.plan_file import is_plan, read_plan_file
from edgert.errors import FallbackWarning, ModelError, UnavailableError

__all__ = ["Providers", "Wanted", "load"]

Providers = Sequence[str | tuple[str, dict[str, Any]]]


class Wanted(NamedTuple):
    """What was asked for; `edgert.Engine` explains each."""

    runtime: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    providers: Providers | None = None
    max_batch: int | None = None
    fallback: bool = False


def load(path: Path, wanted: Wanted) -> tuple[Network, str]:
    """A network, and why "auto" took this one; empty where all was named.

    Raises:
        ModelError: The file cannot be loaded.
        UnavailableError: The runtime or device asked for is not here.
        ValueError: It is no name of a runtime or device, or what was asked for excludes each other.
    """
    if wanted.providers is not None:
        from edgert.engines.onnxruntime import OnnxRuntimeNetwork

        return OnnxRuntimeNetwork(path, threads=wanted.threads, providers=wanted.providers), ""
    if is_plan(path):
        return _engine(path, wanted)
    choice = choose(wanted.runtime, wanted.device)
    if choice.runtime == "onnxruntime":
        return _onnxruntime(path, choice, wanted)
    try:
        return _built(path, choice, wanted), choice.why
    except (ModelError, UnavailableError) as error:
        if (wanted.runtime, wanted.precision) != ("auto", "auto"):
            raise
        # A model that TensorRT does not take may be one that ONNX Runtime does, as it is.
        other = choose("onnxruntime", wanted.device)
        network, _ = _onnxruntime(path, other, wanted)
        return network, f"not by TensorRT: {error}"


def _engine(path: Path, wanted: Wanted) -> tuple[Network, str]:
    file = read_plan_file(path)
    if wanted.runtime not in ("auto", file.runtime):
        raise ModelError(
            f"{path}: an engine of {file.builder}, which runtime {wanted.runtime!r} does not run; "
            f"leave runtime out"
        )
    try:
        choice = choose(file.runtime, "cuda:0" if wanted.device == "auto" else wanted.device)
    except UnavailableError as error:
        raise UnavailableError(f"{path}: an engine of {file.builder}; {error}") from error
    why = f"an engine of {file.builder}" if "auto" in (wanted.runtime, wanted.device) else ""
    return _tensorrt(path, choice, wanted), why


def _built(path: Path, choice: Choice, wanted: Wanted) -> Network:
    from edgert.builds.build import build

    built = build(
        path,
        precision=wanted.precision,
        runtime=choice.runtime,
        device=choice.device,
        max_batch=wanted.max_batch,
    )
    return _tensorrt(built.path, choice, wanted)


def _tensorrt(path: Path, choice: Choice, wanted: Wanted) -> Network:
    from edgert.builds.manifest import fallback_of, manifest_path
    from edgert.engines.tensorrt_network import TensorRtNetwork

    ordinal = _ordinal(choice)
    try:
        network = TensorRtNetwork(path, ordinal=ordinal)
        if wanted.fallback:
            network.check()
        return network
    except ModelError as error:
        other = None
        if wanted.fallback and manifest_path(path).exists():
            other = fallback_of(path)
        if other is None:
            raise
        warnings.warn(f"{error}; falling back to {other}", FallbackWarning, stacklevel=2)
        return TensorRtNetwork(other, ordinal=ordinal)


def _onnxruntime(path: Path, choice: Choice, wanted: Wanted) -> tuple[Network, str]:
    from edgert.engines.onnxruntime import OnnxRuntimeNetwork

    if choice.device == "cpu":
        return OnnxRuntimeNetwork(path, threads=wanted.threads), choice.why
    from edgert.engines.onnxruntime_cuda import OnnxRuntimeCudaNetwork

    try:
        network = OnnxRuntimeCudaNetwork(
            path,
            ordinal=_ordinal(choice),
            threads=wanted.threads,
            tf32=wanted.precision != "fp32",
        )
    except UnavailableError as error:
        if wanted.device != "auto":
            raise
        return OnnxRuntimeNetwork(path, threads=wanted.threads), f"no GPU: {error}"
    return network, choice.why


def _ordinal(choice: Choice) -> int:
    from edgert.devices import ordinal_of

    return ordinal_of(choice.device)
