"""An engine is taken from where it is kept, or built and put there."""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import tempfile
import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgert.atomic import write_atomically
from edgert.builds.builder import Product
from edgert.builds.cache import Cache
from edgert.builds.job import Job
from edgert.builds.manifest import Manifest
from edgert.builds.progress import OnProgress
from edgert.builds.shelf import find, locked, store
from edgert.errors import CacheWarning, EngineMismatchError, ModelError

__all__ = ["WAITING", "Kept", "keep"]

WAITING = "waiting for another builder of this engine"
"""What `on_progress` is told where another thread or process is at it."""


@dataclass(frozen=True)
class Kept:
    """Where an engine is, what it is, and whether it was there already."""

    path: Path
    manifest: Manifest
    cached: bool


def keep(
    job: Job, cache: Cache | None, output: Path | None, on_mismatch: str, on_progress: OnProgress
) -> Kept:
    """Find the engine of a job, or build it, once for all who want it at the same time.

    A cache that cannot be used costs a warning, and the engine goes with the process.

    Args:
        job: What is to be built.
        cache: Where engines are kept; None: nowhere.
        output: Where this one goes instead.
        on_mismatch: "rebuild" or "error": see `edgert.build`.
        on_progress: See `edgert.build`.

    Raises:
        EngineMismatchError: A mismatch is an error.
        ModelError: It cannot be built, or `output` cannot be written.
    """
    stem = job.source.path.stem
    place = output or (_temporary(stem) if cache is None else cache.path(job.key))
    manifest = find(place, job.key, tell=False)
    if manifest is not None:
        return _hit(place, manifest, cache)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(place, lambda: on_progress(WAITING, 0, None)))
        except OSError as error:
            place, cache = _elsewhere(place, output, error), None
        else:
            manifest = find(place, job.key)
            if manifest is not None:
                return _hit(place, manifest, cache)
            _check_mismatch(job, place, cache if output is None else None, on_mismatch)
        timings = None if cache is None else cache.timings(job.key)
        product = job.produce(_read(timings), on_progress)
        manifest = job.manifest(product)
        try:
            store(place, product.engine, manifest)
        except OSError as error:
            place, cache = _elsewhere(place, output, error), None
            _store_at_last(place, product, manifest)
        if cache is not None:
            _write(timings, product.timings)
            cache.evict()
        return Kept(place, manifest, False)


def _hit(place: Path, manifest: Manifest, cache: Cache | None) -> Kept:
    if cache is not None:
        cache.used(place)
    return Kept(place, manifest, True)


def _check_mismatch(job: Job, place: Path, cache: Cache | None, on_mismatch: str) -> None:
    """Look for the engine of the same request that was built in another environment."""
    if cache is not None:
        others: Iterable[Manifest] = cache.of_request(job.key)
    else:
        try:
            others = [Manifest.load(place)]
        except ModelError:
            others = []
    for manifest in others:
        apart = manifest.key.differences(job.key.environment)
        if manifest.key.request != job.key.request or not apart:
            continue
        told = "; ".join(map(str, apart))
        text = f"{job.source.path}: the engine that is kept does not fit: {told}"
        if on_mismatch == "error":
            raise EngineMismatchError(
                f"{text}. Build it again: on_mismatch='rebuild', or edgert build",
                ", ".join(f"{each.name} {each.built}" for each in apart),
                ", ".join(f"{each.name} {each.found}" for each in apart),
            )
        warnings.warn(f"{text}. It is built anew", CacheWarning, stacklevel=2)
        return


def _elsewhere(place: Path, output: Path | None, error: OSError) -> Path:
    """Where an engine goes that cannot be kept, with a word about it."""
    if output is not None:
        raise ModelError(f"{output}: the engine cannot be written: {error}") from error
    warnings.warn(
        f"{place.parent}: the cache cannot be written ({error}): the engine goes with this "
        f"process; set EDGERT_CACHE to a folder that can be, or name one (cache=, --cache)",
        CacheWarning,
        stacklevel=2,
    )
    return _temporary(place.stem)


def _store_at_last(place: Path, product: Product, manifest: Manifest) -> None:
    try:
        store(place, product.engine, manifest)
    except OSError as error:
        raise ModelError(f"{place}: the engine cannot be written there either: {error}") from error


@functools.cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="edgert-engines-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _temporary(stem: str) -> Path:
    """A path of its own that goes with the process."""
    return Path(tempfile.mkdtemp(dir=_folder()), f"{stem}.engine")


def _read(timings: Path | None) -> bytes:
    try:
        return b"" if timings is None else timings.read_bytes()
    except OSError:
        return b""


def _write(path: Path | None, timings: Any) -> None:
    # Who writes last wins: what is lost is measured again.
    if path is not None and timings is not None:
        with contextlib.suppress(OSError):
            write_atomically(path, timings)
