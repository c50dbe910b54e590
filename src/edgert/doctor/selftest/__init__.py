"""`edgert doctor --selftest`: small networks on every runtime that is here, against the CPU."""

from edgert.doctor.selftest.record import Record, Step
from edgert.doctor.selftest.selftest import selftest

__all__ = ["Record", "Step", "selftest"]
