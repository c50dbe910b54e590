"""The networks of a pipeline: loaded, all on one device, of the precision that was asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgert import _core
from edgert.devices import context, ordinal_of
from edgert.engine import Engine
from edgert.engines.base import SharesMemory

__all__ = ["Model", "check_precision", "load_model", "one_device", "share_memory"]

Model = str | os.PathLike[str] | Engine
"""What a pipeline takes for a network."""


def load_model(model: Model, wanted: Mapping[str, Any]) -> Engine:
    """An `Engine` as it is, anything else as one, with what is wanted of it."""
    return model if isinstance(model, Engine) else Engine(model, **wanted)


def one_device(engines: Sequence[Engine]) -> _core.CudaContext | None:
    """The GPU that all work on; None: the CPU.

    Raises:
        ValueError: They are on several devices.
    """
    devices = {engine.network.device for engine in engines}
    if len(devices) > 1:
        found = ", ".join(
            f"{Path(e.path).name} on {e.network.device}{f' ({e.why})' if e.why else ''}"
            for e in engines
        )
        raise ValueError(f"found {found}; expected all networks of a pipeline on one device")
    device = devices.pop()
    return None if device == "cpu" else context(ordinal_of(device))


def share_memory(engines: Sequence[Engine]) -> int | None:
    """One piece of memory a lane for what lies between the layers of all: they take turns.

    Returns:
        Bytes of it; None where no runtime tells before it runs.
    """
    most = max((engine.lane_bytes or 0 for engine in engines), default=0)
    for engine in engines:
        if isinstance(engine.network, SharesMemory):
            engine.network.reserve(most)
    return most or None


def check_precision(engine: Engine, precision: str) -> None:
    """Raise ValueError unless a network computes in what was asked for."""
    if precision not in ("auto", engine.precision):
        network = engine.network
        raise ValueError(
            f"precision {precision!r} was asked for, but {engine.path} is "
            f"{engine.precision or 'of a precision that it does not tell'}, and {network.runtime} "
            f"runs it as it is; give one exported or built in {precision}, or precision='auto'"
        )
