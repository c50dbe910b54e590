"""What stands beside each engine: what it is, of what, and what it was built with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgert.atomic import write_atomically
from edgert.builds.key import Key
from edgert.builds.layers import Layer, LayerTensor
from edgert.errors import ModelError

__all__ = ["Manifest", "fallback_of", "manifest_of", "manifest_path", "sha256"]

_FORMAT = "edgert engine"
_VERSION = 1


def manifest_path(engine: str | os.PathLike[str]) -> Path:
    """Where an engine's manifest stands: `<engine>.json`."""
    return Path(f"{os.fspath(engine)}.json")


@dataclass(frozen=True)
class Manifest:
    """What stands beside an engine.

    Attributes:
        model: The .onnx file, as it was named.
        precision: "fp32", "fp16", "int8" ...
        batches: The sizes of batch that it is tuned for; one a profile, in their order, where the
            model's batch is open.
        key: What it depends on.
        versions: Of edgert, the runtime, CUDA, cuDNN and the driver.
        metadata: The model's own key-value notes, which an engine has no place for.
        engine_bytes: Its size.
        engine_sha256: Its digest.
        layers: What became of the model, where the builder or the engine tells.
        warnings: What the builder warned of.
        seconds: Wall time of the build.
        built_at: ISO 8601, UTC.
        fallback: The engine to fall back to, as a path from this one's folder; None: there is none.
    """

    model: str
    precision: str
    batches: tuple[int, ...]
    key: Key
    versions: Mapping[str, str | None]
    metadata: Mapping[str, str] = field(repr=False)
    engine_bytes: int
    engine_sha256: str
    layers: tuple[Layer, ...] = field(repr=False)
    warnings: tuple[str, ...]
    seconds: float
    built_at: str
    fallback: str | None = None

    @property
    def runtime(self) -> str:
        """What runs it: "tensorrt" or "tensorrt-rtx"."""
        return str(self.key.request["runtime"])

    @classmethod
    def load(cls, engine: str | os.PathLike[str]) -> Manifest:
        """Of an engine.

        Raises:
            ModelError: There is none, or it is not what `save` writes.
        """
        path = manifest_path(engine)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found = content.pop("format"), content.pop("version")
            if found != (_FORMAT, _VERSION):
                raise ValueError(f"format and version are {found}, not {(_FORMAT, _VERSION)}")
            lists = {name: tuple(content[name]) for name in ("batches", "warnings")}
            layers = tuple(_layer(entry) for entry in content["layers"])
            return cls(**{**content, **lists, "layers": layers, "key": Key(**content["key"])})
        except OSError as error:
            raise ModelError(f"{path}: no manifest: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{path}: not a manifest that edgert writes: {error!r}") from error

    def save(self, engine: str | os.PathLike[str]) -> None:
        """Write it beside an engine.

        Raises:
            OSError: It cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=1) + "\n"
        write_atomically(manifest_path(engine), text.encode())

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {"format": _FORMAT, "version": _VERSION, **asdict(self)}

    def fits(self, engine: str | os.PathLike[str]) -> bool:
        """Whether an engine's bytes are those that were built.

        Raises:
            OSError: It cannot be read.
        """
        path = Path(engine)
        return path.stat().st_size == self.engine_bytes and sha256(path) == self.engine_sha256


def manifest_of(engine: str | os.PathLike[str], engine_bytes: int) -> Manifest | None:
    """What stands beside an engine; None where nothing does.

    Args:
        engine: The file.
        engine_bytes: Its size.

    Raises:
        ModelError: It cannot be read, or is that of another engine.
    """
    path = manifest_path(engine)
    if not path.exists():
        return None
    manifest = Manifest.load(engine)
    if manifest.engine_bytes != engine_bytes:
        raise ModelError(f"{path}: the manifest of another engine")
    return manifest


def sha256(path: Path) -> str:
    """A file's digest in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def fallback_of(engine: str | os.PathLike[str]) -> Path | None:
    """The FP16 engine that was built beside an engine; None where there is none, or no longer.

    Raises:
        ModelError: The engine has no manifest.
    """
    fallback = Manifest.load(engine).fallback
    path = None if fallback is None else Path(engine).parent / fallback
    return path if path is not None and path.is_file() else None


def _layer(entry: Mapping[str, Any]) -> Layer:
    tensors = {
        side: tuple(LayerTensor(t["dtype"], tuple(t["shape"])) for t in entry[side])
        for side in ("inputs", "outputs")
    }
    return Layer(**{**entry, **tensors, "nodes": tuple(entry["nodes"])})
