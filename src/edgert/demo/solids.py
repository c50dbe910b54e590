"""Rows for `_core.draw_solids`: what each column means."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "AXIS",
    "BLUR",
    "CAPS",
    "COLOUR",
    "COLUMNS",
    "END",
    "GRAIN",
    "PARTS_PER_OWNER",
    "PATCH",
    "RADII",
    "ROUNDNESS",
    "START",
    "STRIPES",
    "THRESHOLD",
    "blank_solids",
]

# As `draw::Solid` in cpp/draw/solids.hpp.
START, END, RADII, CAPS = slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)
COLOUR, PATCH, AXIS = slice(8, 11), slice(11, 14), slice(14, 17)
THRESHOLD, GRAIN, STRIPES, BLUR, ROUNDNESS = 17, 18, 19, slice(20, 22), 22
COLUMNS = 23
PARTS_PER_OWNER = 32


def blank_solids(*shape: int) -> npt.NDArray[np.float32]:
    """(*shape, COLUMNS) float32: round capsules of no size, black, without a patch."""
    solids = np.zeros((*shape, COLUMNS), np.float32)
    solids[..., CAPS] = 1.0
    solids[..., THRESHOLD] = 2.0
    solids[..., ROUNDNESS] = 1.0
    return solids
