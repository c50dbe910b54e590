"""What edgert takes of all this, and why."""

from __future__ import annotations

from collections.abc import Iterator

from edgert.doctor.fact import Fact
from edgert.doctor.machine import Machine

__all__ = ["FACTS"]


def device(machine: Machine) -> Iterator[Fact]:
    """What `device="auto"` means here."""
    chosen, why = machine.choose_device("auto")
    if chosen == "cpu" and machine.has_nvidia_gpu:
        yield Fact("device", f"{chosen}: {why}", "warning")
    else:
        yield Fact("device", f"{chosen}: {why}")


def threads(machine: Machine) -> Iterator[Fact]:
    """What the host's stages and networks run on."""
    from edgert import num_threads

    yield Fact("threads", f"{num_threads()} on the host (EDGERT_THREADS, edgert.set_num_threads)")


FACTS = (device, threads)
