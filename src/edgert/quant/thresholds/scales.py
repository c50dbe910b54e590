"""Scales: the threshold of every activation tensor, and how it was found."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgert.atomic import write_atomically

__all__ = ["SMALLEST_SCALE", "Scales", "levels"]

# FP16's smallest normal number: strongly typed networks hold their scales in FP16, and TensorRT
# refuses a scale of zero.
SMALLEST_SCALE = 2.0**-14

_FORMAT = "edgert-scales"
_VERSION = 1


def levels(unsigned: bool) -> int:
    """Steps from 0 to the threshold: symmetric signed numbers reach 127, unsigned ones 255."""
    return 255 if unsigned else 127


@dataclass(frozen=True, slots=True)
class Scales:
    """What `solve` found.

    Attributes:
        thresholds: By tensor, the |x| that maps to the last level. 0 for tensors that are always 0.
        methods: By tensor, how its threshold was found, e.g. "percentile 99.99".
        method: What was asked for.
    """

    thresholds: Mapping[str, float]
    methods: Mapping[str, str]
    method: str

    def scale(self, name: str, *, unsigned: bool = False) -> float:
        """The step between two levels of a tensor, in the tensor's units.

        Args:
            name: A tensor.
            unsigned: Whether it is stored in 255 levels above 0 instead of 127 on both sides.

        Returns:
            `threshold / 127` or `threshold / 255`, at least 2**-14 (FP16's smallest normal number).

        Raises:
            KeyError: Nothing is known of the tensor.
        """
        try:
            threshold = self.thresholds[name]
        except KeyError:
            raise KeyError(
                f"no scale for tensor {name!r}: there are {len(self.thresholds)} others. "
                f"Collect statistics of it and solve again."
            ) from None
        return max(threshold / levels(unsigned), SMALLEST_SCALE)

    def to_json(self) -> str:
        """As text that `from_json` reads back to the last bit."""
        tensors = {
            name: {"threshold": threshold, "method": self.methods[name]}
            for name, threshold in self.thresholds.items()
        }
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "method": self.method,
            "tensors": tensors,
        }
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Scales:
        """The inverse of `to_json`.

        Raises:
            ValueError: The text is not what `to_json` writes.
        """
        try:
            content: Any = json.loads(text)
            found = content["format"], content["version"]
            if found != (_FORMAT, _VERSION):
                raise ValueError(f"format and version are {found}, not {(_FORMAT, _VERSION)}")
            tensors = content["tensors"].items()
            return cls(
                {name: float(tensor["threshold"]) for name, tensor in tensors},
                {name: str(tensor["method"]) for name, tensor in tensors},
                str(content["method"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not scales as Scales.to_json writes them: {error!r}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file that `load` reads; at no time does the path hold half of one."""
        write_atomically(Path(path), self.to_json().encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Scales:
        """Read what `save` has written.

        Raises:
            OSError: The file cannot be read.
            ValueError: The file does not hold scales; the message names it.
        """
        text = Path(path).read_text(encoding="utf-8")
        try:
            return cls.from_json(text)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error
