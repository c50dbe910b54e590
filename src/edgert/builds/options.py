"""What a builder is asked for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["COMPATIBILITY", "LEVELS", "PRECISIONS", "BuildOptions", "size_bytes"]

PRECISIONS = ("auto", "fp32", "fp16", "int8")
LEVELS = range(6)
"""TensorRT's builder optimisation levels."""

COMPATIBILITY = ("AMPERE_PLUS", "SAME_COMPUTE_CAPABILITY")
"""Members of TensorRT's HardwareCompatibilityLevel."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What is asked for, in TensorRT's own terms; `edgert.build` explains each.

    Raises:
        ValueError: A value is out of its range, or two contradict each other.
    """

    precision: str = "auto"
    compute_capability: str | None = None
    max_batch: int | None = None
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    workspace_bytes: int | None = None
    optimization_level: int | None = None
    dla_core: int | None = None
    weakly_typed: bool = False
    calibration: Mapping[str, float] | None = None
    sparse_weights: bool = False
    version_compatible: bool = False
    hardware_compatibility: str | None = None

    def __post_init__(self) -> None:
        _one_of("precision", self.precision, PRECISIONS)
        if self.hardware_compatibility is not None:
            _one_of("hardware_compatibility", self.hardware_compatibility, COMPATIBILITY)
        if self.optimization_level is not None and self.optimization_level not in LEVELS:
            raise ValueError(f"optimization_level is {self.optimization_level}, expected 0 to 5")
        for name, least in (("max_batch", 1), ("workspace_bytes", 1), ("dla_core", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}, expected at least {least}")
        if self.calibration is not None and not (self.weakly_typed and self.precision == "int8"):
            raise ValueError(
                "calibration is for weakly_typed=True with precision='int8', which TensorRT 10 "
                "has: a strongly typed network has its scales in the model's QuantizeLinear pairs"
            )

    def request(self) -> dict[str, Any]:
        """All of it as JSON has it: calibration as its digest."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["shapes"] = {name: list(shape) for name, shape in sorted(self.shapes.items())}
        if self.calibration is not None:
            lines = repr(sorted(self.calibration.items())).encode()
            values["calibration"] = hashlib.sha256(lines).hexdigest()
        return values


def size_bytes(text: str) -> int:
    """A size such as "4G", "500M" or "1048576".

    Raises:
        ValueError: It is no size.
    """
    found = re.fullmatch(r"(\d+)([KMG]?)", text.strip(), re.IGNORECASE)
    if found is None:
        raise ValueError(f"{text!r} is no size, expected bytes, or such as 500M or 4G")
    return int(found[1]) * _UNITS[found[2].upper()]


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(known)}")
