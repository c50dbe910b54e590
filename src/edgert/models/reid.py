"""Appearance networks: a person's crop in, a feature vector out."""

from __future__ import annotations

from edgert import _core
from edgert.engine import Engine
from edgert.errors import ModelError
from edgert.models import metadata
from edgert.models.binding import Bound, DeviceBound, bind, probe

__all__ = ["ReidModel"]


class ReidModel:
    """An appearance network, its output understood.

    Attributes:
        engine: The model.
        size: Network input (height, width); a person's box is stretched over it.
        width: Number of values of a feature vector.
        padding: How much larger than its box a person's crop is.

    Raises:
        ModelError: The first output is not one vector a crop, `(N, D)` or `(N, D, 1, 1)`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.size = metadata.size(engine, default=(256, 128))
        self._shapes = probe(engine, self.size)
        shape, spec = self._shapes[0], engine.outputs[0]
        if len(shape) not in (2, 4) or any(side != 1 for side in shape[2:]):
            raise ModelError(
                f"{engine.path}: expected an appearance network with one vector a crop (N, D), "
                f"found output {spec.name} {shape}"
            )
        if spec.dtype.kind != "f" or spec.dtype.itemsize > 4:
            raise ModelError(
                f"{engine.path}: expected features in float32 or float16, "
                f"found {spec.name} of {spec.dtype}"
            )
        self.width = shape[1]
        self.padding = metadata.padding(engine, default=1.0)

    @property
    def normalization(self) -> _core.Normalization:
        """ImageNet's unless the model says otherwise; outside the frame is black."""
        return metadata.imagenet_normalization(self.engine)

    def bind(self) -> Bound | DeviceBound:
        """The model bound to memory for as many people a run as the engine allows."""
        return bind(self.engine, self.size, self._shapes, [0], self.engine.max_batch)
