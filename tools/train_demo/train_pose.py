"""Train the demo world's pose network: python tools/train_demo/train_pose.py --help."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.utils.data import DataLoader

from edgert.architectures.catalogue import ARCHITECTURES
from edgert.architectures.weights import make

from data import Crops, World
from losses import heatmap_loss
from training import fit, parser

_NAME = "demo_pose"
_SIGMA = 1.5  # cells, of 24 x 32


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train; returns the loss of each step."""
    args = parser(_NAME, batch=256, steps=6_000).parse_args(arguments)
    network = make(ARCHITECTURES[_NAME], seed=args.seed).to(args.device)
    crops = Crops(World(args.seed, tuple(args.frame)), tuple(args.size or network.shape.size))
    loader = DataLoader(crops, args.batch, num_workers=args.workers)

    def loss_of(batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        images, joints, weights = (part.to(args.device) for part in batch)
        return heatmap_loss(network(images), joints, weights, _SIGMA)

    return fit(network, loader, loss_of, args)


if __name__ == "__main__":
    main()
