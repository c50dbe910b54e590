"""Detectors: the YOLOv8 head, one-stage YOLOv8-pose, and heads that give boxes end to end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert import _core
from edgert.coco_names import COCO_NAMES
from edgert.engine import Engine
from edgert.engines.base import Array
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
        end_to_end: Whether the output is rows of detections, chosen by the network itself, which
            are used as they are.

    Raises:
        ModelError: The output is neither the YOLOv8 head, `(B, 4 + C, A)` or `(B, 4 + 1 + 3K, A)`,
            nor rows of x1, y1, x2, y2, score, class, `(B, N, 6)` or `(B, N, 6 + 3K)`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.size = metadata.size(engine, default=(640, 640))
        self._shapes = probe(engine, self.size)
        self._check_rank()
        self.end_to_end = self._is_end_to_end()
        values = self._check_rows() if self.end_to_end else self._check_yolo()
        self.joints = self._read_joints(values)
        self.names = self._read_names(None if self.end_to_end else values - 4 - 3 * self.joints)

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

    def decode(
        self, output: Array, to_frame: NDArray[np.float64], box_filter: _core.BoxFilter
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
        """An output as boxes (N, 4) in frame pixels, scores (N,) and class ids (N,)."""
        read = _core.decode_end_to_end if self.end_to_end else _core.decode_yolo
        boxes, scores, class_ids, *_ = read(output, to_frame, len(self.names), box_filter)
        return boxes, scores, class_ids

    @property
    def _expected(self) -> str:
        return f"{self.engine.path}: expected a detector with the YOLOv8 head (B, 4 + C, A)"

    @property
    def _found(self) -> str:
        return f"found output {self.engine.outputs[0].name} {self._shapes[0]}"

    @property
    def _anchors(self) -> int:
        """One a cell of the grids of stride 8, 16 and 32."""
        return sum((self.size[0] // step) * (self.size[1] // step) for step in (8, 16, 32))

    def _check_rank(self) -> None:
        shape, spec = self._shapes[0], self.engine.outputs[0]
        if len(shape) == 4:
            raise ModelError(
                f"{self._expected}, {self._found}: heatmaps; a pose network goes in as pose="
            )
        if len(shape) != 3:
            raise ModelError(
                f"{self._expected}, {self._found}: a classifier? Export a detection model"
            )
        if spec.dtype.kind != "f" or spec.dtype.itemsize > 4:
            raise ModelError(
                f"{self._expected} in float32 or float16, {self._found} of {spec.dtype}"
            )

    def _is_end_to_end(self) -> bool:
        """As its exporter noted (Ultralytics: `end2end`, `args`), else by the shape."""
        noted: Any = metadata.value(self.engine, "args")
        if metadata.value(self.engine, "end2end") or (isinstance(noted, dict) and noted.get("nms")):
            return True
        _, rows, values = self._shapes[0]
        # As many rows as anchors: every anchor's values, not the best of them.
        if self._anchors in (rows, values):
            return False
        joints = metadata.value(self.engine, "kpt_shape")
        with_joints = 6 + 3 * (17 if joints is None else int(joints[0]))
        return values in (6, with_joints)

    def _check_rows(self) -> int:
        """The values a row, as those of a YOLOv8 head of one class are counted."""
        _, rows, values = self._shapes[0]
        wanted = f"{self.engine.path}: expected rows of x1, y1, x2, y2, score, class (B, N, 6)"
        if rows == 0:
            raise ModelError(
                f"{wanted}, {self._found} for an empty picture: their number depends on the "
                f"picture; export the model with a fixed number (Ultralytics: max_det)"
            )
        if values < 6 or (values - 6) % 3:
            raise ModelError(
                f"{wanted} or, with K joints, (B, N, 6 + 3 K), {self._found}: rotated boxes or "
                f"masks? Export a model for upright boxes"
            )
        return values - 1

    def _check_yolo(self) -> int:
        _, values, anchors = self._shapes[0]
        if anchors == 7 or values < 5:
            raise ModelError(
                f"{self._expected}, {self._found}: suppression is in the graph; export the model "
                f"without NMS, or with rows of 6 values: x1, y1, x2, y2, score, class"
            )
        if values == self._anchors != anchors:
            raise ModelError(
                f"{self._expected}, {self._found}: anchors come first; transpose the last two "
                f"dimensions"
            )
        return values

    def _read_joints(self, values: int) -> int:
        shape = metadata.value(self.engine, "kpt_shape")
        if self.end_to_end:
            joints = (values - 5) // 3
            if shape is not None and tuple(shape) != (joints, 3):
                raise ModelError(
                    f"{self.engine.path}: metadata kpt_shape is {shape}, {self._found}; expected "
                    f"(B, N, 6 + 3 K) with [K, 3]"
                )
            return joints
        if shape is not None:
            if len(shape) != 2 or shape[1] != 3 or values < 5 + 3 * shape[0]:
                raise ModelError(
                    f"{self.engine.path}: metadata kpt_shape is {shape} with {values} output rows, "
                    f"expected [K, 3] with at least 5 + 3 K rows"
                )
            return int(shape[0])
        # 4 + 1 + 3 * 17: COCO's joints; without metadata nothing else tells them from 52 classes.
        is_coco_pose = values == 56 and "names" not in self.engine.metadata
        return 17 if is_coco_pose else 0

    def _read_names(self, count: int | None) -> tuple[str, ...]:
        """One a class; `count` is None where the output does not tell how many there are."""
        found = metadata.value(self.engine, "names")
        if found is None:
            if count is None:
                return COCO_NAMES[:1] if self.joints else COCO_NAMES
            return COCO_NAMES[:count] if count <= 80 else tuple(f"class {i}" for i in range(count))
        names = tuple(str(n) for n in (found.values() if isinstance(found, dict) else found))
        if count is not None and len(names) != count:
            raise ModelError(
                f"{self.engine.path}: metadata names has {len(names)} classes, "
                f"the output has {count}"
            )
        return names
