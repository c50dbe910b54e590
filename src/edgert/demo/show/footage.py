"""A scene's frames with the truth that results are judged by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgert.demo import solids
from edgert.demo.frame import Frame
from edgert.demo.scene import Scene
from edgert.evaluation.truth import Truth

__all__ = ["SIZE", "Footage", "Shot", "truth_of"]

SIZE = (720, 1280)
"""Height and width of the frames in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        truth: Who is in it.
    """

    image: npt.NDArray[np.uint8]
    truth: Truth


class Footage:
    """A scene in blocks of frames, rendered on all cores: a few at a time are in memory.

    Args:
        seed: Of the scene.
        people: About how many are there at any time.
        frames: How many frames.
        block: Frames a block.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, seed: int, people: int, frames: int, block: int) -> None:
        self._scene = Scene(seed, people, SIZE, frames)
        self._block = block

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self._scene.frame_rate

    def __iter__(self) -> Iterator[list[Shot]]:
        count = len(self._scene)
        with ThreadPoolExecutor(os.cpu_count()) as crew:
            for start in range(0, count, self._block):
                yield list(crew.map(self._shoot, range(start, min(start + self._block, count))))

    def _shoot(self, index: int) -> Shot:
        frame = self._scene[index]
        return Shot(frame.image, truth_of(frame))


def truth_of(frame: Frame) -> Truth:
    """The truth about a frame as an evaluation takes it.

    Ignored is who is not clear. The area that OKS is scaled by is the whole person's, seen or not,
    as boxes are of the whole person: the pixels seen over the share that is seen.
    """
    boxes = frame.boxes.astype(np.float64)
    # The street's label is -1.
    places = solids.PARTS_PER_OWNER * len(frame.owner_ids) + 1
    labels = np.add(frame.labels, 1, dtype=np.int64).ravel()
    pixels = np.bincount(labels, minlength=places)[1:places]
    pixels = pixels.reshape(-1, solids.PARTS_PER_OWNER).sum(axis=1)
    seen = dict(zip(frame.owner_ids.tolist(), pixels.tolist(), strict=True))
    seen_px = np.array([seen[person] for person in frame.ids.tolist()], np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    whole_px = seen_px / np.maximum(frame.visible, 1e-6)
    return Truth(
        ids=frame.ids,
        boxes=boxes,
        keypoints=frame.keypoints.astype(np.float64),
        visibility=frame.visibility,
        areas=np.minimum(whole_px, sides[:, 0] * sides[:, 1]),
        ignored=~frame.clear,
        size=(frame.image.shape[0], frame.image.shape[1]),
    )
