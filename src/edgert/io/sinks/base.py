"""What all sinks share: the protocol, files that stay valid, one file per source."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from abc import ABC, abstractmethod
from pathlib import Path, PurePath
from types import TracebackType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from edgert.errors import SinkError
from edgert.result import Result

__all__ = ["OutputFile", "Sink", "Splitter", "is_image", "sequence_of", "sink_error"]

_Self = TypeVar("_Self", bound="Sink")

_IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)

_FIXES = {
    errno.EACCES: "choose a place that you may write to",
    errno.EPERM: "choose a place that you may write to",
    errno.EROFS: "choose a place that you may write to",
    errno.EISDIR: "name a file in the folder",
    errno.ENOENT: "create the folder first",
    errno.ENOTDIR: "a part of the path is a file; name a folder there",
    errno.ENOSPC: "make room or choose another disk; what was written before is intact",
    errno.EDQUOT: "make room or choose another disk; what was written before is intact",
    errno.EPIPE: "the program that read the output has ended",
}


def sink_error(action: str, name: str, error: Exception) -> SinkError:
    """The error that names the output, the reason and the fix."""
    code = error.errno if isinstance(error, OSError) else None
    reason = os.strerror(code) if code else str(error)
    fix = _FIXES.get(code, "") if code else ""
    return SinkError(f"{name}: cannot {action}: {reason}" + (f"; {fix}" if fix else ""))


class Sink(ABC):
    """Takes results, one a frame, until it is closed. A context manager."""

    @abstractmethod
    def write(self, result: Result, image: npt.NDArray[np.uint8] | None) -> None:
        """Takes the result of one frame.

        Args:
            result: The people; kept by reference by sinks that work later, so it must not change.
            image: (H, W, 3) uint8 BGR, the frame, for sinks that draw; may change after the call.

        Raises:
            SinkError: The output cannot be written. What was written before stays valid.
        """

    @abstractmethod
    def close(self) -> None:
        """Completes the output. Further calls do nothing.

        Raises:
            SinkError: The output cannot be completed, and no `write` has said so before.
        """

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except SinkError:
            # The error that ended the block is the one to see.
            if kind is None:
                raise


class OutputFile:
    """A file that is whole after every write, whatever happens in the next one.

    Each write is one system call where the system takes all of it, so that a killed process leaves
    whole writes behind, and a write that fails half way is undone.

    Args:
        path: Path of the file, which is emptied, or "-" for standard output.

    Raises:
        SinkError: It cannot be opened for writing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = "standard output" if os.fspath(path) == "-" else os.fspath(path)
        self._end = 0
        self._failed = False
        try:
            if os.fspath(path) == "-":
                sys.stdout.flush()
                self._fd = os.dup(sys.stdout.fileno())
                self.rewritable = False
            else:
                self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
                self.rewritable = stat.S_ISREG(os.fstat(self._fd).st_mode)
        except OSError as error:
            raise sink_error("open it for writing", self.name, error) from error

    def write(self, data: bytes, over: bytes = b"") -> None:
        """Appends data.

        Args:
            data: The bytes.
            over: The last bytes written, which `data`, no shorter, takes the place of; only if
                `rewritable`.

        Raises:
            SinkError: It cannot be written; what was there is left as it was.
        """
        if self._fd < 0:
            raise SinkError(f"{self.name}: cannot write: it is closed; open a new sink")
        try:
            if self.rewritable:
                start = self._end - len(over)
                _write_all(self._fd, data, start)
                self._end = start + len(data)
            else:
                _write_all(self._fd, data, None)
        except OSError as error:
            self._failed = True
            if self.rewritable:
                self._undo(over)
            raise sink_error("write", self.name, error) from error

    def close(self) -> None:
        """Closes the file. Further calls do nothing; after a failed write it is silent."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            os.close(fd)
        except OSError as error:
            if not self._failed:
                raise sink_error("close it", self.name, error) from error

    def _undo(self, over: bytes) -> None:
        # Shortening and rewriting need no new room, so that a full disk does not hinder them.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._end)
            _write_all(self._fd, over, self._end - len(over))

    @property
    def usable(self) -> bool:
        """Open, and no write has failed."""
        return self._fd >= 0 and not self._failed


class Splitter:
    """Names one output file per source, for formats that hold one sequence a file.

    The first source gets the path itself. Others get their own name put in: `out.txt`,
    `out.street.txt`. Images in one folder are one source.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._paths: dict[str, Path] = {}

    def path_of(self, source: str) -> Path:
        """The output path of a source, the same whenever asked."""
        key = sequence_of(source)
        if key not in self._paths:
            self._paths[key] = self._new_path(key) if self._paths else self._path
        return self._paths[key]

    def _new_path(self, key: str) -> Path:
        if str(self._path) == "-":
            return self._path
        stem = re.sub(r"[^\w.-]+", "_", PurePath(key.rstrip("/")).stem) or "source"
        taken = set(self._paths.values())
        names = [stem, *(f"{stem}-{i}" for i in range(2, len(taken) + 3))]
        paths = (self._path.with_name(f"{self._path.stem}.{n}{self._path.suffix}") for n in names)
        return next(path for path in paths if path not in taken)


def sequence_of(source: str) -> str:
    """The name of the sequence that a source belongs to: an image's is its folder."""
    return (source.rpartition("/")[0] or ".") if is_image(source) else source


def is_image(source: str) -> bool:
    """Whether a source is a single image, told by its name."""
    return PurePath(source).suffix.lower() in _IMAGE_SUFFIXES


def _write_all(fd: int, data: bytes, offset: int | None) -> None:
    view = memoryview(data)
    while view:
        written = os.write(fd, view) if offset is None else os.pwrite(fd, view, offset)
        view = view[written:]
        offset = None if offset is None else offset + written
