"""Anti-aliased strokes, rectangles and text, drawn straight into an array."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgert.draw.palette import Colour

__all__ = ["Canvas", "Strokes", "text_size"]


class Strokes:
    """Lines with round ends, and dots, which are lines of no length; the later lie on top."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float, float, float, int, int, int]] = []

    def line(
        self, start: tuple[float, float], end: tuple[float, float], width: float, colour: Colour
    ) -> None:
        """Adds a line between two points, in pixels."""
        self.rows.append((*start, *end, width / 2, *colour))

    def dot(self, centre: tuple[float, float], radius: float, colour: Colour) -> None:
        """Adds a filled circle."""
        self.rows.append((*centre, *centre, radius, *colour))


class Canvas:
    """Draws into a C-contiguous (H, W, 3) uint8 BGR array and cuts off what lies outside."""

    def __init__(self, image: npt.NDArray[np.uint8]) -> None:
        self.image = image
        self.height, self.width = image.shape[:2]

    def strokes(self, strokes: Strokes) -> None:
        """Draws all strokes in one pass: NumPy's cost is in calls, and a frame has hundreds.

        Each stroke is walked pixel by pixel along its longer axis, looking at a window of pixels
        across. A pixel's coverage is its distance from the stroke's rim, cut to [0, 1]: what a box
        filter gives for a straight edge. Where strokes meet, the largest coverage counts, and among
        equals the later stroke.
        """
        if not strokes.rows:
            return
        table = np.array(strokes.rows, np.float32)
        start, end, rim = table[:, 0:2], table[:, 2:4], table[:, 4] + np.float32(0.5)
        steep = np.abs(end - start)[:, 1] > np.abs(end - start)[:, 0]
        # From here on, column 0 is the axis along the stroke and column 1 the axis across.
        start = np.where(steep[:, None], start[:, ::-1], start)
        end = np.where(steep[:, None], end[:, ::-1], end)
        extent = np.where(steep[:, None], (self.height, self.width), (self.width, self.height))
        stride = np.where(steep[:, None], (self.width, 1), (1, self.width))

        first = np.maximum(np.floor(np.minimum(start, end)[:, 0] - rim), 0)
        last = np.minimum(np.ceil(np.maximum(start, end)[:, 0] + rim), extent[:, 0])
        steps = np.maximum(last - first, 0).astype(np.intp)
        stroke = np.repeat(np.arange(len(steps)), steps)
        step = np.arange(len(stroke)) - np.repeat(np.cumsum(steps) - steps, steps)
        along = first[stroke].astype(np.intp) + step

        origin, delta = start[stroke], (end - start)[stroke]
        run, rise = delta[:, :1], delta[:, 1:]
        length_squared = np.maximum(run * run + rise * rise, np.float32(1e-12))
        # u and v are the places of pixel centres, from the start of the stroke.
        u = (along.astype(np.float32) + np.float32(0.5) - origin[:, 0])[:, None]
        middle = origin[:, 1:] + np.clip(u / np.where(run == 0, 1, run), 0, 1) * rise
        # Strokes rise by at most 1 in 1, so that the rim is at most sqrt(2) rims away across.
        reach = np.float32(math.sqrt(2)) * rim.max()
        window = np.arange(math.ceil(2 * reach) + 1)
        across = np.floor(middle - reach).astype(np.intp) + window
        v = across.astype(np.float32) + (np.float32(0.5) - origin[:, 1:])
        part = np.clip(u * (run / length_squared) + v * (rise / length_squared), 0, 1)
        du, dv = u - part * run, v - part * rise
        coverage = np.clip(rim[stroke][:, None] - np.sqrt(du * du + dv * dv), 0, 1)
        coverage *= (across >= 0) & (across < extent[stroke, 1:])

        covered = np.flatnonzero(coverage)
        # The assignment below keeps the last of equal indices. Sorting bytes is a radix sort.
        strength = (coverage.take(covered) * np.float32(255)).astype(np.uint8)
        covered = covered.take(np.argsort(strength, kind="stable"))
        pixel = ((along * stride[stroke, 0])[:, None] + across * stride[stroke, 1:]).take(covered)
        colour = table[:, 5:8].take(stroke.take(covered // len(window)), axis=0)
        flat = self.image.reshape(-1, 3)
        flat[pixel] = _mixed(flat.take(pixel, axis=0), colour, coverage.take(covered))

    def rectangle(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        """A filled rectangle from (left, top) to before (right, bottom)."""
        rows = slice(max(top, 0), max(bottom, 0))
        self.image[rows, max(left, 0) : max(right, 0)] = colour

    def text(self, left: int, top: int, text: str, size: int, colour: Colour) -> None:
        """One line of text whose box has its corner at (left, top)."""
        mask = _text_mask(text, size)
        height, width = mask.shape
        rows = slice(max(top, 0), min(top + height, self.height))
        columns = slice(max(left, 0), min(left + width, self.width))
        if rows.start < rows.stop and columns.start < columns.stop:
            coverage = mask[rows.start - top : rows.stop - top]
            coverage = coverage[:, columns.start - left : columns.stop - left]
            part = self.image[rows, columns]
            part[...] = _mixed(part, np.array(colour, np.float32), coverage)


def text_size(text: str, size: int) -> tuple[int, int]:
    """Width and height in pixels that `Canvas.text` takes."""
    height, width = _text_mask(text, size).shape
    return width, height


def _mixed(
    ground: npt.NDArray[np.uint8],
    colour: npt.NDArray[np.float32],
    coverage: npt.NDArray[np.float32],
) -> npt.NDArray[np.uint8]:
    mixed = ground.astype(np.float32)
    mixed += (colour - mixed) * coverage[..., None]
    mixed += np.float32(0.5)
    return mixed.astype(np.uint8)


@lru_cache(maxsize=1024)
def _text_mask(text: str, size: int) -> npt.NDArray[np.float32]:
    """Coverage of a text. All texts of a size are equally high, so that labels line up."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    left, _, right, _ = font.getbbox(text)
    _, top, _, bottom = font.getbbox("0")
    mask = Image.new("L", (max(1, math.ceil(right - left)), math.ceil(bottom - top) + size // 4))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font)
    coverage: npt.NDArray[np.float32] = np.asarray(mask, np.float32) / np.float32(255)
    return coverage
