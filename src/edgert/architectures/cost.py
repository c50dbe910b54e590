"""What a network costs: its parameters, and the multiply-adds of its convolutions."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgert.architectures.yolov8 import Expectation

__all__ = ["Cost", "cost_of"]


@dataclass(frozen=True)
class Cost:
    """A network's cost for one picture.

    Attributes:
        parameters: All of them, those of normalisations included.
        multiply_adds: Of the convolutions and of what is one in the original; normalisations count
            as fused into them. What papers call a FLOP is one of them for HRNet, half of one for
            YOLOv8.
    """

    parameters: int
    multiply_adds: int


def cost_of(network: nn.Module, size: tuple[int, int]) -> Cost:
    """Count, without computing anything.

    Args:
        network: A network of convolutions; it stays as it is.
        size: Input (height, width) in pixels.
    """
    network = copy.deepcopy(network).to("meta").eval()
    total = 0

    def count(layer: Any, _: Any, output: Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | Expectation):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.empty(1, 3, *size, device="meta"))
    return Cost(sum(p.numel() for p in network.parameters()), total)
