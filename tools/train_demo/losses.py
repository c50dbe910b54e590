"""What the two networks are trained to make small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from edgert.architectures.yolov8 import Yolov8, cell_centers

from assignment import assign, inside
from boxes import generalized_iou

__all__ = ["detection_loss", "heatmap_loss"]

# The weights of YOLOv8's three terms.
_BOX_GAIN, _SCORE_GAIN, _SIDES_GAIN = 7.5, 0.5, 1.5


def detection_loss(
    network: Yolov8, images: Tensor, truth: Tensor, taught: Tensor, ignored: Tensor
) -> Tensor:
    """The loss of a detector of one class, a mean over what the cells are to score.

    Overlap with the assigned box, binary cross-entropy of the scores, and the distribution focal
    loss of the sides (Li et al. 2020, equation 6).

    Args:
        network: In training mode.
        images: (B, 3, H, W) RGB in [0, 1].
        truth: (B, N, 4) xyxy in network pixels.
        taught: (B, N) which rows of truth are to be found.
        ignored: (B, N) which rows may be found or not: a cell in one of them, and not taught
            another person, is not told that nobody is there.

    Returns:
        A scalar.
    """
    levels = network.levels(images)
    grids = [(level.shape[2], level.shape[3]) for level in levels]
    centers, strides = cell_centers(grids, images.device)
    rows = torch.cat([level.flatten(2) for level in levels], 2).float()
    bins = network.shape.bins
    sides, logits = rows[:, : 4 * bins], rows[:, 4 * bins]
    boxes = network.boxes(sides, centers, strides).transpose(1, 2)
    owner, wanted = assign(logits.detach().sigmoid(), boxes.detach(), centers, truth, taught)
    owned = owner >= 0
    counts = owned | ~(inside(truth, centers) & ignored[..., None]).any(1)
    score = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    # Cells without a person go along with a weight of 0: shapes are the same in every step, and
    # so a step can be recorded.
    target = truth.gather(1, owner.clamp(min=0)[..., None].expand(-1, -1, 4))
    overlap = 1 - generalized_iou(boxes, target)
    (x, y), (left, top, right, bottom) = centers, target.unbind(2)
    distances = torch.stack([x - left, y - top, right - x, bottom - y], 2) / strides[:, None]
    found = sides.transpose(1, 2).unflatten(2, (4, bins))
    far = _distribution_loss(found, distances).mean(2)
    total = _SCORE_GAIN * (score * counts).sum()
    total = total + (wanted * (_BOX_GAIN * overlap + _SIDES_GAIN * far)).sum()
    return total / wanted.sum().clamp(min=1)


def _distribution_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Cross-entropy with the two bins around a distance: (..., bins), (...) to (...)."""
    bins = logits.shape[-1]
    distances = distances.clamp(0, bins - 1 - 0.01)
    low = distances.long()
    share = distances - low
    chances = functional.log_softmax(logits, -1)
    below, above = (chances.gather(-1, bin_[..., None])[..., 0] for bin_ in (low, low + 1))
    return -(1 - share) * below - share * above


def heatmap_loss(heatmaps: Tensor, joints: Tensor, weights: Tensor, sigma: float) -> Tensor:
    """Mean squared error to Gaussians of height 1 (Sun et al. 2019, section 3).

    Args:
        heatmaps: (N, K, h, w) as predicted.
        joints: (N, K, 2) x and y in cells.
        weights: (N, K); 0 for a joint that is not taught.
        sigma: Of the Gaussian, in cells.

    Returns:
        A scalar: the mean over all cells of the joints with a weight.
    """
    height, width = heatmaps.shape[2:]
    x = torch.arange(width, device=heatmaps.device) - joints[..., 0, None]
    y = torch.arange(height, device=heatmaps.device) - joints[..., 1, None]
    across, down = torch.exp(-(x**2) / (2 * sigma**2)), torch.exp(-(y**2) / (2 * sigma**2))
    wanted = down[..., :, None] * across[..., None, :]
    errors = (heatmaps.float() - wanted).square().mean((2, 3))
    return (errors * weights).sum() / weights.sum().clamp(min=1)
