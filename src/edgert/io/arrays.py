"""Frames that the caller has in memory."""

from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy as np

from edgert.devices import place_of
from edgert.io.frame import Frame, Image
from edgert.io.source import Source

__all__ = ["DEFAULT_FPS", "ArraySource", "as_frame", "as_image", "is_array"]

DEFAULT_FPS = 30.0
"""Frame rate of input that has none of its own: arrays and images."""

_INTERFACES = ("__dlpack__", "__array_interface__", "__cuda_array_interface__")
_VIDEO = {
    "nv12": "(H * 3 / 2, W) of NV12, luma above chroma, H and W even",
    "yuyv": "(H, W, 2) of YUYV, W even",
}
_EXPECTED = "expected (H, W, 3) uint8 BGR, (H, W) or (H, W, 1) grey, or (H, W, 4) BGRA"


def is_array(item: object) -> bool:
    """Whether `item` holds one block of numbers: an array, a tensor or a buffer."""
    if isinstance(item, (str, bytes)):
        return False
    if any(hasattr(item, name) for name in _INTERFACES):
        return True
    try:
        memoryview(item)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def as_image(item: Any, where: str = "array") -> Image:
    """Sees an array, DLPack tensor or buffer as a BGR image.

    Args:
        item: uint8, in host memory: (H, W, 3) BGR or (H, W, 4) BGRA, which are not copied, or
            grey (H, W) or (H, W, 1).
        where: What to call it in an error.

    Returns:
        (H, W, 3) uint8 BGR of any stride.

    Raises:
        ValueError: Wrong dtype, shape or place, naming what was found and what was expected.
    """
    array = _as_array(item, where)
    if array.dtype != np.uint8:
        hint = "; scale floating point images to 0..255 first" if array.dtype.kind == "f" else ""
        raise ValueError(f"{where}: found dtype {array.dtype}, {_EXPECTED}{hint}")
    grey = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1)
    if not grey and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        chw = array.ndim == 3 and array.shape[0] in (1, 3)
        hint = "; transpose (C, H, W) to (H, W, C)" if chw else ""
        raise ValueError(f"{where}: found shape {array.shape}, {_EXPECTED}{hint}")
    if array.size == 0:
        raise ValueError(f"{where}: found shape {array.shape}, expected at least one pixel")
    if grey:
        return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    return array[:, :, :3] if array.shape[2] == 4 else array


def as_frame(item: Any, where: str = "array", format: str = "bgr") -> Any:
    """An image in host memory as `as_image` sees it; one in a GPU's memory as it is.

    Args:
        item: As `as_image` takes it, or a tensor (H, W, 3) in a GPU's memory; of the formats of
            video, in either.
        where: What to call it in an error.
        format: "bgr" or "rgb"; "nv12", (H * 3 / 2, W); "yuyv", (H, W, 2); H and W even, the pixels
            of a row packed.

    Raises:
        ValueError: Wrong dtype, shape or place.
    """
    here = not is_array(item) or place_of(item) == "cpu"
    if here and format not in _VIDEO:
        return as_image(item, where)
    image = _as_array(item, where) if here else item
    shape = tuple(image.shape)
    if "uint8" not in str(image.dtype) or 0 in shape or not _is_shape_of(shape, format):
        raise ValueError(
            f"{where}: found shape {shape} {image.dtype} on {place_of(item)}, "
            f"expected uint8 {_VIDEO.get(format, '(H, W, 3) BGR')}"
        )
    return image


def _is_shape_of(shape: tuple[int, ...], format: str) -> bool:
    if format == "nv12":
        return len(shape) == 2 and shape[0] % 3 == 0 and shape[1] % 2 == 0
    if format == "yuyv":
        return len(shape) == 3 and shape[2] == 2 and shape[1] % 2 == 0
    return len(shape) == 3 and shape[2] == 3


def _as_array(item: Any, where: str) -> np.ndarray[Any, np.dtype[Any]]:
    if isinstance(item, np.ndarray):
        return item
    if type(item).__module__.startswith("PIL."):
        # NumPy would take it, with red and blue exchanged.
        raise ValueError(
            f"{where}: found a PIL image, which is RGB; give np.asarray(image)[..., ::-1]"
        )
    if not is_array(item):
        raise ValueError(f"{where}: found {type(item).__name__}, {_EXPECTED}")
    try:
        if hasattr(item, "__dlpack__"):
            # NumPy 1.22 has it under a private name.
            take = vars(np).get("from_dlpack") or vars(np)["_from_dlpack"]
            array: np.ndarray[Any, np.dtype[Any]] = take(item)
            return array
        return np.asarray(item)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: {type(item).__name__} cannot be read without a copy ({error}); "
            "expected an array in host memory"
        ) from error


class ArraySource(Source):
    """Arrays of the caller, one by one, as they are asked for."""

    def __init__(self, arrays: Iterable[Any], *, fps: float | None = None) -> None:
        super().__init__(
            "array",
            fps=fps or DEFAULT_FPS,
            frame_count=len(arrays) if isinstance(arrays, Sized) else None,
        )
        self._arrays = arrays
        self._rate = fps or DEFAULT_FPS

    def _frames(self) -> Iterator[Frame]:
        for index, item in enumerate(self._arrays):
            image = as_frame(item, f"array {index}")
            self.size = (image.shape[0], image.shape[1])
            yield Frame(image, index, index / self._rate, self.name)
