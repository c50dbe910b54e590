"""`edgert.build`: from an ONNX file to an engine that is kept, and says what it is."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgert.builds.cache import Cache, default_folder, limit_bytes
from edgert.builds.job import plan
from edgert.builds.keep import keep
from edgert.builds.manifest import Manifest
from edgert.builds.options import BuildOptions
from edgert.builds.precision import thresholds_of
from edgert.builds.progress import OnProgress
from edgert.errors import CacheWarning

if TYPE_CHECKING:
    from edgert.quant.thresholds.scales import Scales

__all__ = ["Built", "build"]


@dataclass(frozen=True)
class Built(os.PathLike[str]):
    """An engine, which is taken wherever a path to one is.

    Attributes:
        path: The engine; its manifest is beside it.
        manifest: What it is, of what, and what it was built with.
        cached: Whether it was there already.
        seconds: Wall time until it was there.
        fallback: The FP16 engine that was asked for beside it.
    """

    path: Path
    manifest: Manifest
    cached: bool
    seconds: float
    fallback: Built | None = None

    def __fspath__(self) -> str:
        """The engine's path."""
        return str(self.path)

    def __str__(self) -> str:
        """Likewise."""
        return str(self.path)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "path": str(self.path),
            "cached": self.cached,
            "seconds": self.seconds,
            "manifest": self.manifest.to_dict(),
            "fallback": None if self.fallback is None else self.fallback.to_dict(),
        }


