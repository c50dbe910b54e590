"""Frames for a small pipeline, and whether two results are equal."""

from __future__ import annotations

import numpy as np

import edgert


def moving_people(count: int) -> list[np.ndarray]:
    """A bright block that walks to the right."""
    frames = []
    for i in range(count):
        image = np.full((64, 64, 3), 10, np.uint8)
        image[16:24, 8 + i % 40 : 16 + i % 40] = 255
        frames.append(image)
    return frames


def equal(a: edgert.Result, b: edgert.Result) -> bool:
    fields = ("boxes", "scores", "class_ids", "ids", "keypoints", "keypoint_scores")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in fields)
