"""What stands in a street and hides people: lamps, signs, bins, benches, trees, parked cars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgert.demo import solids
from edgert.demo.camera import Camera
from edgert.demo.dice import Dice
from edgert.demo.light import Light

__all__ = ["Piece", "draw_piece", "furnish"]

_Floats = npt.NDArray[np.float64]
_Colour = tuple[float, float, float]
_Point = tuple[float, float, float]


@dataclass(frozen=True)
class _Shape:
    """A solid in metres from the piece's place: x to the right, y up, z ahead."""

    start: _Point
    end: _Point
    radii_m: tuple[float, float]
    colour: _Colour
    caps: tuple[float, float] = (1.0, 1.0)
    grain: float = 0.04
    roundness: float = 1.0


@dataclass(frozen=True)
class Piece:
    """A thing in the street.

    Attributes:
        name: What it is.
        place: (x, z) on the ground, metres.
        shapes: Its solids, from far to near.
    """

    name: str
    place: tuple[float, float]
    shapes: tuple[_Shape, ...]


def _lamp(dice: Dice) -> tuple[_Shape, ...]:
    grey = dice.pick([(70.0, 70.0, 72.0), (50.0, 70.0, 55.0), (130.0, 130.0, 130.0)])
    top = dice.between(4.0, 6.0)
    shapes = [
        _Shape((0, y, 0), (0, min(y + 1.2, top), 0), (0.075, 0.07), grey, (0.0, 0.0))
        for y in np.arange(0.0, top, 1.2).tolist()
    ]
    return (
        _Shape((0, 0, 0), (0, 0.5, 0), (0.14, 0.11), grey, (0.3, 0.3)),
        *shapes,
        _Shape((0, top, 0), (0.8, top + 0.1, 0), (0.06, 0.05), grey),
        _Shape((0.7, top + 0.08, 0), (1.2, top + 0.1, 0), (0.1, 0.12), (190.0, 215.0, 225.0)),
    )


def _sign(dice: Dice) -> tuple[_Shape, ...]:
    board = dice.pick([(60.0, 60.0, 200.0), (190.0, 110.0, 40.0), (70.0, 190.0, 220.0)])
    post = (150.0, 150.0, 150.0)
    return (
        _Shape((0, 0, 0), (0, 1.2, 0), (0.035, 0.035), post, (0.0, 0.0)),
        _Shape((0, 1.2, 0), (0, 2.3, 0), (0.035, 0.035), post, (0.0, 0.0)),
        _Shape((0, 2.25, -0.03), (0, 2.25, -0.03), (0.32, 0.32), board, roundness=0.2),
        _Shape((-0.18, 2.25, -0.05), (0.18, 2.25, -0.05), (0.06, 0.06), (235.0,) * 3, (0, 0)),
    )


def _bin(dice: Dice) -> tuple[_Shape, ...]:
    colour = dice.pick([(70.0, 95.0, 60.0), (60.0, 60.0, 62.0), (45.0, 120.0, 190.0)])
    return (
        _Shape((0, 0, 0), (0, 0.85, 0), (0.26, 0.30), colour, (0.2, 0.0)),
        _Shape((0, 0.85, 0), (0, 1.0, 0), (0.32, 0.24), colour, (0.2, 0.4)),
    )


def _bench(dice: Dice) -> tuple[_Shape, ...]:
    wood = dice.pick([(55.0, 85.0, 125.0), (70.0, 110.0, 150.0), (60.0, 75.0, 85.0)])
    iron = (55.0, 55.0, 55.0)
    planks = [
        _Shape((-0.9, y, 0.25), (0.9, y, 0.25), (0.07, 0.07), wood, (0.1, 0.1), roundness=0.5)
        for y in (0.62, 0.80)
    ]
    return (
        _Shape((-0.7, 0, 0.2), (-0.7, 0.85, 0.25), (0.04, 0.04), iron),
        _Shape((0.7, 0, 0.2), (0.7, 0.85, 0.25), (0.04, 0.04), iron),
        *planks,
        _Shape((-0.95, 0.44, 0), (0.95, 0.44, 0), (0.09, 0.09), wood, (0.1, 0.1), roundness=0.4),
        _Shape((-0.7, 0, -0.15), (-0.7, 0.42, -0.1), (0.04, 0.04), iron),
        _Shape((0.7, 0, -0.15), (0.7, 0.42, -0.1), (0.04, 0.04), iron),
    )


def _tree(dice: Dice) -> tuple[_Shape, ...]:
    green = dice.pick([(55.0, 105.0, 70.0), (50.0, 120.0, 95.0), (60.0, 90.0, 65.0)])
    crowns = [
        _Shape((x, y, z), (x, y + 0.3, z), (r, r), green, grain=0.35)
        for x, y, z, r in zip(
            dice.uniform(-0.9, 0.9, 7).tolist(),
            dice.uniform(3.2, 5.0, 7).tolist(),
            sorted(dice.uniform(-0.6, 0.6, 7).tolist(), reverse=True),
            dice.uniform(0.6, 1.0, 7).tolist(),
            strict=True,
        )
    ]
    trunk = (50.0, 65.0, 80.0)
    return (
        _Shape((0, 0, 0), (0.03, 1.5, 0), (0.17, 0.14), trunk, (0.2, 0.0), grain=0.2),
        _Shape((0.03, 1.5, 0), (0.05, 3.2, 0), (0.14, 0.11), trunk, (0.0, 1.0), grain=0.2),
        *crowns,
    )


