"""What the machine says about itself while it works."""

from edgert.monitor.thermal import Thermal

__all__ = ["Thermal"]
