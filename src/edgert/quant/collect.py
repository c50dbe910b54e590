"""Collect: one pass over the images, a histogram a tensor."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgert import _core
from edgert.engine import Engine
from edgert.errors import CalibrationError, CalibrationWarning
from edgert.quant.crew import Crew
from edgert.quant.data import CalibrationData, Item
from edgert.quant.graph import Graph
from edgert.quant.plan import Plan
from edgert.quant.stats import BINS, CalibrationStats, TensorStats

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
    of threads: every image passes the network alone, and only integers are added up. Equal images
    count once. Memory does not depend on the number of images.

    Args:
        model: Path of the float model, or an `Engine`.
        data: `CalibrationData`, or what it is made of: a folder, glob, video, list or iterator.
        batch: How many prepared network inputs may wait for the network.
        profile: See `Plan`: which tensors are collected.
        tensors: The tensors to collect, instead of those that `Plan.default` wants.
        cache: File that a collection is resumed from and saved into, every 20 s and at its end, an
            end by Ctrl-C included. What is in it is not run again.
        threads: Of this machine; None: as many as `edgert.set_num_threads` says.
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
    path = model.path if isinstance(model, Engine) else model
    if not isinstance(data, CalibrationData):
        data = CalibrationData(model, data)
    graph = Graph.load(path)
    wanted = Plan.default(graph, profile).tensors if tensors is None else tuple(sorted(tensors))
    before = _start(cache, wanted, graph.digest, data)
    del graph  # with all its weights
    collection = _Collection(before, data)

    def save() -> None:
        if cache is not None:
            collection.stats().save(cache)

    with Crew(path, wanted, threads or _core.num_threads(), waiting=batch) as crew:
        collection.crew = crew
        saved_s = time.monotonic()
        try:
            for item in collection.items():
                crew.put(item.digest, item.tensor)
                if on_item is not None:
                    on_item(item)
                if time.monotonic() - saved_s > _SAVE_EVERY_S:
                    save()
                    saved_s = time.monotonic()
            crew.finish()
        except BaseException:
            crew.stop()
            save()
            raise
    collection.require_all_seen(cache)
    save()
    for finding in data.survey.findings():
        warnings.warn(finding, CalibrationWarning, stacklevel=2)
    return collection.stats()
