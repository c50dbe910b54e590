"""From a name and a checkpoint to a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from edgert.architectures.catalogue import ARCHITECTURES, HRNetShape, Yolov8Shape
from edgert.architectures.hrnet import HRNet
from edgert.architectures.yolov8 import Yolov8
from edgert.errors import ModelError

__all__ = ["load", "make"]

_PREFIX = "module."  # of a checkpoint that was saved by a data-parallel wrapper


def make(shape: Yolov8Shape | HRNetShape, *, seed: int = 0) -> Yolov8 | HRNet:
    """A network with random weights, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Yolov8(shape) if isinstance(shape, Yolov8Shape) else HRNet(shape)


def load(name: str, path: str | Path, names: Sequence[str] | None = None) -> Yolov8 | HRNet:
    """A network with the weights of a checkpoint.

    Args:
        name: One of `ARCHITECTURES`.
        path: A state dict that torch.save wrote, or a dict that has one as `state_dict`. Nothing
            in it is executed. How many classes or joints there are is read from it.
        names: The classes of a detector; None: those of `ARCHITECTURES`.

    Raises:
        ModelError: It is no checkpoint, or one of another network.
    """
    shape, state = ARCHITECTURES[name], _state(path)
    if isinstance(shape, Yolov8Shape):
        count = _outputs(state, "model.22.cv3.0.2.bias", name, path)
        names = shape.names if names is None else tuple(names)
        if len(names) != count:
            raise ModelError(
                f"{path}: a detector of {count} classes, {len(names)} names; name them all"
            )
        shape = replace(shape, names=tuple(names))
    else:
        shape = replace(shape, joints=_outputs(state, "final_layer.bias", name, path))
    network = make(shape)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        words = str(error).replace("\n\t", " ")
        raise ModelError(f"{path}: the weights are not of {name}: {words[:400]}") from error
    return network


def _state(path: str | Path) -> Mapping[str, Any]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except Exception as error:
        raise ModelError(
            f"{path}: not a file of weights alone ({type(error).__name__}); expected what "
            f"torch.save(network.state_dict(), path) writes. One that holds a whole Python object "
            f"is loaded where its package is, and saved like this"
        ) from error
    if isinstance(found, Mapping):
        found = found.get("state_dict", found)
    if not isinstance(found, Mapping) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in found.items()
    ):
        raise ModelError(f"{path}: found no state dict; expected tensors by name")
    return {key.removeprefix(_PREFIX): value.float() for key, value in found.items()}


def _outputs(state: Mapping[str, Any], key: str, name: str, path: str | Path) -> int:
    if key not in state:
        few = ", ".join(list(state)[:3])
        raise ModelError(f"{path}: not the weights of {name}: no {key}; it has {few}, ...")
    return len(state[key])
