"""Angles by sums and products alone.

The C library's and NumPy's own differ in the last bit between machines, and a pixel with them.
Those here are good to 1e-10 and the same everywhere: IEEE 754 rounds +, -, *, / and the square
root in one way.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["arctangent", "cosine", "cyclic", "length", "sine"]

_Floats = npt.NDArray[np.float64]

_SINE = [1.0]  # Taylor's coefficients of sin(x) / x in x * x
for _n in range(1, 9):
    _SINE.append(-_SINE[-1] / (2 * _n * (2 * _n + 1)))


def sine(angle: npt.ArrayLike) -> _Floats:
    """Of radians, any shape."""
    turns = np.asarray(angle, np.float64) / (2 * math.pi)
    turns = turns - np.floor(turns + 0.5)
    folded = np.where(turns > 0.25, 0.5 - turns, np.where(turns < -0.25, -0.5 - turns, turns))
    x = folded * (2 * math.pi)
    square, total = x * x, np.zeros_like(x)
    for coefficient in reversed(_SINE):
        total = total * square + coefficient
    return total * x


def cosine(angle: npt.ArrayLike) -> _Floats:
    """Of radians, any shape."""
    return sine(np.asarray(angle, np.float64) + math.pi / 2)


def arctangent(y: _Floats, x: _Floats) -> _Floats:
    """The angle of (x, y) for y >= 0: radians from 0 to pi, 0 at the origin."""
    larger, smaller = np.maximum(np.abs(x), y), np.minimum(np.abs(x), y)
    q = smaller / np.maximum(larger, 1e-300)
    for _ in range(2):  # atan(q) = 2 atan(q / (1 + sqrt(1 + q * q)))
        q = q / (1 + np.sqrt(1 + q * q))
    square, total = q * q, np.zeros_like(q)
    for n in range(15, 0, -2):
        total = 1 / n - total * square
    angle = 4 * total * q
    angle = np.where(y > np.abs(x), math.pi / 2 - angle, angle)
    return np.where(x < 0, math.pi - angle, angle)


def length(vectors: _Floats) -> _Floats:
    """(..., 3) vectors to their (...) lengths."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.sqrt(x * x + y * y + z * z)


def cyclic(samples: _Floats, phase: _Floats) -> _Floats:
    """A smooth closed curve through evenly spaced samples (Catmull and Rom 1974).

    Args:
        samples: (K,) values at the phases 0, 1 / K, ...
        phase: Any shape; 1 is once around.

    Returns:
        The curve at each phase.
    """
    count = len(samples)
    place = (phase - np.floor(phase)) * count
    cell = np.floor(place)
    u = place - cell
    index = cell.astype(np.int64)
    a, b, c, d = (samples[(index + offset) % count] for offset in (-1, 0, 1, 2))
    return b + 0.5 * u * ((c - a) + u * ((2 * a - 5 * b + 4 * c - d) + u * (3 * (b - c) + d - a)))
