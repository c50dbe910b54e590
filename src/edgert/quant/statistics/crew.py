"""Threads that run a network and count what its tensors hold."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from edgert import _core
from edgert.engines.base import Array
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import ModelError
from edgert.quant.statistics.saturation import Narrowing, Watch
from edgert.quant.statistics.stats import NOTHING, TensorStats

__all__ = ["Crew"]

_TENSORS_BYTES = 150 * 10**6
"""What the tensors that are counted may take, of all images at work together; those of one image
always may. What ONNX Runtime needs while it makes them comes on top: about 0.6 times as much."""

_NO_VALUES = np.zeros(0, np.float32)


class Crew:
    """Runs a network, one item a worker at a time, and counts.

    A worker that has an item for itself waits for nobody: two workers of one thread each take less
    time than one of two threads. Where the tensors are too large for a worker a thread, there are
    fewer workers, of several threads each, until large tensors are known to be saturated.

    Args:
        model: Path of the model.
        feed: Name of its input.
        sizes: What is counted, results of nodes or the input, and the bytes of it for one item.
        threads: At work altogether.
        waiting: How many items may wait.
        ends: Of `clip_ends`: tensors that need no histogram once they are saturated.

    Attributes:
        saturated: Those that are; whoever knows of some beforehand adds them before the first item.
    """

    def __init__(
        self,
        model: str | Path,
        feed: str,
        sizes: Mapping[str, int],
        threads: int,
        waiting: int,
        ends: Mapping[str, tuple[float, float]],
    ) -> None:
        self.saturated: set[str] = set()
        self._ends = ends
        self._model, self._feed, self._tensors = model, feed, tuple(sizes)
        self._sizes = sizes
        self._threads = threads
        self._queue: queue.Queue[tuple[str, Array] | None] = queue.Queue(waiting)
        self._workers: list[_Worker] = []
        self._wanted_workers = 0
        self._network: Narrowing | None = None

    def put(self, digest: str, tensor: Array) -> None:
        """Hand over an item, and wait where enough of them do.

        Args:
            digest: Its name in `done`.
            tensor: (1, 3, H, W).

        Raises:
            ModelError: The model cannot be loaded, lacks a tensor, or failed on an item.
        """
        if self._network is None:
            shape = tensor.shape
            self._network = Narrowing(
                lambda tensors: self._graph(tensors, shape), self._tensors, self.saturated
            )
            self.saturated = self._network.saturated
            self._network.graph()  # which says how many workers there are to be
        while len(self._workers) < self._wanted_workers:
            watch = Watch(self._tensors, self._ends)
            self._workers.append(_Worker(self._network, self._tensors, watch, self._queue))
            self._workers[-1].start()
        self._hand_over((digest, tensor))

    def finish(self) -> None:
        """Wait until every item is counted.

        Raises:
            ModelError: The model failed on an item.
        """
        for _ in self._workers:
            self._hand_over(None)
        for worker in self._workers:
            worker.join()
        self._raise_error()

    def stop(self) -> None:
        """Let the workers end what they are at, and nothing more."""
        while any(worker.is_alive() for worker in self._workers):
            try:
                self._queue.get_nowait()
            except queue.Empty:
                for worker in self._workers:
                    worker.stopping = True
                    worker.join(0.02)

    def state(self) -> tuple[dict[str, TensorStats], set[str]]:
        """What was counted so far, and the digests of the items that it is of."""
        with ExitStack() as locks:
            for worker in self._workers:
                locks.enter_context(worker.lock)
            seen = {
                name: TensorStats.of_clip(*self._ends[name]) if name in self.saturated else NOTHING
                for name in self._tensors
            }
            for worker in self._workers:
                tallies = worker.histograms
                columns = (tallies.counts, tallies.minima, tallies.maxima, tallies.nonfinite)
                for name, counts, low, high, odd in zip(self._tensors, *columns, strict=True):
                    seen[name] += TensorStats(counts, float(low), float(high), int(odd))
            return seen, {digest for worker in self._workers for digest in worker.done}

    def _graph(self, tensors: Sequence[str], shape: tuple[int, ...]) -> OnnxRuntimeGraph:
        item_bytes = sum(self._sizes[name] for name in tensors)
        workers = max(1, min(self._threads, _TENSORS_BYTES // max(item_bytes, 1)))
        graph = OnnxRuntimeGraph(
            self._model,
            outputs=[name for name in tensors if name != self._feed] or None,
            input_shapes={self._feed: shape},
            threads=self._threads // workers,
        )
        for spec in graph.outputs:
            if spec.name in self._tensors and spec.dtype not in (np.float32, np.float16):
                raise ModelError(
                    f"{self._model}: tensor {spec.name} is {spec.dtype}, expected float32 or "
                    f"float16"
                )
        self._wanted_workers = workers
        return graph

    def _hand_over(self, item: tuple[str, Array] | None) -> None:
        while True:
            self._raise_error()
            try:
                return self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue

    def _raise_error(self) -> None:
        for worker in self._workers:
            if worker.error is not None:
                raise worker.error


class _Worker(threading.Thread):
    """One item after the other, into histograms of its own.

    Attributes:
        lock: Held while the attributes below change.
        histograms: Of the items in `done`.
        done: Their digests.
        error: Why it ended, or None.
        stopping: Set from outside to end it before the next item.
    """

    def __init__(
        self,
        network: Narrowing,
        tensors: Sequence[str],
        watch: Watch,
        items: queue.Queue[tuple[str, Array] | None],
    ) -> None:
        super().__init__(name="edgert-collect", daemon=True)
        self.lock = threading.Lock()
        self.histograms = _core.Histograms(len(tensors))
        self.done: list[str] = []
        self.error: BaseException | None = None
        self.stopping = False
        self._network, self._tensors, self._watch, self._items = network, tensors, watch, items

    def run(self) -> None:
        """Until there is nothing more to do."""
        try:
            self._work()
        except BaseException as error:  # whatever it is, it belongs to who hands items over
            self.error = error

    def _work(self) -> None:
        graph: OnnxRuntimeGraph | None = None
        while not self.stopping:
            try:
                item = self._items.get(timeout=0.1)
            except queue.Empty:
                continue
            if item is None:
                return
            digest, tensor = item
            if graph is None:
                graph = self._network.graph()
                feed, infer = _bound(graph, tensor)
            feed[...] = tensor
            found = dict(zip((o.name for o in graph.outputs), infer(), strict=True))
            found[graph.inputs[0].name] = feed
            with self.lock:
                counts = self.histograms.counts
                before = self._watch.at_end(counts)
                self.histograms.add([found.get(name, _NO_VALUES) for name in self._tensors])
                more = self._watch.at_end(counts) - before
                self._network.saturated.update(self._watch.saturated(more, found))
                self.done.append(digest)
            if self._network.outdated(graph, found):
                del found, feed, infer
                graph = None


def _bound(graph: OnnxRuntimeGraph, tensor: Array) -> tuple[Array, Callable[[], list[Array]]]:
    """Memory for an item, and what runs the graph on it."""
    spec = graph.inputs[0]
    # A model of fixed batch gets the item so many times: every count is a multiple.
    feed = np.empty((spec.shape[0] or 1, *tensor.shape[1:]), tensor.dtype)
    return feed, graph.bind({spec.name: feed})
