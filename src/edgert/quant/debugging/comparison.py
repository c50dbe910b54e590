"""What the comparison of two models found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from edgert.quant.report.figures import plain
from edgert.quant.trials.agreement import Agreement

__all__ = ["Comparison", "FrameDifference", "LayerDifference"]


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """One tensor that both models compute, over all frames.

    Attributes:
        name: Of the tensor.
        op: What computes it in the first model.
        signal_to_noise_db: Infinite where both are equal, None where nothing was measured.
        drop_db: How much further down than the worst of the layers before it; None for the first.
        nonfinite: Elements that are NaN or infinite in one of the models.
    """

    name: str
    op: str
    signal_to_noise_db: float | None
    drop_db: float | None
    nonfinite: int


@dataclass(frozen=True, slots=True)
class FrameDifference:
    """One frame in both models.

    Attributes:
        index: Number of the frame in its source.
        source: Where it is from.
        signal_to_noise_db: Of the worst of the models' outputs; None without people to look at.
        nonfinite: Output elements that are NaN or infinite in one of the models.
        people: How many the first model and the second found.
        agreement: Who is lost, added, moved.
    """

    index: int
    source: str
    signal_to_noise_db: float | None
    nonfinite: int
    people: tuple[int, int]
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `debug` found.

    Attributes:
        model: The reference's path.
        other: The other model's path.
        source: What was looked at.
        threshold_db: Under this a layer counts as parted.
        layers: In topological order.
        outputs: Names of the models' outputs among the layers.
        missing: (tensor, reason) of what could not be compared.
        frames: In order.
        worst_seen: Positions in `frames`, the most visible difference first.
        worst_noise: Positions in `frames`, the noisiest output first.
        pictures: For those, JPEG of the first and of the second model's result.
    """

    model: str
    other: str
    source: str
    threshold_db: float
    layers: tuple[LayerDifference, ...]
    outputs: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]
    frames: tuple[FrameDifference, ...]
    worst_seen: tuple[int, ...] = ()
    worst_noise: tuple[int, ...] = ()
    pictures: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)

    @property
    def first_parted(self) -> LayerDifference | None:
        """The first layer under the threshold, or with numbers that are not finite."""
        for layer in self.layers:
            decibels = layer.signal_to_noise_db
            if layer.nonfinite or (decibels is not None and decibels < self.threshold_db):
                return layer
        return None

    def largest_drops(self, count: int = 10) -> list[LayerDifference]:
        """The layers where most is lost on the way from the layers before, the largest first."""
        falling = [layer for layer in self.layers if layer.drop_db is not None]
        return sorted(falling, key=lambda layer: -(layer.drop_db or 0.0))[:count]

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON-ready values, without the pictures.

        Where two tensors are equal, `signal_to_noise_db` is None and `equal` is true.
        """
        first = self.first_parted
        return {
            "model": self.model,
            "other": self.other,
            "source": self.source,
            "threshold_db": self.threshold_db,
            "first_parted": None if first is None else first.name,
            "largest_drops": [layer.name for layer in self.largest_drops()],
            "layers": [_with_equal(layer) for layer in self.layers],
            "outputs": list(self.outputs),
            "missing": [list(pair) for pair in self.missing],
            "frames": [_with_equal(frame) for frame in self.frames],
            "worst_seen": [self.frames[i].index for i in self.worst_seen],
            "worst_noise": [self.frames[i].index for i in self.worst_noise],
        }


def _with_equal(item: LayerDifference | FrameDifference) -> dict[str, Any]:
    values: dict[str, Any] = plain(item)
    return {**values, "equal": item.signal_to_noise_db == math.inf}
