"""The networks by name, and what makes each; known without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from edgert.coco_names import COCO_NAMES

__all__ = ["ARCHITECTURES", "HRNetShape", "Yolov8Shape"]


@dataclass(frozen=True)
class Yolov8Shape:
    """A size of YOLOv8.

    Attributes:
        depth: Factor to the 3, 6, 6, 3 blocks of the backbone and the 3 of the neck.
        width: Factor to the channels 64, 128, 256, 512, 1024.
        most_channels: The limit of the channels, before the factor.
        names: The classes.
        bins: Bins of a side's distance distribution.
        relu: ReLU instead of SiLU: on a CPU a small network spends a quarter of its time in SiLU.
        size: Usual input (height, width) in pixels.
    """

    depth: float
    width: float
    most_channels: int
    names: tuple[str, ...] = COCO_NAMES
    bins: int = 16
    relu: bool = False
    size: tuple[int, int] = (640, 640)


@dataclass(frozen=True)
class HRNetShape:
    """A size of HRNet for poses.

    Attributes:
        width: Channels of the finest branch; each coarser one has twice those of the one before,
            up to `most_channels`.
        joints: Heatmaps.
        modules: Exchange modules of stages 2, 3 and 4.
        blocks: Residual blocks a branch of a module.
        stem: Channels of the two convolutions that come down to stride 4.
        first: Channels within the bottlenecks of stage 1, which put out four times as many.
        bottlenecks: How many there are.
        size: Usual input (height, width) in pixels.
        dark_kernel: Where heatmaps are to be read by DARK, the cells of its Gaussian; None: by
            HRNet's quarters.
    """

    width: int
    joints: int = 17
    modules: tuple[int, int, int] = (1, 4, 3)
    blocks: int = 4
    stem: int = 64
    first: int = 64
    bottlenecks: int = 4
    most_channels: int = 1024
    size: tuple[int, int] = (384, 288)
    dark_kernel: int | None = None


ARCHITECTURES: dict[str, Yolov8Shape | HRNetShape] = {
    "yolov8n": Yolov8Shape(0.33, 0.25, 1024),
    "yolov8s": Yolov8Shape(0.33, 0.50, 1024),
    "yolov8m": Yolov8Shape(0.67, 0.75, 768),
    "yolov8l": Yolov8Shape(1.00, 1.00, 512),
    "yolov8x": Yolov8Shape(1.00, 1.25, 512),
    "hrnet_w32": HRNetShape(32),
    "hrnet_w48": HRNetShape(48),
    "demo_detector": Yolov8Shape(0.33, 0.125, 512, ("person",), bins=8, relu=True, size=(352, 608)),
    "demo_pose": HRNetShape(
        16,
        modules=(1, 1, 1),
        blocks=1,
        stem=16,
        first=4,
        bottlenecks=1,
        most_channels=64,
        size=(96, 64),
        dark_kernel=7,
    ),
}
