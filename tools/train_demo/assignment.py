"""Which cell is taught which person: task-aligned assignment (TOOD, Feng et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from boxes import iou

__all__ = ["assign", "inside"]

# YOLOv8's choice of what TOOD leaves open: alignment is score^0.5 * IoU^6, ten cells a person.
_SCORE_POWER, _IOU_POWER, _CELLS = 0.5, 6.0, 10
_TINY = 1e-9


@torch.no_grad()
def assign(
    scores: Tensor, boxes: Tensor, centers: Tensor, truth: Tensor, present: Tensor
) -> tuple[Tensor, Tensor]:
    """The person of each cell, and the score it is to give.

    A cell may be taught a person whose box its centre lies in. Each person takes the ten cells
    of the best alignment; a cell that several take goes to the one it overlaps most. The score to
    give is the alignment, scaled so that a person's best cell gets their best IoU (equation 3).

    Args:
        scores: (B, A) in [0, 1], as predicted.
        boxes: (B, A, 4) xyxy in network pixels, as predicted.
        centers: (2, A) in network pixels.
        truth: (B, N, 4) xyxy in network pixels; rows beyond a picture's people are not read.
        present: (B, N) which rows of truth are people.

    Returns:
        (B, A) int64, the index of a person or -1, and (B, A) the scores to give.
    """
    cells, people = scores.shape[1], truth.shape[1]
    if people == 0:
        return torch.full_like(scores, -1, dtype=torch.int64), torch.zeros_like(scores)
    overlap = iou(truth[:, :, None], boxes[:, None])
    within = inside(truth, centers) & present[..., None]
    alignment = scores[:, None] ** _SCORE_POWER * overlap**_IOU_POWER * within
    best = alignment.topk(min(_CELLS, cells), 2).indices
    taken = torch.zeros_like(within).scatter_(2, best, True) & within
    owner = overlap.masked_fill(~taken, -1).argmax(1)
    owner = torch.where(taken.any(1), owner, -1)
    mine = owner[:, None] == torch.arange(people, device=owner.device)[:, None]
    alignment, overlap = alignment * mine, overlap * mine
    scale = overlap.amax(2, keepdim=True) / (alignment.amax(2, keepdim=True) + _TINY)
    return owner, (alignment * scale).amax(1)


def inside(boxes: Tensor, centers: Tensor) -> Tensor:
    """Which centres (2, A) lie in boxes (B, N, 4): (B, N, A)."""
    x, y = centers
    low_x, low_y, high_x, high_y = boxes[..., None].unbind(2)
    return (x > low_x) & (y > low_y) & (x < high_x) & (y < high_y)
