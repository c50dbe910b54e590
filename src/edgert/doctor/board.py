"""The board, its JetPack, the system on it, the processor."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgert import installed
from edgert.doctor.fact import Fact
from edgert.doctor.machine import Machine

__all__ = ["FACTS"]

# (L4T from here on, JetPack, TensorRT that comes with it), newest first: NVIDIA's release notes.
_RELEASES = (
    ((39, 2, 1), "7.2.1", "10.16"),
    ((39, 2, 0), "7.2", "10.16"),
    ((38, 4, 0), "7.1", "10.13"),
    ((38, 2, 0), "7.0", "10.13"),
    ((36, 5, 0), "6.2.2", "10.3"),
    ((36, 4, 4), "6.2.1", "10.3"),
    ((36, 4, 3), "6.2", "10.3"),
    ((36, 4, 0), "6.1", "10.3"),
    ((36, 3, 0), "6.0", "8.6"),
    ((35, 1, 0), "5", "8.5"),
)
_OLDEST = (36, 4, 0)  # of its driver: CUDA 12.6

# "CPU part" of /proc/cpuinfo, as in Linux's arch/arm64/include/asm/cputype.h.
_ARM_CORES = {"0xd42": "Cortex-A78AE", "0xd83": "Neoverse-V3AE", "0xd0b": "Cortex-A76"}


def board(machine: Machine) -> Iterator[Fact]:
    """What the device tree, or the firmware, calls this machine."""
    name = machine.text("proc/device-tree/model")
    if not name:
        parts = (machine.text(f"sys/class/dmi/id/{key}") for key in ("sys_vendor", "product_name"))
        name = " ".join(part for part in parts if part) or "not known: no device tree, no DMI"
    yield Fact("board", name + (", seen from a container" if machine.in_container else ""))


def jetpack(machine: Machine) -> Iterator[Fact]:
    """JetPack by the release of Jetson Linux (L4T) under it."""
    if not machine.is_jetson:
        return
    text = machine.text("etc/nv_tegra_release")
    if text is None:
        yield Fact(
            "JetPack",
            "not known: /etc/nv_tegra_release is not here",
            "warning",
            "in a container: docker run -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro ...",
        )
        return
    l4t = installed.l4t(machine.root)
    if l4t is None:
        yield Fact("JetPack", f"not known: /etc/nv_tegra_release says {text[:60]!r}", "warning")
        return
    known = next((row for row in _RELEASES if l4t >= row[0]), None)
    name, tensorrt = known[1:] if known else ("before 5", "")
    told = f"{name} (L4T {'.'.join(map(str, l4t))})"
    brought = machine.package("nvidia-jetpack")
    if brought:
        told += f", nvidia-jetpack {brought}"
    if l4t < _OLDEST:
        yield Fact(
            "JetPack",
            f"{told}; edgert's GPU path needs 6.1 or later, for its driver (CUDA 12.6)",
            "warning",
            "flash JetPack 6.2 or later: https://developer.nvidia.com/embedded/jetpack",
        )
    else:
        yield Fact("JetPack", f"{told}; TensorRT {tensorrt} is what comes with it")


def system(machine: Machine) -> Iterator[Fact]:
    """The distribution, the kernel and the architecture."""
    release = machine.text("etc/os-release") or ""
    name = re.search(r'^PRETTY_NAME="?([^"\n]*)', release, re.MULTILINE)
    kernel = machine.text("proc/sys/kernel/osrelease")
    told = name[1] if name else "distribution not known"
    yield Fact("system", f"{told}, Linux {kernel or 'of unknown version'}, {machine.architecture}")


def processor(machine: Machine) -> Iterator[Fact]:
    """Its name, the cores that are on, and what the host's stages are vectorised with."""
    text = machine.text("proc/cpuinfo") or ""
    name = re.search(r"^model name\s*: (.*)", text, re.MULTILINE)
    part = re.search(r"^CPU part\s*: (\w+)", text, re.MULTILINE)
    told = name[1] if name else _ARM_CORES.get(part[1], f"Arm part {part[1]}") if part else ""
    online, present = (
        _count(machine.text(f"sys/devices/system/cpu/{which}")) for which in ("online", "present")
    )
    cores = online or len(re.findall(r"^processor\s*:", text, re.MULTILINE))
    counted = f"{cores} cores" if online == present else f"{cores} of {present} cores are on"
    found = f"{told or 'not known'}, {counted}"
    if online < present and machine.is_jetson:
        yield Fact("processor", f"{found}: the power mode switches the others off", "warning")
    else:
        yield Fact("processor", found)


def instructions(machine: Machine) -> Iterator[Fact]:
    """The instruction set of the host's stages, as the native module was loaded."""
    found = machine.instruction_set
    if found is None:
        from edgert import _core

        found = _core.instruction_set()
    yield Fact("host stages", f"vectorised for {found}")


def _count(ranges: str | None) -> int:
    """How many CPUs a list such as "0-3,6" names."""
    ends = [part.split("-") for part in (ranges or "").split(",") if part]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)


FACTS = (board, jetpack, system, processor, instructions)
