"""From an .onnx file to a serialized engine: parser, network, configuration, build."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgert.builds.configure import check, configure, is_weakly_typed
from edgert.builds.failures import build_error, parse_error, start_error
from edgert.builds.options import BuildOptions
from edgert.builds.profiles import add_profiles
from edgert.builds.progress import Monitor, OnProgress, interruptible, monitor_of
from edgert.engines.tensorrt import Binding, Record

if TYPE_CHECKING:
    from edgert.engines.tensorrt import trt

__all__ = ["Product", "produce"]


@dataclass(frozen=True)
class Product:
    """What the builder made of a model.

    Attributes:
        engine: The serialized engine, with the buffer protocol.
        nbytes: Its size.
        table: TensorRT-RTX's own list of the engine's kernels, one a line, with their types; ""
            of TensorRT, whose engines are asked with its inspector.
        seconds: Wall time of parsing and building.
        warnings: What the builder warned of, each once.
        timings: What the builder measured, for the next build; None of TensorRT-RTX.
    """

    engine: Any
    nbytes: int
    table: str
    seconds: float
    warnings: tuple[str, ...]
    timings: Any


def produce(
    path: str | Path,
    bound: Binding,
    options: BuildOptions,
    *,
    name: str | Path | None = None,
    batches: Sequence[int] = (1,),
    precision: str = "fp32",
    timings: bytes = b"",
    on_progress: OnProgress | None = None,
) -> Product:
    """Build an engine. Nothing is printed: what the builder says goes into the result.

    Args:
        path: The .onnx file; external data beside it.
        bound: TensorRT.
        options: What is asked for. TensorRT-RTX wants its `compute_capability`.
        name: What errors call the model; None: the path.
        batches: Where the batch is open: the sizes to tune for, ascending.
        precision: What a weakly typed network may be computed in besides FP32.
        timings: What an earlier build measured.
        on_progress: Called phase by phase; what it raises stops the build.

    Raises:
        UnavailableError: This TensorRT has not what is asked for, or does not start.
        ParseError: It does not accept a node of the model.
        ModelError: It cannot build the model, or a size of an input is open.
        ValueError: An option does not fit this model or TensorRT.
        KeyboardInterrupt: Ctrl-C stopped it.
    """
    check(bound, options)
    name = path if name is None else name
    monitor = Monitor(on_progress)
    with bound.lock, bound.log.record() as log:
        started = time.perf_counter()
        # All that calls back from TensorRT's own frames.
        with interruptible(monitor):
            builder = _builder(bound, log)
            network = builder.create_network(_creation_flags(bound, options))
            _parse(path, name, bound, network, options)
            config = configure(bound, builder, options, precision, monitor_of(bound, monitor))
            fixed = options.dla_core is not None
            add_profiles(
                name, builder, network, config, batches, options.shapes, only_largest=fixed
            )
            measured = _use_timings(bound, config, timings)
            engine = builder.build_serialized_network(network, config)
        monitor.check()
        if engine is None:
            raise build_error(name, bound, log)
        warnings = (text.strip() for kind, text in log.lines if kind == "WARNING")
        return Product(
            engine=engine,
            nbytes=engine.nbytes,
            table=next((text for _, text in log.lines if text.startswith("Layers:")), ""),
            seconds=time.perf_counter() - started,
            warnings=tuple(dict.fromkeys(warnings)),
            timings=None if measured is None else measured.serialize(),
        )


def _builder(bound: Binding, log: Record) -> trt.Builder:
    try:
        builder: trt.Builder = bound.api.Builder(bound.log.sink)
    except TypeError as error:  # the factory's null pointer, as pybind11 tells of it
        raise start_error(bound, log) from error
    return builder


def _parse(
    path: str | Path,
    name: str | Path,
    bound: Binding,
    network: trt.INetworkDefinition,
    options: BuildOptions,
) -> None:
    parser = bound.api.OnnxParser(network, bound.log.sink)
    if options.dla_core is not None and hasattr(bound.api.OnnxParserFlag, "ADJUST_FOR_DLA"):
        parser.set_flag(bound.api.OnnxParserFlag.ADJUST_FOR_DLA)
    if not parser.parse_from_file(str(path)):
        raise parse_error(name, bound, parser)


def _creation_flags(bound: Binding, options: BuildOptions) -> int:
    if is_weakly_typed(bound, options):
        return 0
    return 1 << int(bound.api.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _use_timings(
    bound: Binding, config: trt.IBuilderConfig, timings: bytes
) -> trt.ITimingCache | None:
    """The cache of timings that the builder will fill; TensorRT-RTX measures nothing."""
    if bound.runtime == "tensorrt-rtx":
        return None
    cache = config.create_timing_cache(timings)
    if not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache
