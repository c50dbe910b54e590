"""How well people are followed: HOTA, IDF1, id switches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    ignored people after that. HOTA and IDF1 are computed by motrics, and equal TrackEval's.

    Args:
        truths: One a frame.
        results: Likewise, in the same order; only people with a track (id 0 or more) count.

    Raises:
        Error: motrics is not installed.
        ValueError: There are not as many of one as of the other.
    """
    motrics = _require_motrics()
    frames = list(_counted(motrics, truths, results))
    score = motrics.evaluate(
        motrics.Frames([f.true_ids.tolist() for f in frames], [f.true_boxes for f in frames]),
        motrics.Frames([f.ids.tolist() for f in frames], [f.boxes for f in frames]),
        iou_threshold=_IOU,
    )
    switches = 0
    last: dict[int, int] = {}
    for frame, taken in zip(frames, _matched(motrics, frames), strict=True):
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
    motrics = _require_motrics()
    frames = list(_counted(motrics, truths, results))
    matched = _matched(motrics, frames)
    return [(frame.true_ids, taken) for frame, taken in zip(frames, matched, strict=True)]


def _counted(motrics: Any, truths: Sequence[Truth], results: Sequence[Result]) -> Iterator[_Frame]:
    """People and tracks without those that are ignored."""
    if len(truths) != len(results):
        raise ValueError(
            f"truth of {len(truths)} frames and results of {len(results)}; expected one for one"
        )
    for truth, result in zip(truths, results, strict=True):
        tracked = result.ids >= 0
        ids, boxes = result.ids[tracked], result.boxes[tracked].astype(np.float64)
        true_boxes = np.ascontiguousarray(truth.boxes, np.float64)
        pairs = motrics.match_boxes(true_boxes, boxes, _IOU).matches
        gone = [track for person, track in pairs if truth.ignored[person]]
        counts = ~truth.ignored
        yield _Frame(
            truth.ids[counts],
            np.ascontiguousarray(true_boxes[counts]),
            np.delete(ids, gone),
            np.ascontiguousarray(np.delete(boxes, gone, axis=0)),
        )


def _matched(motrics: Any, frames: Sequence[_Frame]) -> Iterator[_Ids]:
    """The track of each person of each frame; -1: none.

    Who was matched in the frame before stays matched while IoU allows; the others by the largest
    sum of IoU. motrics' own count of switches keeps matches over frames without one, TrackEval's
    (`metrics/clear.py`) does not.
    """
    before: dict[int, int] = {}
    for frame in frames:
        iou = np.reshape(
            motrics.iou_matrix(frame.true_boxes, frame.boxes),
            (len(frame.true_ids), len(frame.ids)),
        )
        taken = np.full(len(frame.true_ids), -1, np.int64)
        columns = {track: column for column, track in enumerate(frame.ids.tolist())}
        free = set(columns)
        for row, person in enumerate(frame.true_ids.tolist()):
            track = before.get(person, -1)
            if track in free and iou[row, columns[track]] >= _IOU:
                taken[row] = track
                free.remove(track)
        rows = np.flatnonzero(taken < 0)
        rest = np.array([columns[track] for track in sorted(free)], np.int64)
        pairs = motrics.match_boxes(frame.true_boxes[rows], frame.boxes[rest], _IOU).matches
        for row, column in pairs:
            taken[rows[row]] = frame.ids[rest[column]]
        if len(frame.true_ids) and len(frame.ids):
            before = dict(zip(frame.true_ids.tolist(), taken.tolist(), strict=True))
        yield taken


def _require_motrics() -> Any:
    try:
        import motrics
    except ImportError as error:
        raise Error(
            "tracking metrics need the package motrics, which is not installed: "
            "pip install 'edgert[demo]'"
        ) from error
    return motrics
