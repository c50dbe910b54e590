"""Text as masks: how much of each pixel the letters cover."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

__all__ = ["label_mask"]


@lru_cache(maxsize=1024)
def label_mask(text: str, size: int) -> npt.NDArray[np.uint8]:
    """One line of text with a margin around it.

    Put together from letters that are kept: a label's score changes in every frame, and rendering
    a text takes longer than drawing all else in the frame.

    Args:
        text: The text.
        size: Size of the font in pixels.

    Returns:
        (h, w) uint8, not writeable, from 0 to 255; equally high for all texts of a size, so that
        labels line up.
    """
    letters = [_letter(character, size) for character in text]
    margin = _margin(size)
    mask = np.zeros((_line(size)[1], 2 * margin + sum(advance for _, advance in letters)), np.uint8)
    left = 0
    for letter, advance in letters:
        # A letter may reach into the cells beside its own.
        cells = mask[:, left : left + letter.shape[1]]
        np.maximum(cells, letter, out=cells)
        left += advance
    mask.flags.writeable = False
    return mask


@lru_cache(maxsize=1024)
def _letter(character: str, size: int) -> tuple[npt.NDArray[np.uint8], int]:
    """The mask of a letter, a margin on either side included, and the step to the next one."""
    from PIL import Image, ImageDraw

    font, margin = _font(size), _margin(size)
    top, height = _line(size)
    advance = math.ceil(font.getlength(character))
    image = Image.new("L", (advance + 2 * margin, height))
    ImageDraw.Draw(image).text((margin, top), character, fill=255, font=font)
    return np.asarray(image), advance


@lru_cache(maxsize=16)
def _line(size: int) -> tuple[int, int]:
    """Where a text is drawn for its digits to begin at the margin, and the height of a label."""
    _, top, _, bottom = _font(size).getbbox("0")
    below = size // 4  # what hangs under the line
    return _margin(size) - round(top), math.ceil(bottom - top) + below + 2 * _margin(size)


def _margin(size: int) -> int:
    return max(2, size // 4)


@lru_cache(maxsize=16)
def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
