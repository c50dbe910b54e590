"""How hot it is, and whether the clocks have been lowered for it."""

from __future__ import annotations

from collections.abc import Iterator

from edgert.doctor.fact import Fact, State
from edgert.doctor.machine import Machine
from edgert.monitor import Thermal

__all__ = ["FACTS"]

_MARGIN = 10.0  # degrees Celsius


def temperature(machine: Machine) -> Iterator[Fact]:
    """The hottest zone, and whether one is near its limit."""
    hottest = Thermal(machine.root / "sys").temperature()
    if hottest is None:
        yield Fact("temperature", "not known: this machine shows no thermal zones")
        return
    told = f"{hottest:.0f} °C in the hottest zone"
    nearest = min(_headroom(machine), default=None)
    if nearest is None or nearest > _MARGIN:
        yield Fact("temperature", told)
    else:
        fix = "more air: a fan, a larger heat sink; or a lower power mode"
        how = f"{nearest:.0f} °C below" if nearest > 0 else "over"
        found = f"{told}; one is {how} the limit at which the kernel slows it down"
        yield Fact("temperature", found, "warning", fix)


def throttling(machine: Machine) -> Iterator[Fact]:
    """How often the clocks were lowered since the machine started."""
    count = Thermal(machine.root / "sys").throttle_count()
    if count is None:
        return
    if count == 0:
        yield Fact("throttling", "not since the machine started")
    else:
        # Laptops do it at every burst.
        state: State = "warning" if machine.is_jetson else "ok"
        yield Fact("throttling", f"{count} events since the machine started", state)


def _headroom(machine: Machine) -> Iterator[float]:
    """For each zone with a passive trip point, the degrees that are left to it."""
    for path in machine.glob("sys/class/thermal/thermal_zone*/trip_point_*_type"):
        at = str(path.relative_to(machine.root))
        now = machine.number(at[: at.rindex("/")] + "/temp")
        limit = machine.number(at.replace("_type", "_temp"))
        if machine.text(at) == "passive" and now is not None and limit is not None and limit > 0:
            yield (limit - now) / 1000


FACTS = (temperature, throttling)
