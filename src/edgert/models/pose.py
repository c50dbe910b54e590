"""Top-down pose networks with heatmaps."""

from __future__ import annotations

from edgert import _core
from edgert.engine import Engine
from edgert.errors import ModelError
from edgert.models import metadata
from edgert.models.binding import Bound, DeviceBound, bind, bind_on_host, probe

__all__ = ["PoseModel"]


class PoseModel:
    """A pose network, its output understood.

    Attributes:
        engine: The model.
        size: Network input (height, width).
        joints: Number of joints.
        padding: How much larger than its box a person's crop is.

    Raises:
        ModelError: The output is not heatmaps `(N, K, h, w)`, alone or with offsets `(N, 2K, h,
            w)`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.size = metadata.size(engine, default=(256, 192))
        self._shapes = probe(engine, self.size)
        self._heatmaps, self._offsets = self._find_outputs()
        self.joints = self._shapes[self._heatmaps][1]
        self.padding = metadata.padding(engine, default=1.25)

    @property
    def outputs(self) -> tuple[int, int | None]:
        """Which outputs are the heatmaps and, where there are any, the offsets."""
        return self._heatmaps, self._offsets

    @property
    def normalization(self) -> _core.Normalization:
        """ImageNet's unless the model says otherwise; outside the frame is black."""
        return metadata.imagenet_normalization(self.engine)

    @property
    def layout(self) -> _core.HeatmapLayout:
        """How the native decoder reads the heatmaps."""
        engine, (height, width) = self.engine, self._shapes[self._heatmaps][2:]
        stride_y, stride_x = self.size[0] / height, self.size[1] / width
        refine = metadata.choice(
            engine, "edgert.refine", engine.refine, ("none", "quarter", "dark"), "quarter"
        )
        cells = metadata.choice(
            engine, "edgert.cells", engine.cells, ("corner", "center"), "corner"
        )
        order = metadata.choice(
            engine, "edgert.offsets", None, ("xy", "yx", "x..y..", "y..x.."), "xy"
        )
        unit = metadata.choice(engine, "edgert.offsets_unit", None, ("cell", "pixel"), "cell")
        offsets = _core.OffsetLayout(
            order.startswith("x"), ".." not in order, 1.0 if unit == "cell" else 1.0 / stride_x
        )
        return _core.HeatmapLayout(
            stride_x,
            stride_y,
            _core.Refine[refine],
            _core.Cells[cells],
            metadata.blur_kernel(engine),
            offsets,
        )

    def bind(self) -> Bound | DeviceBound:
        """The model bound to memory for as many people a run as the engine allows."""
        return bind(
            self.engine, self.size, self._shapes, self._wanted(), max_batch=self.engine.max_batch
        )

    def bind_on_host(self) -> Bound:
        """Likewise, from host memory to host memory whatever device runs it."""
        return bind_on_host(
            self.engine, self.size, self._shapes, self._wanted(), max_batch=self.engine.max_batch
        )

    def _wanted(self) -> list[int]:
        return [self._heatmaps] if self._offsets is None else [self._heatmaps, self._offsets]

    def _find_outputs(self) -> tuple[int, int | None]:
        maps = [i for i, shape in enumerate(self._shapes) if len(shape) == 4]
        found = "; ".join(
            f"{spec.name} {shape}"
            for spec, shape in zip(self.engine.outputs, self._shapes, strict=True)
        )
        wanted = (
            f"{self.engine.path}: expected a pose network with heatmaps (N, K, h, w), "
            f"found output {found}"
        )
        if not maps:
            if len(self._shapes[0]) == 3:
                raise ModelError(f"{wanted}: a detector goes in as detector=")
            raise ModelError(wanted)
        # Offsets are told by their name; else they are what has two channels for each of the
        # heatmaps'.
        channels = [self._shapes[i][1] for i in maps]
        heatmaps = next(
            (i for i in maps if "offset" not in self.engine.outputs[i].name.lower()), maps[0]
        )
        same_grid = [
            i
            for i, count in zip(maps, channels, strict=True)
            if count == 2 * self._shapes[heatmaps][1]
            and self._shapes[i][2:] == self._shapes[heatmaps][2:]
        ]
        height, width = self._shapes[heatmaps][2:]
        if (
            height > self.size[0]
            or width > self.size[1]
            or self.engine.outputs[heatmaps].dtype.kind != "f"
        ):
            raise ModelError(f"{wanted}: not heatmaps of an input of {self.size}")
        return heatmaps, same_grid[0] if same_grid else None
