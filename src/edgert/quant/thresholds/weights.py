"""Weights in 8 bits, symmetric, one scale per output channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgert.quant.thresholds._solvers import search_weight_thresholds
from edgert.quant.thresholds.scales import SMALLEST_SCALE

__all__ = ["dequantize", "quantize_weight"]

_LAST_LEVEL = 127  # -128 is left out: TensorRT and VNNI kernels want symmetric weights


def quantize_weight(
    weight: NDArray[np.float32],
    axis: int,
    method: str = "minmax",
    *,
    smallest_scale: float = SMALLEST_SCALE,
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a weight to 8 bits: `q = clip(round_half_even(weight / scale), -127, 127)`.

    Args:
        weight: Any shape, float. Values must be finite.
        axis: The output channels: 0 for Conv, 1 for ConvTranspose of one group, for Gemm 0 with
            transB and else 1, -1 for MatMul. Negative ones count from the end.
        method: "minmax": the largest magnitude of a channel becomes 127. "mse": the threshold with
            the smallest sum of squared errors, scanned from 0.3 to 1 of that.
        smallest_scale: Lower limit, so that channels of zeros have a positive scale. The default is
            FP16's smallest normal number; models that keep scales in FP32 may go lower.

    Returns:
        q: int8, the weight's shape.
        scale: float32, one per channel, positive.

    Raises:
        ValueError: No such axis or method, or values that are not finite.
    """
    weight = np.asarray(weight, np.float32)
    if not -weight.ndim <= axis < weight.ndim:
        raise ValueError(f"a weight of shape {weight.shape} has no axis {axis}")
    if method not in ("minmax", "mse"):
        raise ValueError(f"unknown method {method!r} for weights: choose minmax or mse")
    if not np.isfinite(weight).all():
        raise ValueError(f"a weight of shape {weight.shape} has values that are not finite")
    channels = weight.shape[axis]
    rows = np.ascontiguousarray(np.moveaxis(weight, axis, 0)).reshape(
        channels, weight.size // max(channels, 1)
    )
    thresholds = np.abs(rows).max(axis=1, initial=0).astype(np.float64)
    if method == "mse":
        search_weight_thresholds(rows, thresholds)
    scale = np.maximum(thresholds / _LAST_LEVEL, smallest_scale).astype(np.float32)
    levels = np.rint(weight / _along(scale, axis, weight.ndim))
    return np.clip(levels, -_LAST_LEVEL, _LAST_LEVEL).astype(np.int8), scale


def dequantize(q: NDArray[np.int8], scale: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """What a runtime makes of a quantized weight: `q * scale`.

    Args:
        q: int8, any shape.
        scale: float32, one per channel.
        axis: The channels' axis.

    Returns:
        float32, the shape of `q`.
    """
    return q.astype(np.float32) * _along(scale, axis, q.ndim)


def _along(scale: NDArray[np.float32], axis: int, ndim: int) -> NDArray[np.float32]:
    shape = [1] * ndim
    shape[axis] = -1
    return scale.reshape(shape)
