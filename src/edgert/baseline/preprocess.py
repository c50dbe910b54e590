"""Letterbox and person crops with OpenCV on 8-bit images and NumPy normalisation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["MEAN", "STD", "crop_people", "letterbox", "stretch_people"]

_Image = npt.NDArray[np.uint8]
_Tensor = npt.NDArray[np.float32]

# ImageNet's, RGB.
MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)
STD = np.array((0.229, 0.224, 0.225), dtype=np.float32)


def letterbox(
    image: _Image, size: tuple[int, int] = (640, 640), pad_value: int = 114
) -> tuple[_Tensor, npt.NDArray[np.float64]]:
    """A frame as YOLOv8 sees it.

    Args:
        image: (h, w, 3) uint8 BGR.
        size: Height and width of the network's input.
        pad_value: Of the borders.

    Returns:
        (1, 3, H, W) float32 RGB in [0, 1], and (2, 3) float64, network pixels to frame pixels.
    """
    h, w = image.shape[:2]
    ratio = min(size[1] / w, size[0] / h)
    new_w, new_h = max(1, round(w * ratio)), max(1, round(h * ratio))
    pad_w, pad_h = size[1] - new_w, size[0] - new_h
    left, top = round(pad_w / 2 - 0.1), round(pad_h / 2 - 0.1)
    resized = cv2.resize(image, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    padded = cv2.copyMakeBorder(
        resized,
        top,
        pad_h - top,
        left,
        pad_w - left,
        cv2.BORDER_CONSTANT,
        value=(pad_value, pad_value, pad_value),
    )
    planar = np.ascontiguousarray(padded[:, :, ::-1].transpose(2, 0, 1))
    tensor = planar[None].astype(np.float32)
    tensor /= 255
    scale_x, scale_y = w / new_w, h / new_h
    return tensor, np.array([[scale_x, 0, -left * scale_x], [0, scale_y, -top * scale_y]])


def crop_people(
    image: _Image,
    boxes: npt.ArrayLike,
    size: tuple[int, int] = (384, 288),
    padding: float = 1.25,
) -> tuple[_Tensor, npt.NDArray[np.float64]]:
    """People cut out as a top-down pose network sees them.

    Args:
        image: (h, w, 3) uint8 BGR.
        boxes: (N, 4) xyxy in frame pixels.
        size: Height and width of the network's input.
        padding: How much larger than its box a crop is.

    Returns:
        (N, 3, H, W) float32, normalised, and (N, 2, 3) float64, network pixels to frame pixels.
    """
    h, w = size
    corners = np.asarray(boxes, dtype=np.float64)
    tensor = np.empty((len(corners), 3, h, w), dtype=np.float32)
    to_frame = np.empty((len(corners), 2, 3))
    for n, (x1, y1, x2, y2) in enumerate(corners):
        scale = max((x2 - x1) / w, (y2 - y1) / h) * padding
        offset_x, offset_y = (x1 + x2 - scale * w) / 2, (y1 + y2 - scale * h) / 2
        to_frame[n] = [[scale, 0, offset_x], [0, scale, offset_y]]
        tensor[n] = _cut(image, to_frame[n], size, MEAN, STD)
    return tensor, to_frame


def stretch_people(
    image: _Image,
    boxes: npt.NDArray[Any],
    size: tuple[int, int],
    mean: _Tensor = MEAN,
    deviation: _Tensor = STD,
) -> _Tensor:
    """People cut out as an appearance network sees them, each box stretched over the whole input.

    Args:
        image: (h, w, 3) uint8 BGR.
        boxes: (N, 4) xyxy in frame pixels.
        size: Height and width of the network's input.
        mean: (3,) float32, RGB on the scale of [0, 1].
        deviation: Likewise.

    Returns:
        (N, 3, H, W) float32, normalised.
    """
    h, w = size
    tensor = np.empty((len(boxes), 3, h, w), dtype=np.float32)
    for n, (x1, y1, x2, y2) in enumerate(np.asarray(boxes, dtype=np.float64)):
        to_frame = np.array([[(x2 - x1) / w, 0, x1], [0, (y2 - y1) / h, y1]])
        tensor[n] = _cut(image, to_frame, size, mean, deviation)
    return tensor


def _cut(
    image: _Image,
    to_frame: npt.NDArray[np.float64],
    size: tuple[int, int],
    mean: _Tensor,
    deviation: _Tensor,
) -> _Tensor:
    height, width = size
    # OpenCV counts pixels from their centres.
    shift = (to_frame[:, :2].sum(axis=1) - 1) / 2
    crop = cv2.warpAffine(
        image,
        np.column_stack([to_frame[:, :2], to_frame[:, 2] + shift]),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    rgb = crop[:, :, ::-1].astype(np.float32) / 255
    cut: _Tensor = ((rgb - mean) / deviation).transpose(2, 0, 1)
    return cut
