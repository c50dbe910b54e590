"""Train the demo world's pose network: python tools/train_demo/train_pose.py --help."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from edgert.architectures.catalogue import ARCHITECTURES
from edgert.architectures.weights import make
from edgert.ops import IMAGENET_MEAN, IMAGENET_STD

from data import Crops, World
from losses import heatmap_loss
from mirror import mirror_crops
from training import fit, parser

_NAME = "demo_pose"
_SIGMA = 1.25  # cells, of 16 x 24


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train; returns the loss of each step."""
    args = parser(_NAME, batch=1024, steps=8_000, kept=600_000).parse_args(arguments)
    network = make(ARCHITECTURES[_NAME], seed=args.seed).to(args.device)
    crops = Crops(World(args.seed, tuple(args.frame)), tuple(args.size or network.shape.size))
    mean, deviation = (
        torch.tensor(values, device=args.device).view(3, 1, 1)
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )

    def loss_of(batch: list[Tensor]) -> Tensor:
        images, joints, weights = batch
        return heatmap_loss(network((images / 255 - mean) / deviation), joints, weights, _SIGMA)

    return fit(network, crops, mirror_crops, loss_of, args)


if __name__ == "__main__":
    main()
