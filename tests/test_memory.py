"""Long runs: what a frame takes, it gives back."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np

import edgert


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_resident_size_is_flat(model):
    """2,000 frames of changing content, with between 0 and 20 people in them."""
    random = np.random.default_rng(0)
    pictures = []
    for people in (0, 1, 3, 8, 20, 2):
        image = np.full((480, 640, 3), 10, np.uint8)
        for _ in range(people):
            x, y = random.integers(0, 560), random.integers(0, 400)
            image[y : y + 60, x : x + 60] = random.integers(160, 255)
        pictures.append(image)
    warm = 0.0
    with edgert.Pipeline(model("detector"), model("pose")) as pipe:
        frames = (pictures[i % len(pictures)] for i in range(2000))
        for result in pipe.run(frames):
            if result.frame_index == 200:
                gc.collect()
                warm = resident_mb()
        assert pipe.stats()["frames"] == 2000
        gc.collect()
        assert resident_mb() - warm < 5.0


def test_closed_pipelines_give_their_memory_back(model):
    def open_and_close() -> None:
        with edgert.Pipeline(model("detector"), model("pose")) as pipe:
            pipe(np.zeros((480, 640, 3), np.uint8))

    # Each pipeline's pose thread may bring the allocator a new arena, of which it keeps a few.
    for _ in range(20):
        open_and_close()
    gc.collect()
    before = resident_mb()
    for _ in range(60):
        open_and_close()
    gc.collect()
    # 60 leaked pairs of bound models would be 0.6 MB each at the least.
    assert resident_mb() - before < 12.0
