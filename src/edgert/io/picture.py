"""One image file to BGR pixels, the same as OpenCV's ``imread(path, IMREAD_COLOR)``."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgert.errors import SourceError
from edgert.io.frame import Image

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

__all__ = ["MAX_PIXELS", "read_image"]

MAX_PIXELS = 2**29
"""Largest image that is read; 20000 x 20000 fits. Decoding takes up to 10 bytes a pixel."""

_pillow_limit = threading.Lock()


def read_image(path: Path) -> Image:
    """Reads an image file.

    The orientation that EXIF asks for is applied. Grey, palette, CMYK and 16-bit images become
    8-bit BGR; of 16 bits the high byte is taken. An alpha channel is dropped, not blended: pixels
    that are transparent keep the colour that the file gives them.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF, PNM, or what else Pillow reads.

    Returns:
        (H, W, 3) uint8 BGR, C-contiguous.

    Raises:
        SourceError: No such file, not an image, broken, or of more than `MAX_PIXELS`.
    """
    from PIL import Image as pillow  # noqa: N813
    from PIL import ImageOps, UnidentifiedImageError

    try:
        if path.stat().st_size == 0:
            raise SourceError(f"{path}: found an empty file (0 bytes), expected an image")
        with _open(path) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise SourceError(
                    f"{path}: found {width}x{height} pixels, expected at most {MAX_PIXELS}"
                )
            image.load()
            return _to_bgr(ImageOps.exif_transpose(image) or image, path)
    except UnidentifiedImageError:
        raise SourceError(f"{path}: not a video or image: the content is unknown") from None
    except (OSError, SyntaxError, ValueError, EOFError, pillow.DecompressionBombError) as error:
        raise SourceError(f"{path}: broken image: {_brief(error)}") from error


def _open(path: Path) -> "PillowImage":
    from PIL import Image as pillow  # noqa: N813

    # Pillow's guard against decompression bombs is one global, looked at when a header is read.
    # `MAX_PIXELS` replaces it here, for these microseconds, and it is put back.
    with _pillow_limit:
        before = pillow.MAX_IMAGE_PIXELS
        pillow.MAX_IMAGE_PIXELS = None
        try:
            return pillow.open(path)
        finally:
            pillow.MAX_IMAGE_PIXELS = before


def _to_bgr(image: "PillowImage", path: Path) -> Image:
    if image.mode == "F":
        raise SourceError(f"{path}: found floating point pixels, expected 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.int64)
        grey = np.clip(deep >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if "transparency" in image.info:
        image = image.convert("RGBA")  # or Pillow warns that the transparency is lost
    if image.mode != "RGB":
        image = image.convert("RGB")
    width, height = image.size
    # Pillow exchanges red and blue while it packs: six times faster than a reversed NumPy copy.
    packed = bytearray(image.tobytes("raw", "BGR"))
    return np.frombuffer(packed, np.uint8).reshape(height, width, 3)


def _brief(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
