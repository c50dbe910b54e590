"""Which of TensorRT's Python packages is here, its one logger, or why it is not and the fix."""

from __future__ import annotations

import functools
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgert.errors import UnavailableError
from edgert.installed import of_system_pythons

if TYPE_CHECKING:
    import tensorrt as trt
else:
    trt = None
    """TensorRT 10's API as types, for annotations alone: nothing is imported at run time."""

__all__ = ["RUNTIMES", "TITLES", "Binding", "Log", "Record", "binding", "sizes", "state", "trt"]

RUNTIMES = ("tensorrt", "tensorrt-rtx")
"""What `runtime=` calls them, in order of preference."""

TITLES = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}
"""What NVIDIA calls them."""

# tensorrt_rtx is what the package on PyPI imports as; without it the bindings alone do.
_MODULES = {"tensorrt": ("tensorrt",), "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings")}
_INSTALL = {
    "tensorrt": "pip install tensorrt",
    "tensorrt-rtx": (
        "pip install tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs, "
        "or pip install 'edgert[rtx]'"
    ),
}
# The first with all that edgert calls, and JetPack 6's.
_OLDEST = (10, 3)
_ROOT = Path("/")
# Of the builder's detailed words only its table of kernels is kept: a build says a million others.
_TABLE = "Layers:"


@dataclass(frozen=True)
class Binding:
    """A package that edgert reaches TensorRT through.

    Attributes:
        api: The module.
        runtime: "tensorrt" or "tensorrt-rtx".
        version: For example "10.3.0".
        log: The process's one logger of this package.
        lock: Held by who builds: the builder's words cannot be told apart otherwise.
    """

    api: Any
    runtime: str
    version: str
    log: Log
    lock: threading.RLock

    @property
    def major(self) -> int:
        """The first number of the version; TensorRT-RTX counts its own."""
        return int(self.version.split(".")[0])

    @property
    def title(self) -> str:
        """For example "TensorRT 10.3.0" or "TensorRT-RTX 1.7.1.116"."""
        return f"{TITLES[self.runtime]} {self.version}"

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The compute capabilities, such as "8.6", that TensorRT-RTX builds for on any machine.

        None of TensorRT's, which builds for the GPU that is here.
        """
        if self.runtime == "tensorrt":
            return ()
        names = [name for name in self.api.ComputeCapability.__members__ if name[:2] == "SM"]
        return tuple(f"{name[2:-1]}.{name[-1]}" for name in names)


class Record:
    """What TensorRT says while a part of the work is done: (severity, text), in order.

    Severities are TensorRT's: "INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE".
    """

    def __init__(self, limit: int | None = None) -> None:
        self.lines: deque[tuple[str, str]] = deque(maxlen=limit)

    def said(self, *severities: str) -> str:
        """All texts of these severities, each once, in one line."""
        texts = (text.strip() for kind, text in list(self.lines) if kind in severities)
        return "; ".join(dict.fromkeys(texts))


class Log(Record):
    """The last words of TensorRT; `record` collects those of one part of the work.

    TensorRT takes one logger a process, the first that it is given, and calls it from threads of
    its own. Nothing is printed.
    """

    def __init__(self, api: Any) -> None:
        super().__init__(limit=256)
        self._records: list[Record] = []

        class Sink(api.ILogger):  # type: ignore[misc]
            def __init__(self, take: Any) -> None:
                api.ILogger.__init__(self)
                self._take = take

            def log(self, severity: Any, msg: str) -> None:
                self._take(severity.name, msg)

        self.sink: Any = Sink(self._take)
        """What `api.Builder` and `api.Runtime` are given."""

    @contextmanager
    def record(self) -> Iterator[Record]:
        """Collects all that is said from here on, by whichever thread."""
        record = Record()
        self._records.append(record)
        try:
            yield record
        finally:
            self._records.remove(record)

    def _take(self, severity: str, text: str) -> None:
        if severity == "VERBOSE" and not text.startswith(_TABLE):
            return
        for record in (self, *self._records):
            record.lines.append((severity, text))


def binding(runtime: str = "auto") -> Binding:
    """The package of a runtime, imported.

    Args:
        runtime: "tensorrt", "tensorrt-rtx", or "auto" for the first of them that is here.

    Raises:
        UnavailableError: It is not here or cannot be imported: names what was looked for, what was
            found, and the fix.
        ValueError: It is no name of a runtime.
    """
    if runtime != "auto":
        if runtime not in RUNTIMES:
            raise ValueError(
                f"runtime is {runtime!r}, expected 'auto' or one of {', '.join(RUNTIMES)}"
            )
        return _load(runtime)
    reasons = []
    for name in RUNTIMES:
        try:
            return _load(name)
        except UnavailableError as error:
            reasons.append(str(error))
    raise UnavailableError("; ".join(reasons))


def state(runtime: str) -> str:
    """ "ok", or why the package of a runtime cannot be used. It needs no GPU to be "ok".

    Raises:
        ValueError: It is no name of a runtime.
    """
    try:
        binding(runtime)
    except UnavailableError as error:
        return str(error)
    return "ok"


def sizes(dims: Any) -> tuple[int, ...]:
    """TensorRT's Dims as numbers; its published types do not say that they can be iterated over."""
    return tuple(dims)


def _load(runtime: str) -> Binding:
    names = [name for name in _MODULES[runtime] if _is_here(name)]
    if not names:
        raise UnavailableError(_missing(runtime))
    try:
        api = import_module(names[0])
    except (ImportError, OSError, RuntimeError) as error:
        raise UnavailableError(
            f"package {names[0]} is here but cannot be imported ({error}): its libraries are "
            f"missing or of another version; {_INSTALL[runtime]}"
        ) from error
    return _bound(api, runtime)


@functools.cache
def _bound(api: Any, runtime: str) -> Binding:
    found = Binding(api, runtime, str(api.__version__), Log(api), threading.RLock())
    numbers = tuple(int(part) for part in found.version.split(".")[:2])
    if runtime == "tensorrt" and numbers < _OLDEST:
        raise UnavailableError(
            f"package tensorrt is {found.version}; edgert needs {'.'.join(map(str, _OLDEST))} or "
            f"later: JetPack 6.1 or later has it, elsewhere {_INSTALL[runtime]}"
        )
    return found


def _is_here(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    spec = find_spec(module)
    # A folder of type stubs alone looks like a package without a file.
    return spec is not None and spec.origin is not None


def _missing(runtime: str) -> str:
    text = f"package {runtime} not installed"
    mine = sys.version_info[:2]
    folders = of_system_pythons(_ROOT, _MODULES[runtime][0], mine[1])
    if not folders:
        return f"{text}; {_INSTALL[runtime]}"
    if mine in folders:
        return (
            f"{text} in {sys.prefix}, which does not see the system's in {folders[mine]}: make the "
            f"environment with python3 -m venv --system-site-packages, or write "
            f"include-system-site-packages = true into {Path(sys.prefix, 'pyvenv.cfg')}"
        )
    other = max(folders)
    name = f"{other[0]}.{other[1]}"
    return (
        f"{text} for Python {mine[0]}.{mine[1]}; the system's in {folders[other]} is for Python "
        f"{name}: use python{name} -m venv --system-site-packages"
    )
