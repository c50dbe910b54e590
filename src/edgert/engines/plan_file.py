"""An engine file: a plan of TensorRT's, bare or behind the header that Ultralytics writes.

What can be known of a plan without TensorRT is in its first bytes. Those of TensorRT-RTX are as
read from engines of 1.7.1, built for each compute capability in turn; that TensorRT has its version
in the same place is NVIDIA's own word (github.com/NVIDIA/TensorRT/issues/3073).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgert.engines.tensorrt import TITLES
from edgert.errors import ModelError

__all__ = ["SUFFIXES", "PlanFile", "is_plan", "read_plan_file"]

SUFFIXES = (".engine", ".plan", ".trt")
"""What engine files are called."""

_RUNTIMES = {b"ftrt": "tensorrt", b"vtrt": "tensorrt-rtx"}
# magic, platform, version of the format, size, TensorRT's version; TensorRT-RTX's has a second
# magic and a bit for each compute capability after it.
_HEAD = struct.Struct("<4s4xQQ4B4sI")
_CAPABILITIES = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
# Names of the classes and the export's options: some thousand bytes.
_MOST_METADATA_BYTES = 16 << 20


@dataclass(frozen=True)
class PlanFile:
    """What an engine file says of itself.

    Attributes:
        path: Of the file.
        runtime: Whose plan it is: "tensorrt" or "tensorrt-rtx".
        version: Of the TensorRT that built it, for example "10.3.0.30".
        compute_capabilities: Those it was built for, such as "8.6"; empty where the file does not
            say, as TensorRT's do not.
        offset: Where in the file the plan begins: behind a header, else 0.
        plan_bytes: Size of the plan.
        metadata: What the header says, values as Python literals; empty without one.
    """

    path: str
    runtime: str
    version: str
    compute_capabilities: tuple[str, ...]
    offset: int
    plan_bytes: int
    metadata: Mapping[str, str]

    @property
    def builder(self) -> str:
        """For example "TensorRT 10.3.0.30" or "TensorRT-RTX 1.7.1.116"."""
        return f"{TITLES[self.runtime]} {self.version}"

    def plan(self) -> bytes:
        """The plan itself, to be deserialised.

        Raises:
            ModelError: The file cannot be read any more.
        """
        try:
            with Path(self.path).open("rb") as file:
                file.seek(self.offset)
                return file.read()
        except OSError as error:
            raise ModelError(f"{self.path}: {error.strerror or error}") from error


def is_plan(path: str | Path) -> bool:
    """Whether a path is called as engine files are."""
    return Path(path).suffix.lower() in SUFFIXES


def read_plan_file(path: str | Path) -> PlanFile:
    """Read the beginning of an engine file.

    Raises:
        ModelError: It cannot be read, is no engine, or not a whole one.
    """
    try:
        size = Path(path).stat().st_size
        with Path(path).open("rb") as file:
            first = file.read(_HEAD.size)
            metadata: dict[str, str] = {}
            offset = 0
            if first[:4] not in _RUNTIMES:
                length = int.from_bytes(first[:4], "little")
                if 4 + length < size and length <= _MOST_METADATA_BYTES:
                    file.seek(4)
                    metadata = _metadata(file.read(length))
                    offset = 4 + length
                    first = file.read(_HEAD.size)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}, expected an engine file") from error
    return _parse(str(path), first, offset, size - offset, metadata)


def _parse(
    path: str, first: bytes, offset: int, plan_bytes: int, metadata: Mapping[str, str]
) -> PlanFile:
    runtime = _RUNTIMES.get(first[:4])
    if runtime is None:
        raise ModelError(
            f"{path}: found {first[:4]!r} where TensorRT's engines begin with "
            f"{' or '.join(map(repr, _RUNTIMES))}, bare or behind Ultralytics' header: no engine, "
            f"or one of a TensorRT before 8.6; build it anew with edgert build"
        )
    said_bytes = None
    if len(first) == _HEAD.size:
        _, _, said_bytes, *version, again, capabilities = _HEAD.unpack(first)
    if said_bytes is None or (runtime == "tensorrt-rtx" and said_bytes != plan_bytes):
        raise ModelError(
            f"{path}: damaged: found an engine of {plan_bytes} bytes, expected "
            f"{said_bytes or 'at least ' + str(_HEAD.size)}; copy it again, or build it anew with "
            f"edgert build"
        )
    built_for: tuple[str, ...] = ()
    if runtime == "tensorrt-rtx" and again == first[:4]:
        built_for = tuple(name for i, name in enumerate(_CAPABILITIES) if capabilities >> i & 1)
    return PlanFile(
        path, runtime, ".".join(map(str, version)), built_for, offset, plan_bytes, metadata
    )


def _metadata(content: bytes) -> dict[str, str]:
    """The header's JSON as a model's key-value notes; empty where it is none."""
    try:
        found = json.loads(content.decode())
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        key: value if isinstance(value, str) else repr(_plain(value))
        for key, value in found.items()
    }


def _plain(value: Any) -> Any:
    """JSON knows no numbers as keys: those of `names` are classes' numbers."""
    if not isinstance(value, dict):
        return value
    return {int(k) if k.isdigit() else k: _plain(v) for k, v in value.items()}
