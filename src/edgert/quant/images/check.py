"""Whether a calibration set is likely to do: its size, variety, light and people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgert.io.frame import Image
from edgert.quant.images.picture import Picture

__all__ = ["Survey"]

_IMAGES = (500, 1000)
"""With fewer, thresholds depend on which images were taken; more change them no further. A pose
network's inputs are people, not images."""

_NEAR_BITS = 4
"""Of a fingerprint's 64, how many may differ between near duplicates. Unrelated ones: about 32."""

_NEAR_SHARE = 0.1
_DARK = 40.0
_DARK_SHARE = 0.25
_PEOPLE = 500

_GRID = (8, 9)
_ONES = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


class Survey:
    """Takes down what each image looks like, and says what is wrong with the set as a whole."""

    def __init__(self) -> None:
        self._sources: list[str] = []
        self._fingerprints: list[NDArray[np.uint8]] = []
        self._dark = 0
        self._people: int | None = None

    def add(self, picture: Picture, image: Image, people: int | None) -> None:
        """Look at an image; `people` is None where nobody has counted."""
        grid = _thumbnail(image)
        self._sources.append(picture.source)
        self._fingerprints.append(np.packbits(grid[:, 1:] > grid[:, :-1]))
        self._dark += bool(grid.mean() < _DARK)
        if people is not None:
            self._people = (self._people or 0) + people

    def findings(self) -> list[str]:
        """What may cost accuracy, each with its figure and advice; empty: nothing."""
        found = []
        count = len(self._sources)
        if self._people is None and count < _IMAGES[0]:
            found.append(
                f"{count} images, under {_IMAGES[0]}: thresholds will depend on which images these "
                f"are; take {_IMAGES[0]} to {_IMAGES[1]} from where the model will work"
            )
        if self._people is None and count > _IMAGES[1]:
            found.append(
                f"{count} images, over {_IMAGES[1]}: more change the thresholds no further; "
                f"limit={_IMAGES[1]} with a seed takes a random choice in less time"
            )
        found += self._duplicates(count)
        if self._dark > _DARK_SHARE * count:
            found.append(
                f"{self._dark} of {count} images have a mean brightness under {_DARK:g} of 255: "
                f"activations of daylight will be clipped; add images of every light that the "
                f"model will work in"
            )
        if self._people is not None and self._people < _PEOPLE:
            found.append(
                f"{self._people} people in {count} images, under {_PEOPLE}: thresholds will "
                f"depend on who they are; add images with people"
            )
        return found

    def _duplicates(self, count: int) -> list[str]:
        near: list[tuple[int, int]] = []
        if count < 2:
            return []
        all_of_them = np.stack(self._fingerprints)
        for later in range(1, count):
            bits = _ONES[all_of_them[:later] ^ all_of_them[later]].sum(axis=1, dtype=np.int64)
            nearest = int(bits.argmin())
            if bits[nearest] <= _NEAR_BITS:
                near.append((nearest, later))
        if len(near) <= _NEAR_SHARE * count:
            return []
        one, other = (self._sources[index] for index in near[0])
        return [
            f"{len(near)} of {count} images are nearly the same as an earlier one, such as {other} "
            f"and {one}: they add no variety; take frames further apart (stride=) or other images"
        ]


def _thumbnail(image: Image) -> NDArray[np.float64]:
    """Mean brightness of the cells of a grid, from a few pixels of each. (8, 9)"""
    rows, columns = (_spread(side, cells) for side, cells in zip(image.shape, _GRID, strict=False))
    pixels = image[rows[:, None], columns[None, :]].mean(axis=2)
    height, width = (len(rows) // _GRID[0], len(columns) // _GRID[1])
    cells: NDArray[np.float64] = pixels.reshape(_GRID[0], height, _GRID[1], width).mean(axis=(1, 3))
    return cells


def _spread(side: int, cells: int) -> NDArray[np.int64]:
    """Eight positions a cell, evenly over [0, side)."""
    count = 8 * cells
    return (np.arange(count) * side + side // 2) // count
