"""What every device network checks before memory is handed to a runtime, which checks nothing."""

from __future__ import annotations

from collections.abc import Sequence

from edgert.engines.base import DeviceTensor, Network, TensorSpec
from edgert.errors import ModelError

__all__ = ["check_memory", "items_of_run"]


def check_memory(
    network: Network, feed: DeviceTensor, outputs: Sequence[tuple[str, DeviceTensor]]
) -> None:
    """Raise ModelError unless the memory is what the model's input and these outputs need.

    A size that the model leaves open may be any; that of the batch is one for all.
    """
    _check_tensor(network, network.inputs[0], feed, feed.shape[:1])
    specs = {spec.name: spec for spec in network.outputs}
    for name, tensor in outputs:
        if name not in specs:
            raise ModelError(f"{network.path}: has no output {name!r}; it has {', '.join(specs)}")
        _check_tensor(network, specs[name], tensor, feed.shape[:1])


def items_of_run(network: Network, feed: DeviceTensor, batch: int) -> int:
    """How many items a run on `batch` works on: all, where the model's batch is fixed.

    Raises:
        ModelError: The memory does not hold that many.
    """
    if not 1 <= batch <= feed.shape[0]:
        raise ModelError(
            f"{network.path}: a run on {batch} items was asked for, but the memory that it is "
            f"bound to holds 1 to {feed.shape[0]}"
        )
    return batch if network.inputs[0].shape[0] is None else feed.shape[0]


def _check_tensor(
    network: Network, spec: TensorSpec, tensor: DeviceTensor, batch: tuple[int, ...]
) -> None:
    fits = len(tensor.shape) == len(spec.shape) and all(
        found in (None, size) for found, size in zip(spec.shape, tensor.shape, strict=True)
    )
    if not fits or tensor.shape[:1] != batch or tensor.dtype != spec.dtype:
        raise ModelError(
            f"{network.path}: found memory of {tensor.shape} {tensor.dtype} for {spec.name}, "
            f"expected that of {spec}, with {batch[0]} items"
        )
    if tensor.address == 0:
        raise ModelError(f"{network.path}: found no address of memory for {spec.name}")
