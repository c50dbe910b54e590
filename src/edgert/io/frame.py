"""One picture and where it comes from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frame", "Image"]

Image = NDArray[np.uint8]
"""(H, W, 3) uint8, BGR, of any stride."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        image: (H, W, 3) uint8 BGR. For arrays of the caller it is the caller's own memory.
        index: Number of the frame within its source, from 0. A frame that was dropped or could
            not be read uses up its number.
        time_s: Presentation time in seconds: the container's own for a video file, since the
            first frame for a live source, ``index / fps`` for images and arrays.
        source: Path or URL as given, without credentials; ``"camera:0"``; ``"array"``; for a
            folder of images the path of the image.
        stream: Position of the source in a list of sources.
    """

    image: Image
    index: int
    time_s: float
    source: str
    stream: int = 0