def _planter(dice: Dice) -> tuple[_Shape, ...]:
    green = dice.pick([(55.0, 110.0, 75.0), (70.0, 130.0, 95.0)])
    long = dice.between(0.6, 1.3)
    stone = (150.0, 158.0, 162.0)
    return (
        _Shape((-long, 0.72, 0), (long, 0.72, 0), (0.30, 0.30), green, (0.7, 0.7), 0.35),
        _Shape((-long, 0.25, 0), (long, 0.25, 0), (0.25, 0.25), stone, (0.2, 0.2), 0.08, 0.3),
    )


def _car(dice: Dice) -> tuple[_Shape, ...]:
    paint = dice.pick(
        [
            (200.0, 200.0, 202.0),
            (45.0, 42.0, 42.0),
            (60.0, 50.0, 150.0),
            (140.0, 90.0, 50.0),
            (120.0, 120.0, 122.0),
            (90.0, 130.0, 95.0),
        ]
    )
    glass, tyre, hub = (95.0, 85.0, 75.0), (30.0, 30.0, 30.0), (150.0, 150.0, 150.0)
    f = dice.pick([1.0, -1.0])  # which way it looks
    return (
        _Shape(
            (0.15 * f, 0.80, 0), (0.15 * f, 1.42, 0), (1.35, 0.80), paint, (0.0, 0.12), 0.01, 0.4
        ),
        _Shape(
            (0.15 * f, 0.90, -0.1), (0.15 * f, 1.34, -0.1), (1.12, 0.72), glass, (0, 0), 0.02, 0.3
        ),
        _Shape(
            (0.15 * f, 0.85, -0.1), (0.15 * f, 1.38, -0.1), (0.05, 0.05), paint, (0, 0), 0.01, 0.3
        ),
        _Shape((-1.9, 0.60, -0.1), (1.9, 0.60, -0.1), (0.32, 0.32), paint, (0.55, 0.55), 0.01, 0.7),
        _Shape((2.0 * f, 0.70, -0.2), (2.0 * f, 0.70, -0.2), (0.1, 0.1), (225.0, 240.0, 245.0)),
        _Shape((-2.0 * f, 0.70, -0.2), (-2.0 * f, 0.70, -0.2), (0.1, 0.1), (50.0, 40.0, 190.0)),
        _Shape((-1.3, 0.32, -0.2), (-1.3, 0.32, -0.2), (0.33, 0.33), tyre, roundness=0.4),
        _Shape((1.3, 0.32, -0.2), (1.3, 0.32, -0.2), (0.33, 0.33), tyre, roundness=0.4),
        _Shape((-1.3, 0.32, -0.25), (-1.3, 0.32, -0.25), (0.18, 0.18), hub, roundness=0.6),
        _Shape((1.3, 0.32, -0.25), (1.3, 0.32, -0.25), (0.18, 0.18), hub, roundness=0.6),
    )


_KINDS = {
    "lamp": _lamp,
    "sign": _sign,
    "bin": _bin,
    "bench": _bench,
    "tree": _tree,
    "planter": _planter,
    "car": _car,
}


def furnish(dice: Dice, camera: Camera, depths_m: tuple[float, float]) -> list[Piece]:
    """Six to twelve pieces over the depths at which people walk, none too near the camera."""
    near, far = depths_m
    pieces = []
    for _ in range(dice.pick([6, 7, 8, 9, 10, 12])):
        name = dice.pick(["lamp", "lamp", "sign", "bin", "bench", "tree", "planter", "car"])
        nearest = near + (far - near) * (0.35 if name in ("car", "tree", "planter") else 0.08)
        z = dice.between(nearest, far)
        half = camera.size[1] / 2 / camera.focal_px * min(z + 1.0, 18.0)
        pieces.append(Piece(name, (dice.between(-half, half), z), _KINDS[name](dice)))
    return pieces


def draw_piece(
    camera: Camera, piece: Piece, light: Light
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A piece in an unshaken picture.

    Returns:
        (P, COLUMNS) float32 solids, from far to near; (P, 7) float32 rows for
        `_core.cast_shadows`.
    """
    x, z = piece.place
    ends = np.array([[s.start, s.end] for s in piece.shapes], np.float64)
    ends += np.array([x, 0.0, z])
    radii_m = np.array([s.radii_m for s in piece.shapes])
    rows = solids.blank_solids(len(piece.shapes))
    pixels, scale, _ = camera.project(ends)
    rows[:, solids.START], rows[:, solids.END] = pixels[:, 0], pixels[:, 1]
    rows[:, solids.RADII] = radii_m * scale
    rows[:, solids.CAPS] = [s.caps for s in piece.shapes]
    rows[:, solids.COLOUR] = np.array([s.colour for s in piece.shapes]) * light.tint
    rows[:, solids.GRAIN] = [s.grain for s in piece.shapes]
    rows[:, solids.ROUNDNESS] = [s.roundness for s in piece.shapes]

    fallen = ends - (ends[..., 1] / light.to_sun[1])[..., None] * light.to_sun
    pixels, scale, _ = camera.project(fallen)
    shadows = np.zeros((len(rows), 7), np.float32)
    shadows[:, 0:2], shadows[:, 2:4] = pixels[:, 0], pixels[:, 1]
    shadows[:, 4:6] = 0.7 * radii_m * scale
    shadows[:, 6] = 1 + 0.04 * scale[:, 0]
    return rows, shadows
