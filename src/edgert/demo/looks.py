"""What people look like: parts of the body, their sizes, and clothes over them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgert.demo import solids
from edgert.demo.dice import Dice

__all__ = ["PARTS", "Part", "make_look", "part"]

_Colour = tuple[float, float, float]


class Part(NamedTuple):
    """A solid between two points of the body.

    Attributes:
        name: Its name.
        start: A point of `body.POINTS`.
        end: Another, or the same: a ball.
        radii: At both ends, as shares of the body's height.
        caps: How far it goes beyond its ends, in radii.
        nearer: Metres by which it counts as nearer to the viewer than its middle: what lies on
            something comes after it.
    """

    name: str
    start: str
    end: str
    radii: tuple[float, float]
    caps: tuple[float, float] = (1.0, 1.0)
    nearer: float = 0.0


PARTS = (
    Part("hips", "left_hip", "right_hip", (0.058, 0.058), nearer=-0.02),
    Part("trunk", "pelvis", "chest", (0.088, 0.112), (0.5, 0.42)),
    Part("neck", "chest", "chin", (0.034, 0.030), nearer=-0.01),
    Part("head", "chin", "crown", (0.044, 0.047)),
    Part("long_hair", "crown", "nape", (0.044, 0.036)),
    Part("hat", "hat", "hat", (0.049, 0.049), (0.75, 0.75), nearer=0.03),
    Part("brim", "hat", "brim", (0.035, 0.030), (0.4, 0.5), nearer=0.03),
    Part("left_ear", "left_ear", "left_ear", (0.011, 0.011)),
    Part("right_ear", "right_ear", "right_ear", (0.011, 0.011)),
    Part("left_eye", "left_eye", "left_eye", (0.0075, 0.0075), nearer=0.05),
    Part("right_eye", "right_eye", "right_eye", (0.0075, 0.0075), nearer=0.05),
    Part("nose", "nose", "nose", (0.0085, 0.0085), nearer=0.05),
    Part("mouth", "mouth", "mouth", (0.0095, 0.0095), (0.5, 0.5), nearer=0.05),
    Part("left_arm", "left_shoulder", "left_elbow", (0.034, 0.026)),
    Part("right_arm", "right_shoulder", "right_elbow", (0.034, 0.026)),
    Part("left_forearm", "left_elbow", "left_wrist", (0.025, 0.018)),
    Part("right_forearm", "right_elbow", "right_wrist", (0.025, 0.018)),
    Part("left_hand", "left_wrist", "left_hand", (0.019, 0.018)),
    Part("right_hand", "right_wrist", "right_hand", (0.019, 0.018)),
    Part("left_thigh", "left_hip", "left_knee", (0.052, 0.037)),
    Part("right_thigh", "right_hip", "right_knee", (0.052, 0.037)),
    Part("left_shank", "left_knee", "left_ankle", (0.037, 0.025)),
    Part("right_shank", "right_knee", "right_ankle", (0.037, 0.025)),
    Part("left_foot", "left_heel", "left_toe", (0.025, 0.019), (0.8, 1.0)),
    Part("right_foot", "right_heel", "right_toe", (0.025, 0.019), (0.8, 1.0)),
    Part("skirt", "pelvis", "hem", (0.088, 0.120), (0.2, 0.0), nearer=0.05),
    Part("backpack", "pack_top", "pack_bottom", (0.070, 0.080), (0.5, 0.4)),
    Part("bag", "bag_top", "bag_bottom", (0.040, 0.062), (0.0, 0.1), nearer=0.02),
)
_INDEX = {part.name: index for index, part in enumerate(PARTS)}


def part(name: str) -> int:
    """The index of a part in `PARTS`."""
    return _INDEX[name]


# BGR. Skin from Fitzpatrick's scale, hair, and what people wear in a street.
_SKIN: list[_Colour] = [
    (190, 206, 240),
    (160, 185, 230),
    (125, 160, 215),
    (95, 130, 190),
    (65, 95, 150),
    (45, 65, 105),
    (35, 48, 75),
]
_HAIR: list[_Colour] = [
    (25, 25, 28),
    (30, 38, 52),
    (35, 55, 85),
    (60, 95, 140),
    (110, 165, 205),
    (40, 65, 130),
    (165, 165, 168),
    (205, 205, 208),
]
_CLOTHES: list[_Colour] = [
    (40, 38, 40),
    (70, 65, 62),
    (110, 105, 102),
    (165, 162, 160),
    (225, 224, 222),
    (95, 55, 35),
    (140, 85, 45),
    (190, 150, 95),
    (45, 50, 160),
    (60, 90, 205),
    (75, 150, 215),
    (90, 200, 225),
    (60, 110, 60),
    (85, 140, 100),
    (110, 70, 125),
    (165, 140, 200),
    (60, 80, 110),
    (120, 150, 175),
]
_LEGWEAR: list[_Colour] = [
    (38, 36, 38),
    (55, 50, 48),
    (95, 65, 45),
    (130, 100, 75),
    (80, 80, 80),
    (60, 75, 95),
    (110, 140, 165),
    (160, 160, 158),
]
_SHOES: list[_Colour] = [(30, 30, 32), (45, 60, 85), (225, 225, 225), (60, 60, 170), (110, 80, 50)]


def make_look(dice: Dice) -> npt.NDArray[np.float32]:
    """One person's parts.

    Returns:
        (len(PARTS), solids.COLUMNS) float32: radii as shares of the body's height, 0 for what the
        person has not got; colours in white light; places still open.
    """
    rows = solids.blank_solids(len(PARTS))
    rows[:, solids.RADII] = [part.radii for part in PARTS]
    rows[:, solids.CAPS] = [part.caps for part in PARTS]
    skin, hair = dice.pick(_SKIN), dice.pick(_HAIR)
    top, second = dice.pick(_CLOTHES), dice.pick(_CLOTHES)
    legs, shoes = dice.pick(_LEGWEAR), dice.pick(_SHOES)

    def paint(colour: _Colour, *names: str, grain: float = 0.05) -> None:
        for name in names:
            rows[_INDEX[name], solids.COLOUR] = colour
            rows[_INDEX[name], solids.GRAIN] = grain

    def drop(*names: str) -> None:
        for name in names:
            rows[_INDEX[name], solids.RADII] = 0.0

    both = ("left_{}", "right_{}")
    paint(skin, *(row.name for row in PARTS), grain=0.02)
    paint(top, "trunk", *(side.format("arm") for side in both))
    if dice.chance(0.6):
        paint(top, *(side.format("forearm") for side in both))
    paint(legs, "hips", *(side.format("thigh") for side in both))
    if dice.chance(0.75):
        paint(legs, *(side.format("shank") for side in both))
    paint(shoes, *(side.format("foot") for side in both))
    _dress_trunk(dice, rows, top, second)
    if dice.chance(0.2):
        paint(second, "skirt", grain=0.07)
    else:
        drop("skirt")

    # A face is skin where the head looks forwards; all the rest of a head is hair.
    head = rows[_INDEX["head"]]
    head[solids.COLOUR], head[solids.PATCH] = hair, skin
    head[solids.THRESHOLD] = -1.0 if dice.chance(0.06) else dice.between(0.10, 0.30)
    paint(hair, "long_hair", grain=0.10)
    if not dice.chance(0.4):
        drop("long_hair")
    paint(second, "hat", "brim")
    if not dice.chance(0.2):
        drop("hat", "brim")
    elif dice.chance(0.4):
        drop("brim")
    paint((30.0, 28.0, 26.0), "left_eye", "right_eye")
    darker = tuple(0.82 * channel for channel in skin)
    paint((darker[0], darker[1], darker[2]), "nose")
    paint((0.6 * skin[0], 0.6 * skin[1], 0.8 * skin[2]), "mouth")

    paint(dice.pick(_CLOTHES), "backpack", "bag", grain=0.08)
    if not dice.chance(0.25):
        drop("backpack")
    girth = dice.between(0.86, 1.22)
    slim = 0.5 + 0.5 * girth
    for row, shape in zip(rows, PARTS, strict=True):
        if shape.name in ("trunk", "hips", "skirt"):
            row[solids.RADII] *= girth
        elif shape.name.partition("_")[2] in ("arm", "forearm", "thigh", "shank"):
            row[solids.RADII] *= slim
    return rows


def _dress_trunk(dice: Dice, rows: npt.NDArray[np.float32], top: _Colour, second: _Colour) -> None:
    """Plain, striped, or open in front over something else."""
    trunk = rows[_INDEX["trunk"]]
    trunk[solids.ROUNDNESS] = 0.8
    style = dice.pick(["plain", "plain", "striped", "open", "open"])
    trunk[solids.PATCH] = second
    if style == "striped":
        trunk[solids.STRIPES] = float(dice.pick([4, 5, 7]))
    elif style == "open":
        trunk[solids.THRESHOLD] = dice.between(0.90, 0.97)
