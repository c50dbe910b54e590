"""Accuracy on annotated images: COCO box AP and keypoint AP of a pipeline, or of any callable."""

from edgert.evaluation.coco import coco
from edgert.evaluation.poses import CropPose
from edgert.evaluation.report import Report, Scores

__all__ = ["CropPose", "Report", "Scores", "coco"]
