"""What the camera adds: it shakes, its shutter takes time, its sensor is noisy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgert.demo.angles import sine
from edgert.demo.dice import Dice

__all__ = ["Noise", "Shake", "taps_between"]

_Floats = npt.NDArray[np.float64]


class Shake:
    """How far a shaking camera moves the picture: slow sways and a fast tremble, in pixels.

    Args:
        dice: Chance.
        strength: 1 is a hand-held or wind-blown camera's; 0 none.
        limit_px: Never farther than this to any side.
    """

    def __init__(self, dice: Dice, strength: float, limit_px: float) -> None:
        rates = np.array([0.7, 1.9, 5.3, 9.1]) * dice.uniform(0.8, 1.25, 4)
        self._rates = rates * 2 * np.pi
        sizes = np.array([2.6, 1.2, 0.45, 0.2]) * dice.between(0.1, 1.0) * strength
        total = float(sizes[0] + sizes[1] + sizes[2] + sizes[3])
        self._sizes = sizes * min(1.0, limit_px / max(total, 1e-9))
        self._phases = dice.uniform(0, 2 * np.pi, 8).reshape(2, 4)

    def at(self, time_s: float) -> _Floats:
        """(2,) pixels to the right and down."""
        swings = sine(self._rates * time_s + self._phases) * self._sizes
        return swings[:, 0] + swings[:, 1] + swings[:, 2] + swings[:, 3]


def taps_between(start: _Floats, end: _Floats, margin_px: int) -> npt.NDArray[np.int32]:
    """Copies whose sum is the picture moved by `start`, smeared to `end`: for `_core.expose`.

    Args:
        start: (2,) pixels by which the picture moves to the right and down, and
        end: (2,) at the end of the exposure.
        margin_px: What the source has around the target.

    Returns:
        (N, 3) int32: where in the source a copy begins (x, y), its weight in 256ths.
    """
    way = np.abs(end - start)
    steps = 1 + int(np.ceil(max(float(way[0]), float(way[1]))))
    grid: dict[tuple[int, int], float] = {}
    for k in range(steps):
        x, y = (margin_px - (start + (end - start) * ((k + 0.5) / steps))).tolist()
        left, top = int(np.floor(x)), int(np.floor(y))
        for dx, share_x in ((0, 1 - (x - left)), (1, x - left)):
            for dy, share_y in ((0, 1 - (y - top)), (1, y - top)):
                at = (left + dx, top + dy)
                grid[at] = grid.get(at, 0.0) + share_x * share_y / steps
    weights = {at: int(256 * share + 0.5) for at, share in grid.items()}
    heaviest = max(weights, key=lambda at: (weights[at], at))
    weights[heaviest] += 256 - sum(weights.values())
    rows = [(x, y, weight) for (x, y), weight in weights.items() if weight > 0]
    return np.array(rows, np.int32)


class Noise:
    """A sensor's noise: grey for the most part, a little of it coloured.

    Args:
        dice: Chance.
        strength: 1 is some scene's, up to a cheap camera's at dusk; 0 none.
        size: Height and width of the picture.
    """

    def __init__(self, dice: Dice, strength: float, size: tuple[int, int]) -> None:
        count = max(1 << 16, 2 * size[1])
        grey = np.repeat(dice.bell(count), 3) * dice.between(0.8, 4.5)
        colour = dice.bell(3 * count) * dice.between(0.3, 2.0)
        self.values: npt.NDArray[np.int8] = np.clip(
            np.floor((grey + colour) * strength + 0.5), -100, 100
        ).astype(np.int8)
        self._span = count - size[1]
        self._rows = size[0]

    def offsets(self, dice: Dice) -> npt.NDArray[np.int64]:
        """(H,) where each row of a frame takes its noise from."""
        return 3 * dice.uniform(0, self._span + 1, self._rows).astype(np.int64)
