"""Power mode and clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgert.doctor.fact import Fact
from edgert.doctor.machine import Machine

__all__ = ["FACTS"]


def mode(machine: Machine) -> Iterator[Fact]:
    """nvpmodel's mode against the fastest of /etc/nvpmodel.conf."""
    if not machine.is_jetson:
        return
    table = machine.text("etc/nvpmodel.conf") or ""
    modes = {
        int(number): name
        for number, name in re.findall(r"< *POWER_MODEL +ID=(\d+) +NAME=([^ >]+)", table)
    }
    try:
        said = machine.run(["nvpmodel", "-q"])
        found = re.search(r"NV Power Mode: *(\S+)\s+(\d+)", said)
        if found is None:
            raise OSError(f"nvpmodel -q said {said.strip()[:60]!r}")
        now, name = int(found[2]), found[1]
    except OSError as error:
        stored = re.search(r"pmode:(\d+)", machine.text("var/lib/nvpmodel/status") or "")
        if stored is None:
            where = "outside of the container" if machine.in_container else "as root"
            yield Fact("power mode", f"not known: {error}", "warning", f"nvpmodel -q, {where}")
            return
        now = int(stored[1])
        name = modes.get(now, "")
    told = f"{name or 'no name'} (mode {now})"
    best = max(modes, key=lambda number: _speed(modes[number]), default=now)
    if best == now or modes.get(best) == name:
        yield Fact("power mode", told)
    else:
        fix = f"sudo nvpmodel -m {best}"
        yield Fact("power mode", f"{told}; {modes[best]} is the fastest", "warning", fix)


def gpu_clock(machine: Machine) -> Iterator[Fact]:
    """The range in which the GPU's clock moves; jetson_clocks makes it one value."""
    for folder in machine.glob("sys/class/devfreq/*"):
        if not re.search(r"\.gpu$|\.ga10b$|\.gv11b$|^gpu-gpc-0$", folder.name):
            continue
        at = folder.relative_to(machine.root)
        now, least, most = (machine.number(f"{at}/{which}_freq") for which in ("cur", "min", "max"))
        if now is None or least is None or most is None:
            yield Fact("GPU clock", f"not known: /{at} does not say", "warning")
        elif least == most:
            yield Fact("GPU clock", f"held at {most / 1e6:.0f} MHz")
        else:
            yield Fact(
                "GPU clock",
                f"{now / 1e6:.0f} MHz, moves from {least / 1e6:.0f} to {most / 1e6:.0f}",
                "warning",
                "sudo jetson_clocks  # holds the clocks up, for steady latency, until a restart",
            )


def cpu_clock(machine: Machine) -> Iterator[Fact]:
    """The range of the first core's clock, and who moves it."""
    at = "sys/devices/system/cpu/cpu0/cpufreq"
    least, most = (machine.number(f"{at}/scaling_{which}_freq") for which in ("min", "max"))
    if least is None or most is None:
        return
    governor = machine.text(f"{at}/scaling_governor") or "not known"
    if least == most:
        yield Fact("CPU clock", f"held at {most / 1e6:.2f} GHz")
    else:
        yield Fact(
            "CPU clock", f"moves from {least / 1e6:.2f} to {most / 1e6:.2f} GHz, by {governor}"
        )


def _speed(name: str) -> float:
    """Names in the order of their power: 7W, 15W, MODE_30W, MAXN, MAXN_SUPER."""
    if name.startswith("MAXN"):
        return 1e6 + len(name)
    watts = re.search(r"(\d+)W", name)
    return float(watts[1]) if watts else 0.0


FACTS = (mode, gpu_clock, cpu_clock)
