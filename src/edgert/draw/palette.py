"""Colours, as (blue, green, red) from 0 to 255."""

from __future__ import annotations

import colorsys
from functools import lru_cache

from edgert.skeleton import Side

__all__ = [
    "BLACK",
    "SIDE_COLOURS",
    "UNTRACKED",
    "WHITE",
    "Colour",
    "id_colour",
    "text_colour",
]

Colour = tuple[int, int, int]

BLACK: Colour = (16, 16, 16)
WHITE: Colour = (255, 255, 255)
UNTRACKED: Colour = (176, 176, 176)

# Blue against orange stays apart for every common kind of colour blindness (Okabe and Ito 2008).
SIDE_COLOURS: dict[Side, Colour] = {
    "left": (255, 178, 64),
    "right": (48, 140, 255),
    "centre": (240, 240, 240),
}

_GOLDEN_RATIO = 0.6180339887498949


@lru_cache(maxsize=4096)
def id_colour(track_id: int) -> Colour:
    """The colour of a track: the same in every run, far from those of the ids before it.

    Steps of the golden ratio never come back near a hue soon; saturation and value take turns so
    that the nearest hues differ in those too.
    """
    if track_id < 0:
        return UNTRACKED
    hue = (track_id * _GOLDEN_RATIO) % 1.0
    saturation = (0.80, 0.55, 0.95)[track_id % 3]
    value = (1.0, 0.85)[track_id // 3 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def text_colour(background: Colour) -> Colour:
    """Black or white, whichever reads better (ITU-R BT.601 luma)."""
    blue, green, red = background
    return BLACK if 0.114 * blue + 0.587 * green + 0.299 * red > 140 else WHITE
