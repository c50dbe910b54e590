"""Engines on disk, each with its manifest: found, stored, and locked against a second builder."""

from __future__ import annotations

import fcntl
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgert.atomic import write_atomically
from edgert.builds.key import Key
from edgert.builds.manifest import Manifest, manifest_path
from edgert.errors import CacheWarning, ModelError

__all__ = ["find", "is_locked", "locked", "store"]

_WAIT_S = 0.05


def find(engine: Path, key: Key, *, tell: bool = True) -> Manifest | None:
    """The manifest of an engine that is there, whole, and of this key; None: build it.

    Args:
        engine: The file.
        key: What it has to depend on.
        tell: Warn of an engine that is damaged. Who holds no lock may see one that is just being
            replaced.
    """
    if not manifest_path(engine).exists():
        return None
    try:
        manifest = Manifest.load(engine)
        if manifest.key.digest != key.digest:
            return None
        if manifest.fits(engine):
            return manifest
        damage = "its bytes are not those that were built"
    except (ModelError, OSError) as error:
        damage = str(error)
    if tell:
        warnings.warn(
            f"{engine}: the kept engine is damaged, and is built anew: {damage}",
            CacheWarning,
            stacklevel=2,
        )
    return None


def store(engine: Path, content: Any, manifest: Manifest) -> None:
    """Put an engine and its manifest in place, the manifest last: without it, nothing is there.

    Raises:
        OSError: They cannot be written; nothing half-written is left.
    """
    # Until the new manifest is there, the old one would tell of other bytes.
    manifest_path(engine).unlink(missing_ok=True)
    write_atomically(engine, content)
    try:
        manifest.save(engine)
    except OSError:
        engine.unlink(missing_ok=True)
        raise


def is_locked(engine: Path) -> bool:
    """Whether somebody builds this engine now. The lock file of a dead process is removed."""
    try:
        file = os.open(_lock_path(engine), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _lock_path(engine).unlink(missing_ok=True)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


@contextmanager
def locked(engine: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Within: no other thread or process builds this engine.

    The lock is the kernel's: it goes with the process that held it, however that ends.

    Args:
        engine: The file that is to be built.
        on_wait: Called once where another holds the lock.

    Raises:
        OSError: The folder cannot be written, or has no locks.
    """
    path = _lock_path(engine)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _locked_file(path, on_wait)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _lock_path(engine: Path) -> Path:
    return engine.with_name(f".{engine.name}.lock")


def _locked_file(path: Path, on_wait: Callable[[], None] | None) -> int:
    waiting = False
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_same(file, path):
                return file
            # Its holder has removed it meanwhile: whoever comes next makes a new one.
            os.close(file)
        except BlockingIOError:
            os.close(file)
            if on_wait is not None and not waiting:
                on_wait()
            waiting = True
            time.sleep(_WAIT_S)
        except BaseException:
            os.close(file)
            raise


def _is_same(file: int, path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(file)
    return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)
