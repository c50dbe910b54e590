"""Where each person is at any time: across the street, some with a stop on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgert.demo.angles import arctangent
from edgert.demo.camera import Camera
from edgert.demo.dice import Dice

__all__ = ["Walk", "Walks", "plan_walks"]

_Floats = npt.NDArray[np.float64]

_EASE_S = 0.7  # to come to a halt, to turn, to set off
_FARTHEST_EDGE_M = 40.0


@dataclass(frozen=True)
class Walk:
    """One person's way: from the start to the stop, and after a while on to the end.

    Attributes:
        start: (x, z) on the ground, metres; out of sight.
        stop: (x, z) of the stop.
        end: (x, z), out of sight.
        enters_s: When they start.
        waits_s: How long they stop.
        speed: Metres a second.
        gesture: What they do at the stop: "stand", "wave" or "phone".
    """

    start: tuple[float, float]
    stop: tuple[float, float]
    end: tuple[float, float]
    enters_s: float
    waits_s: float
    speed: float
    gesture: str

    @property
    def arrives_s(self) -> float:
        """When they reach the stop."""
        return self.enters_s + _distance(self.start, self.stop) / self.speed

    @property
    def leaves_s(self) -> float:
        """When they set off again."""
        return self.arrives_s + self.waits_s

    @property
    def ends_s(self) -> float:
        """When they are at the end."""
        return self.leaves_s + _distance(self.stop, self.end) / self.speed


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]))


class Walks:
    """Many ways as arrays.

    Attributes:
        enters_s: (N,) when each enters.
        ends_s: (N,) when each is gone.
    """

    def __init__(self, walks: list[Walk]) -> None:
        def column(values: list[float]) -> _Floats:
            return np.array(values, np.float64)

        self._start = np.array([w.start for w in walks]).reshape(-1, 2)
        self._stop = np.array([w.stop for w in walks]).reshape(-1, 2)
        self._end = np.array([w.end for w in walks]).reshape(-1, 2)
        self.enters_s = column([w.enters_s for w in walks])
        self._arrives_s = column([w.arrives_s for w in walks])
        self._leaves_s = column([w.leaves_s for w in walks])
        self.ends_s = column([w.ends_s for w in walks])
        self._speed = column([w.speed for w in walks])
        turns = [_headings(w) for w in walks]
        self._first_heading = column([first for first, _ in turns])
        self._turn = column([turn for _, turn in turns])

    def alive(self, time_s: float) -> npt.NDArray[np.intp]:
        """Those on their way at a time."""
        return np.flatnonzero((self.enters_s <= time_s) & (time_s < self.ends_s))

    def at(self, who: npt.NDArray[np.intp], time_s: float) -> tuple[_Floats, ...]:
        """Where some are.

        Args:
            who: (M,) indices.
            time_s: The time.

        Returns:
            (M, 3) places on the ground; (M,) headings in radians, 0 away from the camera, a
            quarter turn to the right; (M,) metres walked; (M,) how much they walk, from 0 to 1.
        """
        before = np.minimum(time_s, self._arrives_s[who]) - self.enters_s[who]
        after = np.maximum(time_s - self._leaves_s[who], 0.0)
        speed = self._speed[who]
        legs = []
        for origin, goal, since in (
            (self._start, self._stop, before),
            (self._stop, self._end, after),
        ):
            step = goal[who] - origin[who]
            long = np.maximum(np.sqrt(step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1]), 1e-6)
            legs.append(step * (since * speed / long)[:, None])
        place = self._start[who] + legs[0] + legs[1]
        # Turned and slowed down around the ends of the stop; a stop of no length is passed.
        waits = self._leaves_s[who] - self._arrives_s[who] > 1e-9
        nearest = np.minimum(
            np.abs(time_s - self._arrives_s[who]), np.abs(time_s - self._leaves_s[who])
        )
        within = (time_s > self._arrives_s[who]) & (time_s < self._leaves_s[who])
        moving = np.where(within, 0.0, _eased(nearest / _EASE_S))
        moving = np.where(waits, moving, 1.0)
        turned = _eased((time_s - self._leaves_s[who]) / (2 * _EASE_S) + 0.5)
        heading = self._first_heading[who] + turned * self._turn[who]
        ground = np.stack([place[:, 0], np.zeros(len(who)), place[:, 1]], axis=1)
        return ground, heading, (before + after) * speed, moving


def _eased(share: _Floats) -> _Floats:
    """From 0 to 1 without a jolt."""
    x = np.clip(share, 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _headings(walk: Walk) -> tuple[float, float]:
    """The heading to the stop, and the turn there, the short way round."""

    def heading(a: tuple[float, float], b: tuple[float, float]) -> float:
        x, z = b[0] - a[0], b[1] - a[1]
        angle = float(arctangent(np.array(abs(x)), np.array(z)))
        return angle if x >= 0 else -angle

    first = heading(walk.start, walk.stop)
    turn = heading(walk.stop, walk.end) - first
    return first, turn - 2 * math.pi * math.floor(turn / (2 * math.pi) + 0.5)


def plan_walks(
    dice: Dice, camera: Camera, depths_m: tuple[float, float], people: int, duration_s: float
) -> list[Walk]:
    """Ways such that about `people` are on theirs at any time, in the order in which they enter."""
    walks = []
    for _ in range(people):
        walk = _walk(dice, camera, depths_m, 0.0)
        # The first ones have been here for a while.
        elapsed = dice.between(0.04, 0.9) * (walk.ends_s - walk.enters_s)
        now = -elapsed
        while now < duration_s:
            walk = Walk(**{**vars(walk), "enters_s": now})
            walks.append(walk)
            now = walk.ends_s
            walk = _walk(dice, camera, depths_m, 0.0)
    return sorted(walks, key=lambda walk: walk.enters_s)


def _walk(dice: Dice, camera: Camera, depths_m: tuple[float, float], enters_s: float) -> Walk:
    near, far = depths_m
    side = 1.0 if dice.chance(0.5) else -1.0

    def depth() -> float:
        return near + (far - near) * dice.between(0.0, 1.0)

    from_z, stop_z = depth(), depth()
    kind = dice.pick(["across", "across", "across", "slanting", "slanting", "up", "down"])
    if kind == "across":
        stop_z = min(max(from_z + dice.between(-1.0, 1.0), near), far)
        end_z = stop_z
    elif kind == "slanting":
        end_z = depth()
    else:
        from_z, end_z = (near, far) if kind == "up" else (far, near)
        stop_z = near + (far - near) * dice.between(0.3, 0.7)
    leaves = side if kind in ("up", "down") and dice.chance(0.4) else -side
    stop_x = dice.between(-0.8, 0.8) * _edge_m(camera, stop_z)
    pauses = dice.chance(0.35)
    return Walk(
        start=(side * _edge_m(camera, from_z), from_z),
        stop=(stop_x, stop_z),
        end=(leaves * _edge_m(camera, end_z), end_z),
        enters_s=enters_s,
        waits_s=dice.between(4.0, 15.0) if pauses else 0.0,
        speed=dice.between(0.85, 1.75),
        gesture=dice.pick(["stand", "wave", "phone"]),
    )


def _edge_m(camera: Camera, depth_m: float) -> float:
    """How far to the side somebody at a depth is out of sight."""
    x = np.arange(0.5, _FARTHEST_EDGE_M, 0.25)
    columns = []
    for height_m in (0.0, 1.9):
        points = np.stack([x, np.full_like(x, height_m), np.full_like(x, depth_m)], axis=1)
        pixels, scale, _ = camera.project(points)
        columns.append(pixels[:, 0] - 0.6 * scale)
    hidden = np.minimum(*columns) > camera.size[1] + 20
    return float(x[np.argmax(hidden)]) if hidden.any() else _FARTHEST_EDGE_M
