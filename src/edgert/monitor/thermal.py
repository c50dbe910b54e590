"""Temperature and throttling, from the kernel's own files."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Thermal"]

# Counters that grow when the clock was lowered to protect the chip: x86 CPUs, and Jetson's
# over-current and thermal events.
_THROTTLE_COUNTERS = (
    "devices/system/cpu/cpu*/thermal_throttle/*_throttle_count",
    "class/hwmon/hwmon*/oc*_event_cnt",
)


class Thermal:
    """Reads the hottest zone, and whether the machine has throttled since this object was made.

    Args:
        root: Where sysfs is mounted.
    """

    def __init__(self, root: Path = Path("/sys")) -> None:
        self._zones = sorted(root.glob("class/thermal/thermal_zone*/temp"))
        self._counters = sorted(
            path for pattern in _THROTTLE_COUNTERS for path in root.glob(pattern)
        )
        self._count_at_start = self.throttle_count()

    def temperature(self) -> float | None:
        """The hottest zone in degrees Celsius, or None where the machine does not say."""
        found = [value for zone in self._zones if (value := _read(zone)) is not None]
        return max(found) / 1000 if found else None

    def throttled(self) -> bool | None:
        """Whether a throttle counter has grown, or None where the machine has none."""
        now = self.throttle_count()
        return None if now is None or self._count_at_start is None else now > self._count_at_start

    def throttle_count(self) -> int | None:
        """Throttle events since the machine started, or None where it has no counter."""
        found = [value for path in self._counters if (value := _read(path)) is not None]
        return sum(found) if found else None


def _read(path: Path) -> int | None:
    # Zones of parts that are powered down answer with an error.
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
