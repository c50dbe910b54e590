"""The demo world's networks, which know its scenes: paths to give to `edgert.Pipeline`."""

from __future__ import annotations

from pathlib import Path

__all__ = ["APPEARANCE", "DETECTOR", "POSE"]

DETECTOR = Path(__file__).with_name("demo_detector.onnx")
"""YOLOv8 of one class, "person", 352x608."""

POSE = Path(__file__).with_name("demo_pose.onnx")
"""HRNet with COCO's 17 joints, 96x64."""

APPEARANCE = Path(__file__).with_name("demo_appearance.onnx")
"""What somebody is dressed in, 32x16 to 256 numbers: a histogram of colours, not trained."""
