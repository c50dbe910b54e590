"""Half of a batch as in a mirror: twice as many pictures for nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from edgert.skeleton import COCO_17

from data import STRIDE

__all__ = ["MIRRORED", "mirror_crops", "mirror_pictures"]


def _other_side() -> list[int]:
    other = {"left": "right", "right": "left"}
    halves = [name.partition("_") for name in COCO_17.joints]
    names = [other.get(side, side) + rest + part for side, rest, part in halves]
    return [COCO_17.joints.index(name) for name in names]


MIRRORED = _other_side()  # the joint that each one is in a mirror


def mirror_pictures(images: Tensor, boxes: Tensor, kinds: Tensor) -> tuple[Tensor, ...]:
    """The second half of a batch mirrored: images (B, 3, H, W), boxes (B, N, 4) xyxy, (B, N)."""
    half, width = len(images) // 2, images.shape[3]
    left, top, right, bottom = boxes[half:].unbind(-1)
    turned = torch.stack([width - right, top, width - left, bottom], -1)
    images = torch.cat([images[:half], images[half:].flip(3)])
    return images, torch.cat([boxes[:half], turned]), kinds


def mirror_crops(images: Tensor, joints: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
    """The second half of a batch mirrored: (N, 3, H, W), joints (N, 17, 2) in cells, (N, 17).

    A person's left wrist is their right one in a mirror. Pixels mirror about the middle of the
    crop, cells as well: cell c lies at pixel c * STRIDE.
    """
    half, width = len(images) // 2, images.shape[3]
    x, y = joints[half:, MIRRORED].unbind(-1)
    turned = torch.stack([width / STRIDE - x, y], -1)
    return (
        torch.cat([images[:half], images[half:].flip(3)]),
        torch.cat([joints[:half], turned]),
        torch.cat([weights[:half], weights[half:, MIRRORED]]),
    )
