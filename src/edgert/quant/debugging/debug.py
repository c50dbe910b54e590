"""Two models of different precision, frame by frame: where they part, which frames suffer."""

from __future__ import annotations

import heapq
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgert.engine import Engine
from edgert.engines.base import Array
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import DamagedInputWarning, ModelError
from edgert.io.frame import Frame
from edgert.quant.debugging.comparison import Comparison, FrameDifference, LayerDifference
from edgert.quant.debugging.parting import (
    Common,
    Noise,
    common_layers,
    drops,
    incomparable,
    measure,
)
from edgert.quant.debugging.views import View, make_view
from edgert.quant.trials.agreement import SEEN, agreement, with_common_ids
from edgert.result import Result

__all__ = ["debug"]

# Widest picture of a worst frame, in pixels.
_PICTURE_WIDTH = 800


def debug(
    model: str | Path,
    other: str | Path,
    source: Any,
    *,
    detector: str | Path | Engine | None = None,
    max_frames: int | None = None,
    threshold_db: float = 20.0,
    worst: int = 3,
    threads: int | None = None,
    on_frame: Callable[[int, int | None], None] | None = None,
) -> Comparison:
    """Compare two models of one network frame by frame.

    Each layer's noise is summed up over the frames, so memory holds one frame's tensors of both
    models and no more.

    Args:
        model: The reference, usually FP32: a detector or a top-down pose network, .onnx.
        other: The same network in INT8, FP16 or mixed, .onnx with its tensor names kept.
        source: As in `Pipeline.run`.
        detector: Finds the people that a pose network is run on, the same for both.
        max_frames: Stop after so many frames.
        threshold_db: Layers of a lower signal to noise ratio count as parted.
        worst: How many frames to keep pictures of: so many by what is seen, so many by noise.
        threads: Threads within an operator; None: all cores.
        on_frame: Called with the frames done and, where known, how many there are.

    Returns:
        The comparison; `edgert.quant.report.debug_page` makes it a page.

    Raises:
        ModelError: A model cannot be loaded, or they are not of one network.
        SourceError: The source cannot be read, or has no frame.
        ValueError: A parameter is out of its range, or a pose network has no detector.
    """
    from edgert.io import open_source

    if max_frames is not None and max_frames < 1:
        raise ValueError(f"max_frames is {max_frames}, expected at least 1")
    if worst < 0:
        raise ValueError(f"worst is {worst}, expected 0 or more")
    view = make_view(model, other, detector, threads)
    layers = _Layers(model, other, common_layers(model, other), threads)
    gallery = _Gallery(worst)
    with view, open_source(source) as frames:
        total = _least(frames.frame_count, max_frames)
        for done, frame in enumerate(frames, start=1):
            gallery.add(*_one_frame(view, layers, frame), frame)
            if on_frame is not None:
                on_frame(done, total)
            if done == max_frames:
                break
        for message in frames.warnings:
            warnings.warn(message, DamagedInputWarning, stacklevel=2)
    return Comparison(
        model=str(model),
        other=str(other),
        source=frames.name,
        threshold_db=threshold_db,
        layers=layers.differences(),
        outputs=layers.common.outputs,
        missing=layers.missing(),
        frames=tuple(gallery.frames),
        worst_seen=gallery.worst_seen(),
        worst_noise=gallery.worst_noise(),
        pictures=gallery.pictures,
    )


def _one_frame(view: View, layers: _Layers, frame: Frame) -> tuple[FrameDifference, Result, Result]:
    first, second = view.results(frame)
    found = agreement(first, second)
    totals: dict[str, Noise] = {}
    for feed in view.feeds(frame, first):
        for name, noise in layers.add(feed).items():
            totals.setdefault(name, Noise()).add(noise)
    ratios = [n.signal_to_noise_db for n in totals.values() if n.signal_to_noise_db is not None]
    difference = FrameDifference(
        index=frame.index,
        source=frame.source,
        signal_to_noise_db=min(ratios, default=None),
        nonfinite=sum(noise.nonfinite for noise in totals.values()),
        people=(len(first), len(second)),
        agreement=found,
    )
    return difference, first, second


