"""Collect: one pass over the images, a histogram a tensor."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edgert import _core
from edgert.engine import Engine
from edgert.errors import CalibrationError, CalibrationWarning
from edgert.quant.images.data import CalibrationData, Item
from edgert.quant.model.graph import Graph
from edgert.quant.rewrite.plan import Plan
from edgert.quant.statistics.crew import Crew
from edgert.quant.statistics.saturation import clip_ends
from edgert.quant.statistics.stats import CalibrationStats, digest_of_all

__all__ = ["collect"]

_SAVE_EVERY_S = 20.0
"""What a process that is killed may lose."""


def collect(
    model: str | Path | Engine,
    data: Any,
    *,
    batch: int = 1,
    profile: str = "tensorrt",
    tensors: Sequence[str] | None = None,
    cache: str | Path | None = None,
    threads: int | None = None,
    on_item: Callable[[Item], None] | None = None,
) -> CalibrationStats:
    """Run the model over images and count the magnitudes in its tensors.

    The result is the same to the last bit for any order of the images, any `batch` and any number
    of threads: every image passes the network alone, and only integers are added up. (On Arm
    ONNX Runtime's own last bits depend on which tensors are outputs, and which still are, where a
    Clip is saturated, on when a thread comes to it: a value in a thousand may count as the one
    beside it.) Equal images count once. Memory does not depend on the number of images.

    A tensor that comes from a Clip (ReLU6) and reaches its end in an image, with more values than
    one in 10,000, is no longer counted: its threshold is that end by every method.

    Args:
        model: Path of the float model, or an `Engine`.
        data: `CalibrationData`, or what it is made of: a folder, glob, video, list or iterator.
        batch: How many prepared network inputs may wait for the network.
        profile: See `Plan`: which tensors are collected.
        tensors: The tensors to collect, instead of those that `Plan.default` wants.
        cache: File that a collection is resumed from and saved into, every 20 s and at its end, an
            end by Ctrl-C included. What is in it is not run again.
        threads: At work; None: as many as `edgert.num_threads` says.
        on_item: Is told of every item as the network takes it up.

    Raises:
        ModelError: The model cannot be loaded or lacks one of `tensors`.
        SourceError: No image can be used.
        CalibrationError: The cache is of another model, preprocessing, list of tensors or data, or
            is damaged.
        ValueError: A parameter is out of its range.

    Warns:
        CalibrationWarning: The images are too few or many, near duplicates, dark, or show few
            people.
        DamagedInputWarning: An image is broken; it is skipped.
    """
    if batch < 1 or (threads is not None and threads < 1):
        raise ValueError(f"batch is {batch} and threads {threads}, expected at least 1")
    path = model.path if isinstance(model, Engine) else str(model)
    if not isinstance(data, CalibrationData):
        data = CalibrationData(model, data)
    graph = Graph.load(path)
    wanted = Plan.default(graph, profile).tensors if tensors is None else sorted(set(tensors))
    sizes = {
        name: 4 * math.prod(size or 1 for size in graph.shapes.get(name, ())) for name in wanted
    }
    ends = clip_ends(graph, wanted)
    crew = Crew(path, graph.inputs[0], sizes, threads or _core.num_threads(), batch, ends)
    collection = _Collection(crew, data, graph.digest, wanted, cache)
    del graph  # and with it the weights, which the crew loads anew
    try:
        collection.run(on_item)
    except BaseException:
        crew.stop()
        collection.save()
        raise
    stats = collection.end()
    for finding in data.survey.findings():
        warnings.warn(finding, CalibrationWarning, stacklevel=2)
    return stats


class _Collection:
    """A collection under way: what was there before, what the crew has counted, what was seen."""

    def __init__(
        self,
        crew: Crew,
        data: CalibrationData,
        model_digest: str,
        tensors: Sequence[str],
        cache: str | Path | None,
    ) -> None:
        self._crew, self._data, self._cache = crew, data, cache
        identity = model_digest, data.preprocessing
        if cache is not None and Path(cache).exists():
            self._before = CalibrationStats.load(
                cache, model_digest=identity[0], preprocessing=identity[1], tensors=tensors
            )
            self._require_nothing_else(data.pictures.digests())
        else:
            self._before = CalibrationStats.empty(tensors, *identity)
        crew.saturated.update(n for n, t in self._before.tensors.items() if t.saturated)
        self._seen: set[str] = set()
        self._taken = set(self._before.items)
        # Images whose items are all handed over, but may not be counted yet.
        self._handed_over: dict[str, list[str]] = {}

    def run(self, on_item: Callable[[Item], None] | None) -> None:
        """Hand every item that is not counted yet to the crew, and wait for it."""
        saved_s = time.monotonic()
        for item in self._items():
            self._crew.put(item.digest, item.tensor)
            if on_item is not None:
                on_item(item)
            if time.monotonic() - saved_s > _SAVE_EVERY_S:
                self.save()
                saved_s = time.monotonic()
        self._crew.finish()

    def end(self) -> CalibrationStats:
        """The statistics, saved.

        Raises:
            CalibrationError: Some of them are of images that are not in the data.
        """
        self._require_nothing_else(self._seen)
        return self.save()

    def save(self) -> CalibrationStats:
        """What was counted so far, put into the cache where there is one."""
        tensors, done = self._crew.state()
        counted = self._before.items | done
        finished = {
            image for image, items in self._handed_over.items() if counted.issuperset(items)
        }
        before = self._before
        stats = CalibrationStats(
            {name: before.tensors[name] + found for name, found in tensors.items()},
            before.model_digest,
            before.preprocessing,
            counted,
            before.finished | finished,
        )
        if self._cache is not None and counted:
            stats.save(self._cache)
        return stats

    def _items(self) -> Iterator[Item]:
        for image, items in self._data.images(self._taken, self._before.finished):
            self._seen.add(image)
            digests = []
            for item in items:
                digests.append(item.digest)
                self._taken.add(item.digest)
                yield item
            self._handed_over.setdefault(image, digests)

    def _require_nothing_else(self, images: set[str] | None) -> None:
        if images is None:
            return
        before = self._before
        surplus = (before.finished | {digest.partition("-")[0] for digest in before.items}) - images
        if surplus:
            raise CalibrationError(
                f"{self._cache}: holds {len(surplus)} images that are not in the data, the first "
                f"with the digest {min(surplus)}; the data's {len(images)} images have the digest "
                f"{digest_of_all(images)}, its own {digest_of_all(before.finished)}. Give the data "
                f"that it was collected from (more may be added), or another file"
            )
