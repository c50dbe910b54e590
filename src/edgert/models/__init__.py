"""How a model's output is to be read: from its shapes and metadata, else from the convention of its kind."""

from edgert.models.detector import DetectorModel
from edgert.models.pose import PoseModel

__all__ = ["DetectorModel", "PoseModel"]