class _Layers:
    """Both models with their layers to be read, and the running sums."""

    def __init__(
        self, model: str | Path, other: str | Path, common: Common, threads: int | None
    ) -> None:
        self.common = common
        self._names = [layer.name for layer in common.layers]
        self._graphs = [
            OnnxRuntimeGraph(path, outputs=self._names, threads=threads) for path in (model, other)
        ]
        self._sums = {name: Noise() for name in self._names}
        self._left_out: dict[str, str] = {}

    def add(self, feed: Array) -> dict[str, Noise]:
        """Runs both models; gives what was measured in their outputs."""
        first, second = (
            graph.run({graph.inputs[0].name: feed.astype(graph.inputs[0].dtype, copy=False)})
            for graph in self._graphs
        )
        outputs: dict[str, Noise] = {}
        for name, reference, value in zip(self._names, first, second, strict=True):
            if reference.dtype.kind != "f" or name in self._left_out:
                continue
            reason = incomparable(reference, value)
            if reason is not None:
                self._left_out[name] = reason
                continue
            noise = measure(reference, value)
            self._sums[name].add(noise)
            if name in self.common.outputs:
                outputs[name] = noise
        if len(self._left_out) == len(self._names):
            name, reason = next(iter(self._left_out.items()))
            raise ModelError(
                f"{self._graphs[0].path} and {self._graphs[1].path} are not of one network: of "
                f"{len(self._names)} tensors of one name none can be compared; {name} {reason}"
            )
        return outputs

    def differences(self) -> tuple[LayerDifference, ...]:
        decibels = {name: noise.signal_to_noise_db for name, noise in self._sums.items()}
        return tuple(
            LayerDifference(
                layer.name, layer.op, decibels[layer.name], drop, self._sums[layer.name].nonfinite
            )
            for layer, drop in zip(
                self.common.layers, drops(self.common.layers, decibels), strict=True
            )
            if decibels[layer.name] is not None or self._sums[layer.name].nonfinite
        )

    def missing(self) -> tuple[tuple[str, str], ...]:
        absent = [(n, f"{op}: no tensor of this name") for n, op in self.common.missing]
        return (*absent, *self._left_out.items())


class _Gallery:
    """All frames' figures, and the pictures of the worst of them."""

    def __init__(self, worst: int) -> None:
        self.frames: list[FrameDifference] = []
        self.pictures: dict[int, tuple[bytes, bytes]] = {}
        self._worst = worst

    def add(self, difference: FrameDifference, first: Result, second: Result, frame: Frame) -> None:
        position = len(self.frames)
        self.frames.append(difference)
        wanted = {*self.worst_seen(), *self.worst_noise()}
        self.pictures = {i: pair for i, pair in self.pictures.items() if i in wanted}
        if position in wanted:
            with_common_ids(first, second, difference.agreement)
            self.pictures[position] = (
                _picture(first.draw(frame.image, keypoint_threshold=SEEN)),
                _picture(second.draw(frame.image, keypoint_threshold=SEEN)),
            )

    def worst_seen(self) -> tuple[int, ...]:
        def severity(position: int) -> tuple[float, ...]:
            return self.frames[position].agreement.severity

        differing = [i for i in range(len(self.frames)) if any(severity(i))]
        return tuple(heapq.nlargest(self._worst, differing, key=severity))

    def worst_noise(self) -> tuple[int, ...]:
        def noise(position: int) -> tuple[int, float]:
            frame = self.frames[position]
            decibels = frame.signal_to_noise_db
            return frame.nonfinite, -math.inf if decibels is None else -decibels

        noisy = [i for i in range(len(self.frames)) if noise(i) > (0, -math.inf)]
        return tuple(heapq.nlargest(self._worst, noisy, key=noise))


def _picture(image: Array) -> bytes:
    import io

    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    picture.thumbnail((_PICTURE_WIDTH, 4 * _PICTURE_WIDTH))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def _least(*counts: int | None) -> int | None:
    return min((count for count in counts if count is not None), default=None)
