"""What edgert takes of all this, and why."""

from __future__ import annotations

from collections.abc import Iterator

from edgert.doctor.fact import Fact, State
from edgert.doctor.machine import Machine

__all__ = ["FACTS"]


def runtime(machine: Machine) -> Iterator[Fact]:
    """What "auto" means here: for the runtime, for the device."""
    runtime, device, why = machine.choose()
    state: State = "warning" if device == "cpu" and machine.has_nvidia_gpu else "ok"
    yield Fact("runtime and device", f"{runtime} on {device}: {why}", state)


def threads(machine: Machine) -> Iterator[Fact]:
    """What the host's stages and networks run on."""
    from edgert import num_threads

    yield Fact("threads", f"{num_threads()} on the host (EDGERT_THREADS, edgert.set_num_threads)")


FACTS = (runtime, threads)
