"""Which cell is taught which person: task-aligned assignment (TOOD, Feng et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from boxes import iou

__all__ = ["assign"]

# YOLOv8's choice of what TOOD leaves open: alignment is score^0.5 * IoU^6, ten cells a person.
_SCORE_POWER, _IOU_POWER, _CELLS = 0.5, 6.0, 10
_TINY = 1e-9


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, centers: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """For one picture: the person of each cell, and the score it is to give.

    A cell may be taught a person whose box its centre lies in. Each person takes the ten cells
    of the best alignment; a cell that several take goes to the one it overlaps most. The score to
    give is the alignment, scaled so that a person's best cell gets their best IoU (equation 3).

    Args:
        scores: (A,) in [0, 1], as predicted.
        boxes: (A, 4) xyxy in network pixels, as predicted.
        centers: (2, A) in network pixels.
        truth: (N, 4) xyxy in network pixels.

    Returns:
        (A,) int64, the index of a person or -1, and (A,) the scores to give.
    """
    cells, people = len(scores), len(truth)
    if people == 0:
        return torch.full((cells,), -1, device=scores.device), torch.zeros_like(scores)
    overlap = iou(truth[:, None], boxes[None])
    x, y = centers
    sides = [x - truth[:, :1], y - truth[:, 1:2], truth[:, 2:3] - x, truth[:, 3:] - y]
    within = torch.stack(sides).amin(0) > 0
    alignment = scores**_SCORE_POWER * overlap**_IOU_POWER * within
    best = alignment.topk(min(_CELLS, cells), 1).indices
    taken = torch.zeros_like(within).scatter_(1, best, True) & within
    owner = overlap.masked_fill(~taken, -1).argmax(0)
    owner = torch.where(taken.any(0), owner, -1)
    mine = owner == torch.arange(people, device=owner.device)[:, None]
    alignment, overlap = alignment * mine, overlap * mine
    scale = overlap.amax(1, keepdim=True) / (alignment.amax(1, keepdim=True) + _TINY)
    return owner, (alignment * scale).amax(0)
