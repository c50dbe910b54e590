"""Pictures and crops of the demo world, with their truth, as many as are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from edgert import ops
from edgert.demo import Frame, Scene

__all__ = ["IGNORED", "STRIDE", "TAUGHT", "Crops", "Pictures", "World"]

_FRAMES_PER_SCENE = 40
_STEP = 12  # frames between two that are taken: half a second
_SCENES = 8  # open at once in each worker, so that neighbours have little in common
_PADDING = 1.25
STRIDE = 4  # pixels of a crop to a cell of its heatmaps
# What a row of a picture's truth is; rows that are neither are not there.
TAUGHT, IGNORED = 1, 2


@dataclass(frozen=True)
class World:
    """Which scenes are rendered.

    Attributes:
        seed: Of the first scene; each has a seed of its own. Validation keeps to other ones.
        size: Height and width of the frames in pixels.
        people: The most in a scene; each scene has 5 to as many.
    """

    seed: int
    size: tuple[int, int] = (720, 1280)
    people: int = 60

    def frames(self) -> Iterator[Frame]:
        """Frames without end; each worker of a loader renders scenes of its own."""
        first, step = _worker()
        chance = np.random.default_rng([self.seed, first])
        number = self.seed + first
        scenes: list[Iterator[Frame]] = []
        while True:
            if len(scenes) < _SCENES:
                scenes.append(self._scene(number))
                number += step
            index = int(chance.integers(len(scenes)))
            frame = next(scenes[index], None)
            if frame is None:
                del scenes[index]
            else:
                yield frame

    def _scene(self, number: int) -> Iterator[Frame]:
        chance = np.random.default_rng(number)
        people = int(chance.integers(min(5, self.people), self.people + 1))
        length = _FRAMES_PER_SCENE * _STEP
        fisheye = bool(chance.random() < 0.1)
        scene = Scene(number, people, self.size, length, fisheye=fisheye)
        for index in range(0, length, _STEP):
            yield scene[index]


def _worker() -> tuple[int, int]:
    """The number of this process of a loader, and how many there are."""
    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


class Pictures(IterableDataset):
    """Letterboxed frames (3, H, W) uint8, boxes (M, 4) in network pixels, (M,) what each row is.

    M is the most people that a scene of the world has. A row is `TAUGHT`, or `IGNORED` for
    somebody too small or too hidden, whom a network would learn to guess, or 0 for nobody.

    Args:
        world: The scenes.
        size: Network input (height, width).
    """

    def __init__(self, world: World, size: tuple[int, int]) -> None:
        self.world, self.size = world, size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for frame in self.world.frames():
            image, to_frame = ops.letterbox(frame.image, size=self.size)
            boxes = np.zeros((self.world.people, 4), np.float32)
            kinds = np.zeros(self.world.people, np.uint8)
            boxes[: len(frame)] = _to_network(frame.boxes.reshape(-1, 2), to_frame).reshape(-1, 4)
            kinds[: len(frame)] = np.where(frame.clear, TAUGHT, IGNORED)
            yield _eight_bits(image[0]), torch.from_numpy(boxes), torch.from_numpy(kinds)


class Crops(IterableDataset):
    """People (3, H, W) uint8, their joints (17, 2) in cells, and weights (17,).

    A joint that is hidden is taught too; one beyond the frame or the crop is not.

    Args:
        world: The scenes.
        size: Network input (height, width).
    """

    def __init__(self, world: World, size: tuple[int, int]) -> None:
        self.world, self.size = world, size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        chance = np.random.default_rng([self.world.seed, _worker()[0], 1])
        limit = np.array([self.size[1], self.size[0]], np.float32)
        for frame in self.world.frames():
            people = np.flatnonzero(frame.clear)
            if not len(people):
                continue
            # A detector's boxes are a few percent off.
            boxes = frame.boxes[people]
            extent = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
            boxes = boxes + extent * chance.normal(0, 0.04, boxes.shape).astype(np.float32)
            crops, to_frame = ops.crop_people(
                frame.image, boxes, self.size, mean=(0, 0, 0), std=(1, 1, 1), padding=_PADDING
            )
            for row, person in enumerate(people):
                joints = _to_network(frame.keypoints[person], to_frame[row])
                within = ((joints >= 0) & (joints < limit)).all(1)
                weights = ((frame.visibility[person] > 0) & within).astype(np.float32)
                yield (
                    _eight_bits(crops[row]),
                    torch.from_numpy(joints / STRIDE),
                    torch.from_numpy(weights),
                )


def _eight_bits(image: NDArray[np.float32]) -> Tensor:
    """Values in [0, 1] as bytes: a quarter of what goes from process to process, and is kept."""
    return torch.from_numpy(np.rint(image * 255).astype(np.uint8))


def _to_network(points: NDArray[np.float32], to_frame: NDArray[np.float64]) -> NDArray[np.float32]:
    """(M, 2) frame pixels to network pixels."""
    moved = np.linalg.solve(to_frame[:, :2], (points - to_frame[:, 2]).T).T
    return np.ascontiguousarray(moved, np.float32)
