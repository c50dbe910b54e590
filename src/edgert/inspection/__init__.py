"""What is in a model file, whatever runs it: `edgert inspect`."""

from edgert.inspection.inspect import inspect
from edgert.inspection.inspection import Inspection

__all__ = ["Inspection", "inspect"]
