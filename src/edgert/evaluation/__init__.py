"""Accuracy: COCO's on annotated images; COCO's and MOTChallenge's where truth is at hand."""

from edgert.evaluation.coco import coco
from edgert.evaluation.people import box_scores, keypoint_scores
from edgert.evaluation.poses import CropPose
from edgert.evaluation.report import Report, Scores
from edgert.evaluation.tracking import TrackingScores, followed, tracking_scores
from edgert.evaluation.truth import Truth

__all__ = [
    "CropPose",
    "Report",
    "Scores",
    "TrackingScores",
    "Truth",
    "box_scores",
    "coco",
    "followed",
    "keypoint_scores",
    "tracking_scores",
]
