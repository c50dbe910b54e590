"""Memory, swap, and what a container may have of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgert.builds.failures import ADD_SWAP
from edgert.doctor.fact import Fact
from edgert.doctor.machine import Machine

__all__ = ["FACTS"]

_GIB = 1 << 30
# TensorRT-RTX's builder took 0.3 GB for YOLOv8n and for a 384x288 pose network. TensorRT's own
# tries its kernels on the GPU meanwhile, of whose memory a Jetson's is the same, and has been seen
# killed where it ran out (NVIDIA/TensorRT#1404, jkjung-avt/tensorrt_demos#293).
_BUILD_BYTES = 2 * _GIB


def memory(machine: Machine) -> Iterator[Fact]:
    """What there is and what is free, and swap beside it."""
    sizes = {
        name: int(size) * 1024
        for name, size in re.findall(
            r"^(\w+): +(\d+) kB", machine.text("proc/meminfo") or "", re.MULTILINE
        )
    }
    if "MemTotal" not in sizes:
        yield Fact("memory", "not known: /proc/meminfo does not say", "warning")
        return
    total, free = sizes["MemTotal"], sizes.get("MemAvailable", 0)
    swap, swap_free = sizes.get("SwapTotal", 0), sizes.get("SwapFree", 0)
    told = f"{total / _GIB:.1f} GiB, {free / _GIB:.1f} available"
    if free + swap_free < _BUILD_BYTES:
        yield Fact(
            "memory",
            f"{told}, with swap {(free + swap_free) / _GIB:.1f}: little for a TensorRT build",
            "warning",
            ADD_SWAP,
        )
    else:
        yield Fact("memory", told)
    yield Fact("swap", f"{swap / _GIB:.1f} GiB, {swap_free / _GIB:.1f} free" if swap else "none")


def container_limit(machine: Machine) -> Iterator[Fact]:
    """The control group's limit, where there is one."""
    limit = machine.number("sys/fs/cgroup/memory.max")
    if limit is not None:
        yield Fact("memory limit", f"{limit / _GIB:.1f} GiB for this control group")


FACTS = (memory, container_limit)
