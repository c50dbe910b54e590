"""Method: one way to find a tensor's threshold from its log histogram."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgert.quant.thresholds._solvers import Distribution

__all__ = ["METHODS", "Method"]

METHODS = ("minmax", "entropy", "percentile", "mse")


@dataclass(frozen=True, slots=True)
class Method:
    """A method with its parameter.

    Attributes:
        name: One of `METHODS`, or "fixed".
        value: Percent for "percentile", the threshold for "fixed", else 0.
    """

    name: str
    value: float = 0.0

    @classmethod
    def parse(cls, given: str | float | Mapping[str, Any], *, percentile: float = 99.99) -> Method:
        """Read what a user may say: a name, a threshold, or {"method": name, "percentile": ...}.

        Raises:
            ValueError: It is none of these.
        """
        if isinstance(given, Mapping):
            unknown = set(given) - {"method", "percentile"}
            if unknown or "method" not in given:
                raise ValueError(
                    f"a method is {{'method': name}}, with 'percentile' if wanted, not {given!r}"
                )
            name, percentile = given["method"], given.get("percentile", percentile)
        elif isinstance(given, str):
            name = given
        else:
            if not (math.isfinite(given) and given > 0):
                raise ValueError(f"a fixed threshold must be finite and positive, not {given}")
            return cls("fixed", float(given))
        if name not in METHODS:
            raise ValueError(f"unknown method {name!r}: choose one of {', '.join(METHODS)}")
        if name != "percentile":
            return cls(name)
        if not 0 < percentile <= 100:
            raise ValueError(f"percentile must be over 0 and at most 100, not {percentile}")
        return cls(name, float(percentile))

    def __str__(self) -> str:
        return f"{self.name} {self.value:g}" if self.name in ("percentile", "fixed") else self.name

    def threshold(self, distribution: Distribution, absmax: float, levels: int) -> float:
        """The |x| that the last of so many levels above 0 stands for; see `solve`."""
        if self.name == "fixed":
            return self.value
        if self.name == "percentile":
            return distribution.percentile(self.value)
        if self.name == "entropy":
            # Zero counts as a level here: 127 and 255 steps have 128 and 256.
            return distribution.entropy(levels + 1)
        if self.name == "mse":
            return distribution.mse(levels)
        return absmax
