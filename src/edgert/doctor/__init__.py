"""What this machine has, what edgert makes of it, and what is missing."""

from edgert.doctor.examination import Examination, examine
from edgert.doctor.fact import Fact
from edgert.doctor.machine import Machine

__all__ = ["Examination", "Fact", "Machine", "examine"]
