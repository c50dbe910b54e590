"""Overlaps of boxes, xyxy."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["generalized_iou", "iou"]

_TINY = 1e-9


def iou(one: Tensor, two: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4) that broadcast: (...)."""
    return _overlap(one, two)[0]


def generalized_iou(one: Tensor, two: Tensor) -> Tensor:
    """IoU less the empty share of the box around both (Rezatofighi et al. 2019): (...)."""
    share, union = _overlap(one, two)
    low = torch.minimum(one[..., :2], two[..., :2])
    high = torch.maximum(one[..., 2:], two[..., 2:])
    hull = _area(high - low)
    return share - (hull - union) / (hull + _TINY)


def _overlap(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    low = torch.maximum(one[..., :2], two[..., :2])
    high = torch.minimum(one[..., 2:], two[..., 2:])
    common = _area((high - low).clamp(min=0))
    areas = [_area((box[..., 2:] - box[..., :2]).clamp(min=0)) for box in (one, two)]
    union = areas[0] + areas[1] - common
    return common / (union + _TINY), union


def _area(extent: Tensor) -> Tensor:
    """Not `prod`, whose gradient counts zeros on the host."""
    return extent[..., 0] * extent[..., 1]
