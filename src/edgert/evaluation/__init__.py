"""Accuracy on annotated images: COCO box AP and keypoint AP of a pipeline, or of any callable."""

from .coco import coco
from .poses import CropPose
from .report import Report, Scores

__all__ = ["CropPose", "Report", "Scores", "coco"]
