"""One engine to be built: the model and the options, looked at together."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from edgert.builds.builder import Product, produce
from edgert.builds.configure import check, is_weakly_typed
from edgert.builds.environment import choose, enter, environment, versions
from edgert.builds.key import Key
from edgert.builds.layers import Layer, from_table, layers_of
from edgert.builds.manifest import Manifest
from edgert.builds.options import BuildOptions
from edgert.builds.precision import half_model, plan_precision
from edgert.builds.progress import OnProgress
from edgert.builds.source import Source, read
from edgert.engines.tensorrt import Binding
from edgert.engines.tensorrt_load import make_runtime
from edgert.errors import ModelError

__all__ = ["Job", "plan"]


@dataclass(frozen=True)
class Job:
    """One engine to be built.

    Attributes:
        source: The model.
        bound: TensorRT.
        options: What is asked for, with what was left to be found out.
        precision: What it is built in.
        convert: Whether the model has to be written in FP16 first.
        batches: The sizes of batch to tune for.
        key: What the engine depends on.
        ordinal: The GPU to build on, where it is here.
    """

    source: Source
    bound: Binding
    options: BuildOptions
    precision: str
    convert: bool
    batches: tuple[int, ...]
    key: Key
    ordinal: int

    def produce(self, timings: bytes, on_progress: OnProgress | None) -> Product:
        """Build it; see `builder.produce`."""
        enter(self.ordinal)
        with tempfile.TemporaryDirectory(prefix="edgert-build-") as folder:
            path = half_model(self.source, Path(folder)) if self.convert else self.source.path
            return produce(
                path,
                self.bound,
                self.options,
                name=str(self.source.path),
                batches=self.batches,
                precision=self.precision,
                timings=timings,
                on_progress=on_progress,
            )

    def manifest(self, product: Product) -> Manifest:
        """What is to stand beside the engine."""
        return Manifest(
            model=str(self.source.path),
            precision=self.precision,
            batches=self.batches,
            key=self.key,
            versions=versions(self.bound),
            metadata=self.source.metadata,
            engine_bytes=product.nbytes,
            engine_sha256=hashlib.sha256(product.engine).hexdigest(),
            layers=self._layers(product),
            warnings=product.warnings,
            seconds=product.seconds,
            built_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )

    def _layers(self, product: Product) -> tuple[Layer, ...]:
        """Nothing where edgert does not know this version's form: the engine is as good."""
        try:
            if self.bound.runtime == "tensorrt-rtx":
                return from_table(product.table)
            asked = self.options
            runtime = make_runtime(
                self.bound, host_code=asked.version_compatible, dla_core=asked.dla_core
            )
            engine = runtime.deserialize_cuda_engine(product.engine)
            return () if engine is None else layers_of(self.bound, engine)
        except ModelError:
            return ()


def plan(
    model: str | os.PathLike[str], runtime: str, options: BuildOptions, ordinal: int = 0
) -> Job:
    """Look at a model, at what is asked for, and at what is here.

    Raises:
        ModelError: The model cannot be read, or not be built in this precision.
        UnavailableError: What is needed for it is not here.
        ValueError: An option does not fit.
    """
    source = read(model)
    bound, capability = choose(runtime, options.compute_capability, ordinal)
    asked = options.request()
    shapes = {**source.shapes(options.shapes), **options.shapes}
    options = replace(options, compute_capability=capability, shapes=shapes)
    check(bound, options)
    precision, convert = plan_precision(source, bound, options)
    batches = _batches(source, options)
    key = Key(
        request={
            **asked,
            "model": source.digest,
            "runtime": bound.runtime,
            # Beside another GPU an engine is not one that does not fit.
            "device": ordinal if asked["compute_capability"] is None else None,
            "precision": precision,
            "tf32": options.precision != "fp32",
            # What it makes of a model may change with its version.
            "half": versions(bound)["edgert"] if convert else None,
            "weakly_typed": is_weakly_typed(bound, options),
            "shapes": {name: list(shape) for name, shape in sorted(shapes.items())},
            "batches": list(batches),
            "max_batch": None,
        },
        environment=environment(bound, capability, ordinal),
    )
    return Job(source, bound, options, precision, convert, batches, key, ordinal)


def _batches(source: Source, options: BuildOptions) -> tuple[int, ...]:
    from edgert.models.binding import batches

    name, found = next(iter(source.inputs.items()))
    shape = options.shapes.get(name, found)
    if shape and shape[0] not in (None, -1):
        return (int(shape[0] or 1),)
    most = options.max_batch or source.max_batch
    return (most,) if options.dla_core is not None else tuple(batches(most))
