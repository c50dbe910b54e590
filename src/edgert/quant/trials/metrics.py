"""How much a quantized network differs from the float one, as a number; higher is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgert.engines.base import Array

if TYPE_CHECKING:
    from edgert.quant.images.data import Item

__all__ = ["EXACT_DB", "Metric", "SignalToNoise", "parts"]

# From what was put in and what came out of the network, image by image, to a figure. The first
# argument are the items, the second the outputs of each.
Metric = Callable[["Sequence[Item]", "Sequence[list[Array]]"], float]

# Where nothing differs: more than float32 can tell apart.
EXACT_DB = 150.0


def parts(name: str, output: Array) -> dict[str, Array]:
    """An output in parts of one unit each.

    A YOLOv8 head puts boxes in pixels beside scores in [0, 1]: in one sum of squares the scores
    would not be heard.

    Args:
        name: The output's name.
        output: (B, 4 + C, A) of a YOLOv8 head with A > 4 + C, or any other array.
    """
    if output.ndim == 3 and 4 < output.shape[1] < output.shape[2]:
        return {f"{name}.boxes": output[:, :4], f"{name}.scores": output[:, 4:]}
    return {name: output}


class SignalToNoise:
    """Signal to quantization noise, 10 log10(sum x^2 / sum (x - q)^2) in dB, over many images.

    Sums run over all images before the ratio is taken, so an image counts by its signal.
    """

    def __init__(self) -> None:
        self._signal: dict[str, float] = {}
        self._noise: dict[str, float] = {}

    def add(self, names: Sequence[str], reference: Sequence[Array], found: Sequence[Array]) -> None:
        """Take in one image's outputs: of the float network, and of the quantized one."""
        for name, expected, got in zip(names, reference, found, strict=True):
            other = parts(name, got)
            for part, values in parts(name, expected).items():
                if not np.issubdtype(values.dtype, np.floating):
                    continue
                self._signal[part] = self._signal.get(part, 0.0) + _power(values)
                self._noise[part] = self._noise.get(part, 0.0) + _power(values - other[part])

    @property
    def per_part(self) -> Mapping[str, float]:
        """dB of each part; 150 where there is no difference."""
        return {part: _decibels(self._signal[part], self._noise[part]) for part in self._signal}

    @property
    def mean(self) -> float:
        """The mean of the parts, in dB."""
        values = list(self.per_part.values())
        return sum(values) / len(values) if values else EXACT_DB


def _power(values: Array) -> float:
    """The sum of squares: in single precision for each row, whose sum is then a double's."""
    rows = np.ascontiguousarray(np.atleast_2d(values), dtype=np.float32)
    rows = rows.reshape(-1, rows.shape[-1])
    return float(np.einsum("ij,ij->i", rows, rows).sum(dtype=np.float64))


def _decibels(signal: float, noise: float) -> float:
    if noise <= 0.0 or not math.isfinite(noise):
        return EXACT_DB if noise <= 0.0 else -EXACT_DB
    if signal <= 0.0:
        return -EXACT_DB
    return min(10.0 * math.log10(signal / noise), EXACT_DB)
