"""Tensors that reach the end of their own Clip, and so need no histogram.

A network cuts off what is beyond a Clip (ReLU6: 6) itself. Once values are there in number, the
Clip's end is where INT8 has to clip too: in a pose network with 35 such tensors the percentile
99.99 and the maximum were 6.0 in each, entropy chose 5.8 to 6.0, mean squared error 5.9 to 6.0. But
they hold 86 % of all values, and reading them takes longer than the network itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgert.engines.base import Array
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.quant.model.graph import Graph, attribute

__all__ = ["Narrowing", "Watch", "clip_ends"]

# As many as the default percentile clips. Of one item alone: which items came before must not
# matter.
_SHARE = 1e-4

_ENOUGH_LESS = 0.5
"""A new session takes as long as two or three images: for half the values it pays."""


def clip_ends(graph: Graph, tensors: Collection[str]) -> dict[str, tuple[float, float]]:
    """Where the tensors that come from a Clip begin and end, if that is between 0 and infinity.

    Only those that nothing but convolutions read: ONNX Runtime computes these to the same bits
    whether the tensor is an output or not, while other operators may become one with the Clip.
    """
    found = {}
    for name in tensors:
        node = graph.producer(name)
        if node is None or node.op_type != "Clip" or name in graph.outputs:
            continue
        if any(use.node.op_type != "Conv" or use.index != 0 for use in graph.uses(name)):
            continue
        # The limits are attributes before opset 11.
        low, high = (
            attribute(node, attr) if len(node.input) <= i else graph.constant(node.input[i])
            for i, attr in ((1, "min"), (2, "max"))
        )
        if low is not None and high is not None and 0 <= np.min(low) < np.max(high) < 1e30:
            found[name] = float(np.min(low)), float(np.max(high))
    return found


class Narrowing:
    """What the workers read of the network: less, where tensors have turned out saturated.

    Args:
        open_graph: Makes a session that gives these tensors.
        tensors: All that are counted.
        saturated: Those that are known to be.

    Attributes:
        saturated: Tensors that one item was enough for.
    """

    def __init__(
        self,
        open_graph: Callable[[Sequence[str]], OnnxRuntimeGraph],
        tensors: Sequence[str],
        saturated: Collection[str] = (),
    ) -> None:
        self._open_graph, self._tensors = open_graph, tensors
        self._lock = threading.Lock()
        self.saturated = set(saturated)
        self._graph: OnnxRuntimeGraph | None = None

    def graph(self) -> OnnxRuntimeGraph:
        """The session for the next item."""
        with self._lock:
            if self._graph is None:
                wanted = [name for name in self._tensors if name not in self.saturated]
                self._graph = self._open_graph(wanted)
            return self._graph

    def outdated(self, graph: OnnxRuntimeGraph, found: Mapping[str, Array]) -> bool:
        """Whether the next item wants another session: most of what is read is saturated.

        Who has this one lets go of it before the next one is opened, and takes its memory.

        Args:
            graph: The session that a worker has.
            found: What it has read with it.
        """
        sizes = {name: found[name].size for name in self._tensors if name in found}
        surplus = sum(size for name, size in sizes.items() if name in self.saturated)
        with self._lock:
            if graph is self._graph and 0 < surplus >= _ENOUGH_LESS * sum(sizes.values()):
                self._graph = None
            return graph is not self._graph


class Watch:
    """How many values of one item lie where a Clip ends; the bin of that end says it.

    Args:
        tensors: In the order of the histograms.
        ends: Of `clip_ends`.
    """

    def __init__(self, tensors: Sequence[str], ends: Mapping[str, tuple[float, float]]) -> None:
        self._names = [name for name in tensors if name in ends]
        self._rows = np.array([tensors.index(name) for name in self._names], dtype=np.intp)
        highs = np.array([ends[name][1] for name in self._names], dtype=np.float32)
        self._bins = (highs.view(np.uint32) >> 16).astype(np.intp)

    def at_end(self, counts: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """How many values of each watched tensor were counted at its end so far."""
        there: NDArray[np.uint64] = counts[self._rows, self._bins]
        return there

    def saturated(self, more: NDArray[np.uint64], found: Mapping[str, Array]) -> set[str]:
        """The tensors of an item of which `more` values than before it lie at the end."""
        return {
            name
            for name, count in zip(self._names, more.tolist(), strict=True)
            if name in found and count > _SHARE * found[name].size
        }
