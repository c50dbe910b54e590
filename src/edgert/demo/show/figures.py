"""What is measured, what it should be, and what to install where it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edgert.errors import Error
from edgert.evaluation.people import box_scores, keypoint_scores
from edgert.evaluation.tracking import tracking_scores
from edgert.evaluation.truth import Truth
from edgert.result import Result

__all__ = ["DROPS", "GOALS", "MOST_DROP", "Figures", "Missing", "judge"]

GOALS = {"ap50": 0.95, "ap": 0.70, "oks_ap": 0.70, "hota": 0.70}
"""What a scene of 30 people in 300 frames should reach at least."""

DROPS = ("ap50", "ap", "oks_ap")
"""Which of these INT8 can be held to. Ids hang on the last digits: noise of one grey level in the
frames of street 2101 moves HOTA from 0.70 to 0.76 (standard deviation of seven runs: 0.017)."""

MOST_DROP = 0.005
"""What INT8 may cost of each of `DROPS`."""

Missing = dict[str, str]
"""By the name of a figure that could not be had: why, and what to type for it."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Figures:
    """One pair of networks on one scene; None where what measures it is not installed.

    Attributes:
        fps: Frames a second, all of detection, tracking and pose.
        ap50: COCO's box AP at IoU 0.5, of every detection over 0.001, as `edgert eval` has it.
        ap: The same, mean over IoU 0.50:0.95.
        oks_ap: COCO's keypoint AP, of the people that the pipeline put out.
        hota: Of these people's ids, like the next two.
        idf1: See `TrackingScores`.
        id_switches: See `TrackingScores`.
    """

    fps: float
    ap50: float | None
    ap: float | None
    oks_ap: float | None
    hota: float | None
    idf1: float | None
    id_switches: int | None


def judge(
    fps: float,
    truths: Sequence[Truth],
    results: Sequence[Result],
    detections: Sequence[Result],
    missing: Missing,
) -> Figures:
    """Hold what was found against the truth.

    Args:
        fps: Frames a second.
        truths: One a frame.
        results: What the pipeline put out.
        detections: What the detector alone finds, down to 0.001.
        missing: Takes up what could not be measured.
    """

    def attempt(names: tuple[str, ...], measure: Callable[[], _T]) -> _T | None:
        try:
            return measure()
        except Error as error:
            missing.update(dict.fromkeys(names, str(error)))
            return None

    boxes = attempt(("ap50", "ap"), lambda: box_scores(truths, detections))
    poses = attempt(("oks_ap",), lambda: keypoint_scores(truths, results))
    tracks = attempt(("hota", "idf1", "id_switches"), lambda: tracking_scores(truths, results))
    return Figures(
        fps=fps,
        ap50=None if boxes is None else boxes.ap50,
        ap=None if boxes is None else boxes.ap,
        oks_ap=None if poses is None else poses.ap,
        hota=None if tracks is None else tracks.hota,
        idf1=None if tracks is None else tracks.idf1,
        id_switches=None if tracks is None else tracks.id_switches,
    )
