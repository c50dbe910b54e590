"""Rectangles and text, drawn straight into an array."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgert.draw.palette import Colour, mixed

__all__ = ["Canvas", "text_size"]


class Canvas:
    """Draws into a (H, W, 3) uint8 BGR array and cuts off what lies outside."""

    def __init__(self, image: npt.NDArray[np.uint8]) -> None:
        self.image = image
        self.height, self.width = image.shape[:2]

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
            part[...] = mixed(part, np.array(colour, np.float32), coverage)


def text_size(text: str, size: int) -> tuple[int, int]:
    """Width and height in pixels that `Canvas.text` takes."""
    height, width = _text_mask(text, size).shape
    return width, height


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
