"""The little that edgert asks of a model runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "DeviceNetwork", "DeviceTensor", "Network", "Run", "SharesMemory", "TensorSpec"]

Array = NDArray[Any]
Run = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output as the model declares it; None stands for a size that is open."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name} ({sizes}) {self.dtype}"


@dataclass(frozen=True, slots=True)
class DeviceTensor:
    """C-contiguous memory of a GPU; without an address, what is to be allocated."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    address: int = 0


class Network(Protocol):
    """A loaded model."""

    path: str
    runtime: str
    device: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metadata: Mapping[str, str]

    def infer(self, feed: Array) -> list[Array]:
        """Run once on a whole input array; returns all outputs as new arrays."""

    def bind(self, feed: Array, outputs: Mapping[str, Array]) -> Run:
        """Tie the network to memory.

        Args:
            feed: The input, (N, C, H, W), C-contiguous. Its address must not change.
            outputs: Arrays for the outputs that are wanted, by name, with N items each.

        Returns:
            A function that runs the network on the first `batch` items of `feed` into the first
            `batch` items of the outputs, without copies; a model of fixed batch runs on all N.
        """


@runtime_checkable
class DeviceNetwork(Network, Protocol):
    """A loaded model whose work can be enqueued on a stream of a GPU."""

    def bind_device(
        self, stream: int, feed: DeviceTensor, outputs: Sequence[tuple[str, DeviceTensor]]
    ) -> Run:
        """Tie the network to a stream and to memory.

        Args:
            stream: The stream's address. Nothing of the run may wait for it, and nothing may go to
                another stream without coming back to it: the work is recorded into a graph.
            feed: The input, (N, C, H, W).
            outputs: Memory for the outputs that are wanted, by name, with N items each.

        Returns:
            A function that enqueues a run on the first `batch` items; a model of fixed batch runs
            on all N. It raises ModelError for a batch that the memory does not hold, and where the
            runtime fails. What is recorded of a run stays right whatever is run later, in this
            size or another.

        Raises:
            ModelError: The model has no such output, or the memory is not what it needs.
        """


@runtime_checkable
class SharesMemory(Protocol):
    """A network that needs memory while it runs, and leaves nothing in it.

    Attributes:
        context_bytes: How much of it, at most, on each stream.
    """

    context_bytes: int

    def reserve(self, count: int) -> None:
        """Take at least so many bytes a stream: other networks are to work there."""
