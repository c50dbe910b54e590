"""Random numbers that are the same on every machine and with every NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Dice"]

_T = TypeVar("_T")
_Floats = npt.NDArray[np.float64]


class Dice:
    """Random numbers from PCG64's raw 64-bit words.

    NumPy promises the words of a bit generator and of `SeedSequence` for good, but not what the
    methods of `Generator` make of them; so what is made of them is here, by exact arithmetic.

    Args:
        seed: Any number of non-negative integers: the same ones give the same numbers.
    """

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed))

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        """`count` words of 64 random bits."""
        words: npt.NDArray[np.uint64] = self._bits.random_raw(count)
        return words

    def uniform(self, low: float, high: float, count: int) -> _Floats:
        """(count,) numbers in [low, high)."""
        shares = (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        numbers: _Floats = low + (high - low) * shares
        return numbers

    def between(self, low: float, high: float) -> float:
        """One number in [low, high)."""
        return float(self.uniform(low, high, 1)[0])

    def chance(self, probability: float) -> bool:
        """True as often as that."""
        return self.between(0.0, 1.0) < probability

    def pick(self, choices: Sequence[_T]) -> _T:
        """One of the choices, all equally likely."""
        return choices[int(self.between(0, len(choices)))]

    def bell(self, count: int) -> _Floats:
        """(count,) numbers with mean 0, deviation 1 and a normal distribution's shape.

        The sum of four uniform ones (Irwin-Hall), which needs no logarithm.
        """
        words = self.words(count)
        total = np.zeros(count)
        for shift in (0, 16, 32, 48):
            total += ((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64)
        return (total / 65536 - 2) * 1.7320508075688772
