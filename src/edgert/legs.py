"""What the native pipeline is told about its networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgert import _core
from edgert.models import DetectorModel, PoseModel, ReidModel
from edgert.models.binding import Bound, DeviceBound
from edgert.op_arguments import make_box_filter

__all__ = ["DetectorLeg", "PoseLeg", "ReidLeg", "detector_leg", "pose_leg", "reid_leg"]


@dataclass(frozen=True, slots=True)
class DetectorLeg:
    """The detector bound to memory, and how its output is read."""

    network: Bound | DeviceBound
    normalization: _core.Normalization
    classes: int
    filter: _core.BoxFilter
    joints: int
    end_to_end: bool


@dataclass(frozen=True, slots=True)
class ReidLeg:
    """The appearance network bound to memory."""

    network: Bound | DeviceBound
    normalization: _core.Normalization
    padding: float


@dataclass(frozen=True, slots=True)
class PoseLeg:
    """The pose network bound to memory, and how its output is read."""

    network: Bound | DeviceBound
    normalization: _core.Normalization
    layout: _core.HeatmapLayout
    padding: float


def detector_leg(
    model: DetectorModel,
    classes: Sequence[str | int] | None,
    score_threshold: float,
    nms_threshold: float,
    max_detections: int,
) -> DetectorLeg:
    """Bind a detector.

    Raises:
        ValueError: A parameter is out of its range, or the model has no such class.
    """
    flags = model.wanted_classes(classes)
    box_filter = make_box_filter(score_threshold, nms_threshold, max_detections, flags)
    return DetectorLeg(
        model.bind(),
        model.normalization,
        len(model.names),
        box_filter,
        model.joints,
        model.end_to_end,
    )


def pose_leg(model: PoseModel) -> PoseLeg:
    """Bind a pose network."""
    return PoseLeg(model.bind(), model.normalization, model.layout, model.padding)


def reid_leg(model: ReidModel) -> ReidLeg:
    """Bind an appearance network."""
    return ReidLeg(model.bind(), model.normalization, model.padding)
