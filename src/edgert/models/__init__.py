"""How a model is to be read: by its shapes and metadata, else by the convention of its kind."""

from edgert.models.detector import DetectorModel
from edgert.models.pose import PoseModel
from edgert.models.reid import ReidModel

__all__ = ["DetectorModel", "PoseModel", "ReidModel"]
