"""Train the demo world's detector: python tools/train_demo/train_detector.py --help."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.utils.data import DataLoader

from edgert.architectures.catalogue import ARCHITECTURES
from edgert.architectures.weights import make

from data import Pictures, World, gather_pictures
from losses import detection_loss
from training import fit, parser

_NAME = "demo_detector"


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train; returns the loss of each step."""
    args = parser(_NAME, batch=16, steps=6_000).parse_args(arguments)
    network = make(ARCHITECTURES[_NAME], seed=args.seed).to(args.device)
    pictures = Pictures(World(args.seed, tuple(args.frame)), tuple(args.size or network.shape.size))
    loader = DataLoader(pictures, args.batch, num_workers=args.workers, collate_fn=gather_pictures)

    def loss_of(batch: tuple[Tensor, list[Tensor]]) -> Tensor:
        images, truth = batch
        return detection_loss(
            network, images.to(args.device), [boxes.to(args.device) for boxes in truth]
        )

    return fit(network, loader, loss_of, args)


if __name__ == "__main__":
    main()
