"""How well people are followed: HOTA, IDF1, id switches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from edgert.errors import Error
from edgert.evaluation.truth import Truth
from edgert.result import Result

__all__ = ["TrackingScores", "followed", "tracking_scores"]

_Ids = npt.NDArray[np.int64]
_Boxes = npt.NDArray[np.float64]

# Where a box is one's own: MOTChallenge's threshold.
_IOU = 0.5
# More than all IoU of a frame together: TrackEval's.
_PREFERENCE = 1000.0


@dataclass(frozen=True)
class TrackingScores:
    """The figures of one sequence.

    Attributes:
        hota: Higher order tracking accuracy (Luiten et al. 2020), mean over IoU 0.05:0.95.
        idf1: Identity F1 (Ristani et al. 2016) at IoU 0.5.
        id_switches: How often a person is followed by another track than before (Bernardin and
            Stiefelhagen 2008), matched as TrackEval does.
    """

    hota: float
    idf1: float
    id_switches: int


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    true_ids: _Ids
    true_boxes: _Boxes
    ids: _Ids
    boxes: _Boxes


def tracking_scores(truths: Sequence[Truth], results: Sequence[Result]) -> TrackingScores:
    """Score tracks against truth.

    As in MOTChallenge, what is matched to an ignored person at IoU 0.5 is taken out first, and the
    ignored people after that. HOTA and IDF1 are motrics', and all three equal TrackEval's.

    Args:
        truths: One a frame.
        results: Likewise, in the same order; only people with a track (id 0 or more) count.

    Raises:
        Error: motrics or lap is not installed.
        ValueError: There are not as many of one as of the other.
    """
    motrics = _required("motrics")
    frames = list(_counted(truths, results))
    score = motrics.evaluate(
        motrics.Frames([f.true_ids.tolist() for f in frames], [f.true_boxes for f in frames]),
        motrics.Frames([f.ids.tolist() for f in frames], [f.boxes for f in frames]),
        iou_threshold=_IOU,
    )
    switches = 0
    last: dict[int, int] = {}
    for frame, taken in zip(frames, _matched(frames), strict=True):
        for person, track in zip(frame.true_ids.tolist(), taken.tolist(), strict=True):
            if track >= 0:
                switches += last.setdefault(person, track) != track
                last[person] = track
    return TrackingScores(float(score.hota.hota), float(score.identity.idf1), switches)


def followed(truths: Sequence[Truth], results: Sequence[Result]) -> list[tuple[_Ids, _Ids]]:
    """Which track each person was followed by, frame by frame, as the id switches count it.

    Args:
        truths: One a frame.
        results: Likewise.

    Returns:
        For each frame the ids of the people that count, (N,), and of their tracks, (N,); -1: none.

    Raises:
        Error, ValueError: See `tracking_scores`.
    """
    frames = list(_counted(truths, results))
    return [(f.true_ids, taken) for f, taken in zip(frames, _matched(frames), strict=True)]


def _counted(truths: Sequence[Truth], results: Sequence[Result]) -> Iterator[_Frame]:
    """People and tracks without those that are ignored."""
    if len(truths) != len(results):
        raise ValueError(
            f"truth of {len(truths)} frames and results of {len(results)}; expected one for one"
        )
    for truth, result in zip(truths, results, strict=True):
        tracked = result.ids >= 0
        ids = result.ids[tracked]
        boxes = np.ascontiguousarray(result.boxes[tracked], np.float64)
        true_boxes = np.ascontiguousarray(truth.boxes, np.float64)
        pairs = _best_pairs(_iou(true_boxes, boxes))
        gone = [track for person, track in pairs if truth.ignored[person]]
        counts = ~truth.ignored
        yield _Frame(
            truth.ids[counts],
            true_boxes[counts],
            np.delete(ids, gone),
            np.delete(boxes, gone, axis=0),
        )


def _matched(frames: Sequence[_Frame]) -> Iterator[_Ids]:
    """The track of each person of each frame; -1: none.

    Who was matched in the frame before stays matched while IoU allows, the others so that the sum
    of IoU is largest: TrackEval's way (`metrics/clear.py`). motrics' own count of switches also
    holds on to matches from before a gap, and is lower.
    """
    before: dict[int, int] = {}
    for frame in frames:
        taken = np.full(len(frame.true_ids), -1, np.int64)
        last = np.array([before.get(person, -1) for person in frame.true_ids.tolist()], np.int64)
        stays = last[:, None] == frame.ids[None, :]
        for row, column in _best_pairs(_iou(frame.true_boxes, frame.boxes), stays):
            taken[row] = frame.ids[column]
        if stays.size:
            before = dict(zip(frame.true_ids.tolist(), taken.tolist(), strict=True))
        yield taken


def _iou(first: _Boxes, second: _Boxes) -> _Boxes:
    rows = _required("motrics").iou_matrix(first, second)
    return np.array(rows, np.float64).reshape(len(first), len(second))


def _best_pairs(
    iou: _Boxes, preferred: npt.NDArray[np.bool_] | None = None
) -> list[tuple[int, int]]:
    """Pairs (row, column) of IoU 0.5 and more with the largest sum, preferred ones first."""
    if iou.size == 0:
        return []
    worth = iou if preferred is None else iou + _PREFERENCE * preferred
    worth = np.where(iou >= _IOU, worth, 0)
    _, columns, _ = _required("lap").lapjv(-worth, extend_cost=True)
    return [(row, int(c)) for row, c in enumerate(columns) if c >= 0 and worth[row, c] > 0]


def _required(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise Error(
            f"tracking metrics need the package {package}, which is not installed: "
            f"pip install 'edgert[demo]'"
        ) from error