def build(
    model: str | os.PathLike[str],
    *,
    precision: str = "auto",
    runtime: str = "auto",
    device: str = "cuda:0",
    cache: bool | str | os.PathLike[str] = True,
    compute_capability: str | None = None,
    max_batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    workspace_bytes: int | None = None,
    optimization_level: int | None = None,
    dla_core: int | None = None,
    weakly_typed: bool = False,
    calibration: str | os.PathLike[str] | Scales | Mapping[str, float] | None = None,
    sparse_weights: bool = False,
    version_compatible: bool = False,
    hardware_compatibility: str | None = None,
    output: str | os.PathLike[str] | None = None,
    fallback: str | os.PathLike[str] | None = None,
    on_mismatch: str = "rebuild",
    progress: OnProgress | None = None,
) -> Built:
    """Build an engine of a model with TensorRT or TensorRT-RTX, or take the one that is kept.

    Networks are strongly typed: the model's own types are the precision. Ctrl-C stops the build at
    its next step and leaves nothing behind.

    Args:
        model: The .onnx file: float, FP16, or with QuantizeLinear pairs (`edgert quantize`).
        precision: "auto": what the model says. "fp16" writes a float model in FP16 first, with FP32
            inputs and outputs. "int8" and "fp32" are what the model has to be; with "fp32" the GPU
            multiplies without TF32, which "auto" leaves it.
        runtime: "tensorrt", "tensorrt-rtx", or "auto" for the first of them that is here.
        device: The GPU that is here, to build on and for.
        cache: Keep the engine in the cache folder, or in the folder that is named. False: it is
            built anew, and without `output` goes with the process.
        compute_capability: Such as "8.6", for a GPU that is not here: TensorRT-RTX builds for it on
            any CPU. None: of `device`.
        max_batch: The largest batch of a model whose batch is open, which is tuned for 1, 2, 4 and
            so on up to it. None: 16 where the first output is heatmaps, else 1.
        shapes: By name, the shape of inputs with open sizes beyond the batch, where the model's
            notes (`imgsz`) do not tell; -1 first leaves the batch open.
        workspace_bytes: Memory that a layer may take for its work. None: all there is.
        optimization_level: 0 to 5: the higher, the longer the builder looks. None: TensorRT's 3.
        dla_core: Build for this DLA core, and what it cannot do for the GPU. Batches are fixed.
        weakly_typed: TensorRT 10 alone: `precision` allows FP16 or INT8, and the builder chooses.
        calibration: Scales for that: what `quant.solve` gives, its file, or a calibration cache.
        sparse_weights: Use 2:4 sparsity where weights have it.
        version_compatible: The engine loads with later versions of TensorRT too.
        hardware_compatibility: "AMPERE_PLUS" or "SAME_COMPUTE_CAPABILITY": on other GPUs too.
        output: Where the engine goes instead of the cache; its manifest goes to `<output>.json`.
        fallback: The float model that an INT8 model came of: its FP16 engine is built too, and the
            manifest names it.
        on_mismatch: What to do where an engine was built with another version, GPU or driver:
            "rebuild" with a warning that names both, or "error".
        progress: Called with phase, steps done, and steps; what it raises stops the build. None:
            bars on a terminal.

    Returns:
        The engine, as a path with its manifest.

    Raises:
        EngineMismatchError: An engine was built with something else, and `on_mismatch` is "error".
        ModelError: The model cannot be read or built; names the node, TensorRT's words and the fix.
        UnavailableError: TensorRT, the package onnx or the GPU is not here, or this version has
            not what was asked for.
        ValueError: A parameter is out of its range.
        KeyboardInterrupt: Ctrl-C.
    """
    from edgert.devices import ordinal_of

    started = time.perf_counter()
    if on_mismatch not in ("rebuild", "error"):
        raise ValueError(f"on_mismatch is {on_mismatch!r}, expected 'rebuild' or 'error'")
    options = BuildOptions(
        precision=precision,
        compute_capability=compute_capability,
        max_batch=max_batch,
        shapes=shapes or {},
        workspace_bytes=workspace_bytes,
        optimization_level=optimization_level,
        dla_core=dla_core,
        weakly_typed=weakly_typed,
        calibration=thresholds_of(calibration),
        sparse_weights=sparse_weights,
        version_compatible=version_compatible,
        hardware_compatibility=hardware_compatibility,
    )
    ordinal = ordinal_of(device)
    job = plan(model, runtime, options, ordinal)
    plain = replace(options, precision="fp16", calibration=None)
    spare = None if fallback is None else plan(fallback, runtime, plain, ordinal)
    places = [None, None] if output is None else _outputs(Path(output))
    folder = _cache(cache)
    with ExitStack() as stack:
        if progress is None:
            from edgert.work import Work

            progress = stack.enter_context(Work(quiet=False)).update
        kept = keep(job, folder, places[0], on_mismatch, progress)
        main = Built(kept.path, kept.manifest, kept.cached, time.perf_counter() - started)
        if spare is None:
            return main
        started = time.perf_counter()
        kept = keep(spare, folder, places[1], on_mismatch, progress)
        second = Built(kept.path, kept.manifest, kept.cached, time.perf_counter() - started)
        return _with_fallback(main, second)


def _outputs(path: Path) -> list[Path | None]:
    """Where the engine goes, and its fallback."""
    return [path, path.with_name(f"{path.stem}.fallback{path.suffix}")]


def _cache(told: bool | str | os.PathLike[str]) -> Cache | None:
    if told is False:
        return None
    folder = default_folder() if told is True else Path(told)
    if folder is None:
        warnings.warn(
            f"no cache: HOME is not set and user {os.getuid()} has no home: the engine goes with "
            f"this process; set EDGERT_CACHE to a folder, or name one (cache=, --cache)",
            CacheWarning,
            stacklevel=3,
        )
        return None
    return Cache(folder, limit_bytes())


def _with_fallback(main: Built, second: Built) -> Built:
    """The manifest of the one names the other."""
    name = os.path.relpath(second.path, main.path.parent)
    manifest = main.manifest
    if manifest.fallback != name:
        manifest = replace(manifest, fallback=name)
        try:
            manifest.save(main.path)
        except OSError as error:
            warnings.warn(
                f"{main.path}: its manifest cannot be written ({error}): fallback=True will not "
                f"find {second.path}",
                CacheWarning,
                stacklevel=3,
            )
    return replace(main, manifest=manifest, fallback=second)
