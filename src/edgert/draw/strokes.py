"""Anti-aliased lines and dots, all of a kind in one pass."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgert.draw.palette import Colour, mixed

__all__ = ["Strokes"]


class Strokes:
    """Lines with round ends, and dots, which are lines of no length.

    They are drawn together because NumPy's cost is in calls, and a frame has hundreds of strokes.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[float, float, float, float, float, int, int, int]] = []

    def line(
        self, start: tuple[float, float], end: tuple[float, float], width: float, colour: Colour
    ) -> None:
        """Adds a line between two points, in pixels."""
        self._rows.append((*start, *end, width / 2, *colour))

    def dot(self, centre: tuple[float, float], radius: float, colour: Colour) -> None:
        """Adds a filled circle."""
        self._rows.append((*centre, *centre, radius, *colour))

    def draw(self, image: npt.NDArray[np.uint8]) -> None:
        """Draws the strokes and cuts off what lies outside.

        Each stroke is walked pixel by pixel along its longer axis, looking at a window of pixels
        across. A pixel's coverage is its distance from the stroke's rim, cut to [0, 1]: what a box
        filter gives for a straight edge. Where strokes meet, the largest coverage counts, and among
        equals the later stroke.

        Args:
            image: (H, W, 3) uint8 BGR, C-contiguous, changed in place.
        """
        if not self._rows:
            return
        height, width = image.shape[:2]
        table = np.array(self._rows, np.float32)
        delta = table[:, 2:4] - table[:, 0:2]
        steep = (np.abs(delta[:, 1]) > np.abs(delta[:, 0]))[:, None]
        # From here on, column 0 is the axis along the stroke and column 1 the axis across.
        start = np.where(steep, table[:, 1::-1], table[:, 0:2])
        delta = np.where(steep, delta[:, ::-1], delta)
        extent = np.where(steep, (height, width), (width, height))
        stride = np.where(steep, (width, 1), (1, width))
        rim = table[:, 4] + np.float32(0.5)
        length = np.hypot(delta[:, 0], delta[:, 1])
        # A dot has no direction, and any will do.
        is_dot = (length < 1e-3)[:, None]
        unit = np.where(is_dot, (1, 0), delta / np.maximum(length, 1e-3)[:, None])
        unit = unit.astype(np.float32)

        # One row for each step of each stroke; u and v are places of pixel centres from its start.
        ends = start[:, 0] + np.minimum(delta[:, 0], 0), start[:, 0] + np.maximum(delta[:, 0], 0)
        first = np.maximum(np.floor(ends[0] - rim), 0).astype(np.intp)
        last = np.minimum(np.ceil(ends[1] + rim).astype(np.intp), extent[:, 0])
        steps = np.maximum(last - first, 0)
        stroke = np.repeat(np.arange(len(steps)), steps)
        along = np.arange(len(stroke)) + (first - np.cumsum(steps) + steps)[stroke]
        u = along.astype(np.float32) + (np.float32(0.5) - start[:, 0])[stroke]
        slope = delta[:, 1] / np.where(delta[:, 0] == 0, 1, delta[:, 0])
        middle = np.clip(u, np.minimum(delta[:, 0], 0)[stroke], np.maximum(delta[:, 0], 0)[stroke])
        middle *= slope[stroke]
        middle += start[:, 1][stroke]
        reach = (rim * np.sqrt(1 + slope * slope)).max()
        window = np.arange(math.ceil(2 * reach) + 1, dtype=np.float32)
        nearest = np.floor(middle - reach)
        v = (nearest + (np.float32(0.5) - start[:, 1])[stroke])[:, None] + window

        # The distance from the stroke: how far off its line, and how far over its ends.
        unit_u, unit_v = unit[:, :1][stroke], unit[:, 1:][stroke]
        over = v * unit_v
        over += u[:, None] * unit_u
        over -= np.clip(over, 0, length[stroke][:, None])
        v *= unit_u
        v -= u[:, None] * unit_v
        v *= v
        over *= over
        v += over
        coverage = np.subtract(rim[stroke][:, None], np.sqrt(v, out=v), out=v)

        covered = np.flatnonzero(coverage > 0)
        row = covered // len(window)
        across = nearest.take(row).astype(np.intp) + (covered - row * len(window))
        stroke = stroke.take(row)
        pixel = along.take(row) * stride[:, 0].take(stroke) + across * stride[:, 1].take(stroke)
        strength = np.minimum(coverage.take(covered), 1)
        # The assignment below keeps the last of equal indices. Sorting bytes is a radix sort.
        order = np.argsort((strength * np.float32(255)).astype(np.uint8), kind="stable")
        inside = (across >= 0) & (across < extent[:, 1].take(stroke))
        order = order[inside.take(order)]
        pixel, strength = pixel.take(order), strength.take(order)
        flat = image.reshape(-1, 3)
        colour = table[:, 5:8].take(stroke.take(order), axis=0)
        flat[pixel] = mixed(flat.take(pixel, axis=0), colour, strength)
