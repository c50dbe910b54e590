"""What the written model makes of images, beside what the float model makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgert import _core
from edgert.engine import Engine
from edgert.engines.base import Array
from edgert.engines.onnxruntime import OnnxRuntimeGraph
from edgert.errors import ModelError
from edgert.models import DetectorModel, PoseModel
from edgert.ops import make_box_filter
from edgert.quant.agreement import SEEN, agreement
from edgert.quant.data import Item
from edgert.quant.metrics import SignalToNoise
from edgert.quant.report.content import Accuracy
from edgert.result import Result

__all__ = ["outcome"]

# A joint that has moved by less than this share of its person's box is where it was.
_NEAR = 0.05

_Decode = Callable[[Item, Sequence[Array]], Result]


def outcome(
    model: str | Path, other: str | Path, items: Sequence[Item], threads: int | None = None
) -> tuple[dict[str, float], tuple[Accuracy, ...]]:
    """Run both files as the runtime at hand does.

    Args:
        model: The float model.
        other: The quantized one.
        items: Images, or people cut out, that calibration has not seen.
        threads: Threads within an operator; None: all cores.

    Returns:
        SQNR of each part of the outputs in dB, and figures of agreement where the outputs are
        those of a detector or a pose network.
    """
    graphs = [OnnxRuntimeGraph(path, threads=threads) for path in (model, other)]
    names = [spec.name for spec in graphs[0].outputs]
    decode = _decoder(Engine(model, threads=threads))
    noise = SignalToNoise()
    pairs: list[tuple[Result, Result]] = []
    for item in items:
        found = [graph.run({graph.inputs[0].name: item.tensor}) for graph in graphs]
        noise.add(names, *found)
        if decode is not None:
            pairs.append((decode(item, found[0]), decode(item, found[1])))
    return dict(noise.per_part), tuple(_agreements(pairs))


def _agreements(pairs: Sequence[tuple[Result, Result]]) -> list[Accuracy]:
    if not pairs:
        return []
    if pairs[0][0].keypoints is None:
        found = [agreement(*pair) for pair in pairs]
        both = sum(len(each.pairs) for each in found)
        total = sum(len(first) + len(second) for first, second in pairs)
        share = 2 * both / total if total else None
        return [Accuracy("detections in agreement (F1)", None, share, "float model", len(pairs))]
    seen = near = 0
    for first, second in pairs:
        assert first.keypoints is not None
        assert first.keypoint_scores is not None
        assert second.keypoints is not None
        visible = first.keypoint_scores >= SEEN
        distances = np.linalg.norm(first.keypoints - second.keypoints, axis=2)
        size = (first.boxes[:, 2:] - first.boxes[:, :2]).max(axis=1, keepdims=True)
        seen += int(visible.sum())
        near += int((visible & (distances <= _NEAR * size)).sum())
    share = near / seen if seen else None
    title = f"joints within {_NEAR:.0%} of the box"
    return [Accuracy(title, None, share, "float model", len(pairs))]


def _decoder(engine: Engine) -> _Decode | None:
    """How outputs are read, for the networks that the pipeline knows."""
    try:
        detector = DetectorModel(engine)
    except ModelError:
        return _poses(PoseModel(engine))
    box_filter = make_box_filter(0.25, 0.7, 300, [])

    def decode(item: Item, outputs: Sequence[Array]) -> Result:
        boxes, scores, class_ids, *_ = _core.decode_yolo(
            outputs[0], item.to_frame, len(detector.names), box_filter
        )
        return _result(item, boxes, scores, class_ids)

    return decode


def _poses(model: PoseModel) -> _Decode:
    heatmaps, offsets = model.outputs

    def decode(item: Item, outputs: Sequence[Array]) -> Result:
        keypoints, scores, _ = _core.decode_heatmaps(
            outputs[heatmaps],
            None if offsets is None else outputs[offsets],
            item.to_frame[None],
            model.layout,
        )
        boxes = np.array([item.box], np.float32)
        one = np.ones(1, np.float32)
        found = _result(item, boxes, one, np.zeros(1, np.int32))
        found.keypoints, found.keypoint_scores = keypoints, scores
        return found

    return decode


def _result(item: Item, boxes: Array, scores: Array, class_ids: Array) -> Result:
    ids = np.full(len(boxes), -1, np.int64)
    return Result(boxes, scores, class_ids, ids, None, None, 0, 0.0, item.size, item.source)
