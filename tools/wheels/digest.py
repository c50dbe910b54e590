"""What edgert's host stages compute, as digests: equal wherever every instruction set is.

    python tools/wheels/digest.py

Inputs are made of whole numbers, so that nothing but edgert decides the bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

import edgert
from edgert import _core, ops


def digest(arrays: Iterable[Any]) -> str:
    """Of arrays' bytes."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]


def main() -> None:
    """Print a line for each stage, the instruction set first."""
    dice = np.random.default_rng(20)
    image = dice.integers(0, 256, (721, 1283, 3), np.uint8)
    corners = dice.integers(0, 500, (40, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + dice.integers(20, 200, (40, 2))], axis=1)
    grid = dice.integers(0, 4096, (1, 84, 8400)).astype(np.float32) / np.float32(4096)
    grid[:, :4] *= np.float32(640)
    heatmaps = dice.integers(0, 4096, (40, 17, 64, 48)).astype(np.float32) / np.float32(4096)
    print("instructions", _core.instruction_set())
    tensor, to_frame = ops.letterbox(image)
    print("letterbox", digest([tensor, to_frame]))
    print("boxes", digest(ops.decode_yolo(grid, to_frame, score_threshold=0.9)))
    crops, to_frames = ops.crop_people(image, boxes, size=(256, 192))
    print("crops", digest([crops, to_frames]))
    for refine in ("none", "quarter", "dark"):
        print(f"joints_{refine}", digest(ops.decode_heatmaps(heatmaps, to_frames, refine=refine)))
    tracker, seen = edgert.ByteTrack(), []
    scores = dice.integers(20, 100, 40).astype(np.float32) / np.float32(100)
    for _ in range(50):
        boxes = boxes + np.tile(dice.integers(-3, 4, (40, 2)), 2)
        tracks = tracker.update(boxes, scores)
        seen += [tracks.ids, tracks.boxes, tracks.detection_indices]
    print("tracks", digest(seen))


if __name__ == "__main__":
    main()
