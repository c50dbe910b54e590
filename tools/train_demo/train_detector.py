"""Train the demo world's detector: python tools/train_demo/train_detector.py --help."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from edgert.architectures.catalogue import ARCHITECTURES
from edgert.architectures.weights import make

from data import IGNORED, TAUGHT, Pictures, World
from losses import detection_loss
from mirror import mirror_pictures
from training import fit, parser

_NAME = "demo_detector"


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train; returns the loss of each step."""
    args = parser(_NAME, batch=32, steps=8_000, kept=30_000).parse_args(arguments)
    network = make(ARCHITECTURES[_NAME], seed=args.seed).to(args.device)
    pictures = Pictures(World(args.seed, tuple(args.frame)), tuple(args.size or network.shape.size))

    def loss_of(batch: list[Tensor]) -> Tensor:
        images, boxes, kinds = batch
        return detection_loss(network, images / 255, boxes, kinds == TAUGHT, kinds == IGNORED)

    return fit(network, pictures, mirror_pictures, loss_of, args)


if __name__ == "__main__":
    main()
