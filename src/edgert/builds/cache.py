"""The folder of kept engines: where it is, how large it grows, what goes first."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgert.builds.key import Key
from edgert.builds.manifest import Manifest, manifest_path
from edgert.builds.options import size_bytes
from edgert.builds.shelf import is_locked
from edgert.errors import ModelError

__all__ = ["Cache", "default_folder", "limit_bytes"]

_SUFFIX = ".engine"
_LIMIT_BYTES = 8 << 30
# Of what was half-written when its writer was killed. A write takes seconds.
_DRAFT_AGE_S = 3600.0


def default_folder() -> Path | None:
    """`$EDGERT_CACHE`, else `$XDG_CACHE_HOME/edgert`, else `~/.cache/edgert`.

    None: nobody has said where, and this user has no home, as in a container that runs under any
    number. A folder that everybody can write is no place for what is loaded as a program.
    """
    told = os.environ.get("EDGERT_CACHE")
    if told:
        return Path(told)
    caches = os.environ.get("XDG_CACHE_HOME")
    if caches:
        return Path(caches, "edgert")
    try:
        return Path.home() / ".cache" / "edgert"
    except RuntimeError:
        return None


def limit_bytes() -> int:
    """`$EDGERT_CACHE_LIMIT`, such as "4G" or "500M"; 8 GiB where it is not set.

    Raises:
        ValueError: It is no size.
    """
    try:
        return size_bytes(os.environ.get("EDGERT_CACHE_LIMIT", str(_LIMIT_BYTES)))
    except ValueError as error:
        raise ValueError(f"EDGERT_CACHE_LIMIT: {error}") from error


@dataclass(frozen=True)
class Cache:
    """A folder of engines with their manifests.

    Attributes:
        folder: It; made when something is stored.
        limit: Bytes that all of it may take.
    """

    folder: Path
    limit: int

    def path(self, key: Key) -> Path:
        """Where the engine of a key is kept, whatever the model's file is called."""
        capability = key.environment["compute_capability"]
        name = f"{key.request['precision']}.sm{capability}.{key.digest[:20]}{_SUFFIX}"
        return self.folder / name

    def timings(self, key: Key) -> Path:
        """Where what a builder measured is kept, for all models of one runtime and GPU."""
        version, capability = (key.environment[name] for name in ("version", "compute_capability"))
        return self.folder / f"{key.request['runtime']}-{version}.sm{capability}.timings"

    def used(self, engine: Path) -> None:
        """An engine is used now: it goes last."""
        # In a folder that cannot be written nothing is ever evicted either.
        with contextlib.suppress(OSError):
            os.utime(manifest_path(engine))

    def of_request(self, key: Key) -> Iterator[Manifest]:
        """Manifests of engines for the same request, built in other environments."""
        for engine in self._engines():
            with contextlib.suppress(ModelError):
                manifest = Manifest.load(engine)
                if manifest.key.request == key.request:
                    yield manifest

    def evict(self) -> None:
        """Keep the limit: what was not used for the longest time goes; and what dead builders left.

        What is being built stays, and what was just built, while its builder holds the lock.
        """
        with contextlib.suppress(OSError):
            self._remove_leftovers()
        entries = sorted((used, size, path) for path, used, size in self._sizes())
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= self.limit:
                return
            if is_locked(path):
                continue
            with contextlib.suppress(OSError):
                manifest_path(path).unlink(missing_ok=True)
                path.unlink()
                total -= size

    def _engines(self) -> list[Path]:
        try:
            return sorted(self.folder.glob(f"[!.]*{_SUFFIX}"))
        except OSError:
            return []

    def _sizes(self) -> Iterator[tuple[Path, float, int]]:
        for path in self._engines():
            with contextlib.suppress(OSError):
                note = manifest_path(path)
                used = (note if note.exists() else path).stat().st_mtime
                yield path, used, path.stat().st_size

    def _remove_leftovers(self) -> None:
        for path in self.folder.glob(".*"):
            if path.suffix == ".lock":
                is_locked(path.with_name(path.name[1 : -len(".lock")]))
            elif path.stat().st_mtime < time.time() - _DRAFT_AGE_S:
                path.unlink()
