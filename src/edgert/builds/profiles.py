"""Between which sizes the open sizes of a network's inputs lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgert.engines.tensorrt import sizes
from edgert.errors import ModelError

if TYPE_CHECKING:
    from edgert.engines.tensorrt import trt

__all__ = ["add_profiles"]


def add_profiles(
    path: str | Path,
    builder: trt.Builder,
    network: trt.INetworkDefinition,
    config: trt.IBuilderConfig,
    batches: Sequence[int],
    shapes: Mapping[str, Sequence[int]],
    *,
    only_largest: bool = False,
) -> None:
    """Add an optimisation profile for each batch size, if any size is open.

    A profile is tuned for its own batch size and takes all down to the one before it, so each
    number of items has one profile: the first whose largest batch holds them.

    Args:
        path: What errors call the model.
        builder: Makes the profiles.
        network: Has the inputs.
        config: Gets the profiles, in the order of the batch sizes.
        batches: Ascending.
        shapes: By name, the shape of inputs with other open sizes; a first size of -1 stays open.
        only_largest: One size for all of them, where nothing may be open in the end.

    Raises:
        ModelError: A size beyond the batch is open and was not told.
        ValueError: `shapes` names no input, or contradicts the model.
    """
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    for name in shapes:
        if name not in [tensor.name for tensor in inputs]:
            raise ValueError(
                f"shapes names {name!r}; the model has {', '.join(t.name for t in inputs)}"
            )
    found = {tensor.name: sizes(tensor.shape) for tensor in inputs}
    for name, shape in shapes.items():
        if not _fits(tuple(shape), found[name]):
            raise ValueError(
                f"shapes gives {name} {tuple(shape)}, which does not fit the model's {found[name]}"
            )
    if not any(-1 in shape for shape in found.values()):
        return
    told = {name: tuple(shapes.get(name, shape)) for name, shape in found.items()}
    for name, shape in told.items():
        if -1 in shape[1:]:
            raise ModelError(
                f"{path}: input {name} is {found[name]}, with open sizes beyond the batch; name a "
                f"shape for it (shapes={{{name!r}: (1, 3, 640, 640)}}, --shape)"
            )
    if not any(shape[0] == -1 for shape in told.values()):
        batches = batches[-1:]
    least = 1
    for batch in batches[-1:] if only_largest else batches:
        profile = builder.create_optimization_profile()
        for name, shape in told.items():
            most = batch if shape[0] == -1 else shape[0]
            fewest = most if only_largest or shape[0] != -1 else least
            # As tuples, which TensorRT takes for its Dims and its stubs do not.
            limits: list[Any] = [(count, *shape[1:]) for count in (fewest, most, most)]
            profile.set_shape(name, *limits)
        config.add_optimization_profile(profile)
        least = batch + 1


def _fits(shape: tuple[int, ...], found: tuple[int, ...]) -> bool:
    return len(shape) == len(found) and all(
        size in (told, -1) for told, size in zip(shape, found, strict=True)
    )
