"""Arguments of `edgert.ops`, checked, in the form in which the native stages take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgert import _core
from edgert.engines.base import Array

__all__ = [
    "check_size",
    "floats",
    "make_box_filter",
    "matrices_of",
    "output_array",
    "to_frame_pixels",
]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def make_box_filter(
    score_threshold: float, nms_threshold: float, max_detections: int, wanted_classes: list[int]
) -> _core.BoxFilter:
    """Check the parameters of decoding.

    Raises:
        ValueError: One is out of its range.
    """
    for name, value in (("score_threshold", score_threshold), ("nms_threshold", nms_threshold)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}, expected 0 to 1")
    if max_detections < 1:
        raise ValueError(f"max_detections is {max_detections}, expected at least 1")
    return _core.BoxFilter(score_threshold, nms_threshold, max_detections, wanted_classes)


def check_size(size: tuple[int, int]) -> None:
    """Raise ValueError unless it is (height, width) in pixels."""
    if len(size) != 2 or not all(1 <= side <= 1 << 16 for side in size):
        raise ValueError(f"size is {size}, expected (height, width) in pixels")


def to_frame_pixels(points: Float32, matrices: Float64) -> Float32:
    """(..., 2) network pixels to frame pixels, as the native stages do it: in double."""
    scale, offset = matrices[..., [0, 1], [0, 1]], matrices[..., 2]
    return (points.astype(np.float64) * scale + offset).astype(np.float32)


def output_array(out: Array | None, count: int, size: tuple[int, int]) -> Array:
    """`out`, if a (count, 3, *size) tensor can be written to it, or a new one.

    Raises:
        ValueError: It has the wrong dtype, shape or layout.
    """
    check_size(size)
    shape = (count, 3, *size)
    if out is None:
        return np.empty(shape, np.float32)
    if out.shape != shape or out.dtype not in (np.float32, np.float16):
        raise ValueError(f"out: found {out.shape} {out.dtype}, expected {shape} float32 or float16")
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError("out: expected a C-contiguous, writeable array")
    return out


def floats(values: Any, name: str) -> Array:
    """A C-contiguous float32 or float16 array of what has the array interface or DLPack.

    Raises:
        ValueError: It has another dtype.
    """
    array = np.from_dlpack(values) if _only_dlpack(values) else np.asarray(values)
    if array.dtype not in (np.float32, np.float16):
        raise ValueError(f"{name}: found dtype {array.dtype}, expected float32 or float16")
    return np.ascontiguousarray(array)


def _only_dlpack(values: Any) -> bool:
    return hasattr(values, "__dlpack__") and not hasattr(values, "__array_interface__")


def matrices_of(to_frame: ArrayLike, leading: tuple[int, ...]) -> Float64:
    """(*leading, 2, 3) maps from network pixels to frame pixels.

    Raises:
        ValueError: They have another shape.
    """
    matrices = np.ascontiguousarray(to_frame, np.float64)
    if matrices.shape != (*leading, 2, 3):
        raise ValueError(f"to_frame: found shape {matrices.shape}, expected {(*leading, 2, 3)}")
    return matrices
