"""From an .onnx file to a serialized engine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgert.engines.tensorrt import binding
from edgert.errors import ModelError

__all__ = ["Build", "ParseError", "build", "builder_version", "capabilities"]


class ParseError(ModelError):
    """TensorRT does not accept a node of the model.

    Attributes:
        node: The node's name.
        op: Its operator.
        message: TensorRT's own words.
    """

    def __init__(self, path: str | Path, node: str, op: str, message: str) -> None:
        super().__init__(f"{path}: TensorRT does not accept {op} {node!r}: {message}")
        self.node = node
        self.op = op
        self.message = message


@dataclass(frozen=True)
class Build:
    """What the builder made of a model.

    Attributes:
        table: The builder's own list of the engine's kernels, one a line, with their types.
        seconds: Wall time of parsing and building.
        engine_bytes: Size of the engine.
        warnings: What the builder warned of, each once.
    """

    table: str
    seconds: float
    engine_bytes: int
    warnings: tuple[str, ...]


def builder_version() -> str:
    """For example "TensorRT-RTX 1.7.1.116".

    Raises:
        UnavailableError: The builder is not installed.
    """
    return binding("tensorrt-rtx").title


def capabilities() -> tuple[str, ...]:
    """The compute capabilities that the builder here builds for, such as "8.6".

    Raises:
        UnavailableError: The builder is not installed.
    """
    names = [
        name
        for name in binding("tensorrt-rtx").api.ComputeCapability.__members__
        if name[:2] == "SM"
    ]
    return tuple(f"{name[2:-1]}.{name[-1]}" for name in names)


def build(
    path: str | Path,
    compute_capability: str,
    *,
    batch: int = 1,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Build:
    """Build a strongly typed engine of a model on this machine's CPU, and keep what is known of it.

    Nothing is printed: what the builder says goes into the result.

    Args:
        path: The .onnx file; external data beside it.
        compute_capability: Of the GPU that the engine is for, one of `capabilities()`.
        batch: The largest batch of inputs whose first size is open; the least is 1.
        shapes: By name, the shape of inputs with other open sizes.

    Raises:
        UnavailableError: The builder is not installed.
        ParseError: It does not accept a node of the model.
        ModelError: It cannot build the model, or a size of an input is open.
        ValueError: It does not know the compute capability.
    """
    bound = binding("tensorrt-rtx")
    rtx = bound.api
    known = capabilities()
    if compute_capability not in known:
        raise ValueError(
            f"compute_capability is {compute_capability!r}; {builder_version()} builds for "
            f"{', '.join(known)} (take 8.6 for a Jetson Orin's 8.7)"
        )
    with bound.lock, bound.log.record() as log:
        started = time.perf_counter()
        builder = rtx.Builder(bound.log.sink)
        network = builder.create_network(1 << int(rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = rtx.OnnxParser(network, bound.log.sink)
        if not parser.parse_from_file(str(path)):
            raise _parse_error(path, parser)
        config = builder.create_builder_config()
        config.profiling_verbosity = rtx.ProfilingVerbosity.DETAILED
        config.num_compute_capabilities = 1
        capability = rtx.ComputeCapability.__members__["SM" + compute_capability.replace(".", "")]
        config.set_compute_capability(capability, 0)
        _add_profile(path, builder, network, config, batch, shapes or {})
        engine = builder.build_serialized_network(network, config)
        seconds = time.perf_counter() - started
        if engine is None:
            raise ModelError(f"{path}: {builder_version()} cannot build it: {log.said('ERROR')}")
        table = next((text for _, text in log.lines if text.startswith("Layers:")), "")
        warnings = dict.fromkeys(text.strip() for kind, text in log.lines if kind == "WARNING")
        return Build(table, seconds, engine.nbytes, tuple(warnings))


def _parse_error(path: str | Path, parser: Any) -> ModelError:
    if not parser.num_errors:
        return ModelError(f"{path}: not a model that {builder_version()} can read")
    error = parser.get_error(0)
    said = f"{error.code().name}: {error.desc()}"
    return ParseError(path, error.node_name(), error.node_operator(), said)


def _add_profile(
    path: str | Path,
    builder: Any,
    network: Any,
    config: Any,
    batch: int,
    shapes: Mapping[str, Sequence[int]],
) -> None:
    """Say between which sizes the open sizes of the inputs lie."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    for name in shapes:
        if name not in [tensor.name for tensor in inputs]:
            raise ValueError(
                f"shapes names {name!r}; the model has {', '.join(t.name for t in inputs)}"
            )
    profile = builder.create_optimization_profile()
    for tensor in inputs:
        found = tuple(tensor.shape)
        least = most = tuple(shapes.get(tensor.name, found))
        if most[0] == -1:
            least, most = (1, *most[1:]), (batch, *most[1:])
        if -1 in most:
            raise ModelError(
                f"{path}: input {tensor.name} is {found}, with open sizes beyond the batch; name a "
                f"shape for it (shapes={{{tensor.name!r}: (1, 3, 640, 640)}}, --shape)"
            )
        profile.set_shape(tensor.name, least, most, most)
    if any(-1 in tuple(tensor.shape) for tensor in inputs):
        config.add_optimization_profile(profile)
