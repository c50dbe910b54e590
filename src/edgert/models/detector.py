"""Detectors with the YOLOv8 head, and one-stage YOLOv8-pose."""

from __future__ import annotations

from collections.abc import Sequence

from edgert import _core
from edgert.coco_names import COCO_NAMES
from edgert.engine import Engine
from edgert.errors import ModelError
from edgert.models import metadata
from edgert.models.binding import Bound, DeviceBound, bind, probe

__all__ = ["DetectorModel"]


class DetectorModel:
    """A detector, its output understood.

    Attributes:
        engine: The model.
        size: Network input (height, width).
        names: One a class.
        joints: Of a one-stage pose model, else 0.

    Raises:
        ModelError: The output is not the YOLOv8 head `(B, 4 + C, A)` or `(B, 4 + 1 + 3K, A)`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.size = metadata.size(engine, default=(640, 640))
        self._shapes = probe(engine, self.size)
        rows = self._check_output()
        self.joints = self._read_joints(rows)
        self.names = self._read_names(rows - 4 - 3 * self.joints)

    @property
    def normalization(self) -> _core.Normalization:
        """[0, 1] unless the model says otherwise; the letterbox's margin is 114."""
        mean = metadata.numbers(self.engine, "edgert.mean", 3, self.engine.mean) or [0.0] * 3
        std = metadata.numbers(self.engine, "edgert.std", 3, self.engine.std) or [1.0] * 3
        pad = metadata.numbers(self.engine, "edgert.pad_value", 1, None) or [114.0]
        return _core.Normalization(mean, std, pad[0])

    def wanted_classes(self, classes: Sequence[str | int] | None) -> list[int]:
        """One flag a class; empty for all.

        Raises:
            ValueError: The model has no such class.
        """
        if classes is None:
            return []
        if isinstance(classes, (str, int)):
            classes = (classes,)
        flags = [0] * len(self.names)
        for wanted in classes:
            if isinstance(wanted, str):
                if wanted not in self.names:
                    raise ValueError(f"classes: {self._no_class(wanted)}")
                flags[self.names.index(wanted)] = 1
            elif 0 <= wanted < len(flags):
                flags[wanted] = 1
            else:
                raise ValueError(f"classes: {self._no_class(wanted)}")
        return flags

    def bind(self) -> Bound | DeviceBound:
        """The model bound to memory for one frame at a time."""
        return bind(self.engine, self.size, self._shapes, wanted=[0], max_batch=1)

    def _no_class(self, wanted: str | int) -> str:
        names = ", ".join(self.names[:10]) + (", ..." if len(self.names) > 10 else "")
        return f"{self.engine.path} has no class {wanted!r}; it has {len(self.names)}: {names}"

    def _check_output(self) -> int:
        shape, spec = self._shapes[0], self.engine.outputs[0]
        wanted = f"{self.engine.path}: expected a detector with the YOLOv8 head (B, 4 + C, A)"
        found = f"found output {spec.name} {shape}"
        if len(shape) == 4:
            raise ModelError(f"{wanted}, {found}: heatmaps; a pose network goes in as pose=")
        if len(shape) != 3:
            raise ModelError(f"{wanted}, {found}: a classifier? Export a detection model")
        if shape[2] in (6, 7) or shape[1] < 5:
            raise ModelError(
                f"{wanted}, {found}: suppression is in the graph; export the model without NMS"
            )
        # One anchor a cell of the grids of stride 8, 16 and 32: that many rows are no rows of
        # values.
        anchors = sum((self.size[0] // step) * (self.size[1] // step) for step in (8, 16, 32))
        if shape[1] == anchors != shape[2]:
            raise ModelError(
                f"{wanted}, {found}: anchors come first; transpose the last two dimensions"
            )
        if spec.dtype.kind != "f" or spec.dtype.itemsize > 4:
            raise ModelError(f"{wanted} in float32 or float16, {found} of {spec.dtype}")
        return shape[1]

    def _read_joints(self, rows: int) -> int:
        shape = metadata.value(self.engine, "kpt_shape")
        if shape is not None:
            if len(shape) != 2 or shape[1] != 3 or rows < 5 + 3 * shape[0]:
                raise ModelError(
                    f"{self.engine.path}: metadata kpt_shape is {shape} with {rows} output rows, "
                    f"expected [K, 3] with at least 5 + 3 K rows"
                )
            return int(shape[0])
        # 4 + 1 + 3 * 17: COCO's joints; without metadata nothing else tells them from 52 classes.
        is_coco_pose = rows == 56 and "names" not in self.engine.metadata
        return 17 if is_coco_pose else 0

    def _read_names(self, count: int) -> tuple[str, ...]:
        found = metadata.value(self.engine, "names")
        if found is None:
            return COCO_NAMES[:count] if count <= 80 else tuple(f"class {i}" for i in range(count))
        names = tuple(str(n) for n in (found.values() if isinstance(found, dict) else found))
        if len(names) != count:
            raise ModelError(
                f"{self.engine.path}: metadata names has {len(names)} classes, "
                f"the output has {count}"
            )
        return names
