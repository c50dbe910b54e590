"""How people move: angles of the joints over a walk, a wait and a wave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgert.demo.angles import cyclic, sine
from edgert.demo.body import Pose
from edgert.demo.dice import Dice

__all__ = ["Habits", "make_habits", "pose_at"]

_Floats = npt.NDArray[np.float64]

_DEGREE = np.pi / 180

# A stride from heel strike to heel strike in tenths, degrees (normal cadence, Winter 2009, A.4).
_HIP = np.array([24.0, 22.0, 13.0, 3.0, -6.0, -12.0, -8.0, 8.0, 22.0, 27.0]) * _DEGREE
_KNEE = np.array([4.0, 15.0, 17.0, 11.0, 6.0, 11.0, 34.0, 62.0, 50.0, 15.0]) * _DEGREE
_STRIDE = 0.83  # of the body's height, at an easy pace

# What arms do in a gesture: upper arm and forearm point out, up, forward; each of length 1.
_GESTURES = {
    "stand": ((0.10, -0.995, 0.0), (0.05, -0.94, 0.338)),
    "phone": ((0.20, -0.90, 0.387), (-0.35, 0.78, 0.518)),
    "wave": ((0.80, 0.45, 0.397), (0.20, 0.97, 0.139)),
}


@dataclass(frozen=True)
class Habits:
    """How N people differ in the way they move; arrays of (N,).

    Attributes:
        height_m: Their height.
        phase: Where in a stride they are at the start, from 0 to 1.
        vigour: How far they swing, about 1.
        arm_swing: How far their arms swing against their legs, as a share.
        look_rate: How fast they look around, radians a second.
        look_phase: Radians.
        gesture: Indices into the gestures' names.
        gesture_side: 0: with the left arm; 1: with the right.
        carries: 1: a bag in the hand of the other side, arm hanging.
    """

    height_m: _Floats
    phase: _Floats
    vigour: _Floats
    arm_swing: _Floats
    look_rate: _Floats
    look_phase: _Floats
    gesture: npt.NDArray[np.int64]
    gesture_side: npt.NDArray[np.int64]
    carries: _Floats


def make_habits(dice: Dice, gestures: list[str]) -> Habits:
    """Habits for people who make these gestures where they stop."""
    count = len(gestures)
    grown = np.clip(1.70 + 0.085 * dice.bell(count), 1.45, 2.0)
    child = dice.uniform(1.05, 1.45, count)
    names = list(_GESTURES)
    return Habits(
        height_m=np.where(dice.uniform(0, 1, count) < 0.12, child, grown),
        phase=dice.uniform(0, 1, count),
        vigour=dice.uniform(0.8, 1.15, count),
        arm_swing=dice.uniform(0.3, 1.1, count),
        look_rate=dice.uniform(0.2, 0.9, count),
        look_phase=dice.uniform(0, 6.28, count),
        gesture=np.array([names.index(name) for name in gestures], np.int64),
        gesture_side=(dice.uniform(0, 1, count) < 0.6).astype(np.int64),
        carries=(dice.uniform(0, 1, count) < 0.3).astype(np.float64),
    )


def pose_at(
    habits: Habits,
    who: npt.NDArray[np.intp],
    walk: tuple[_Floats, ...],
    time_s: float,
) -> Pose:
    """The pose of some people.

    Args:
        habits: Of all.
        who: (M,) indices.
        walk: What `Walks.at` says of them.
        time_s: The time.

    Returns:
        The pose of the M.
    """
    place, heading, walked_m, moving = walk
    height_m, swing = habits.height_m[who], moving * habits.vigour[who]
    stride = walked_m / (_STRIDE * height_m) + habits.phase[who]
    phases = np.stack([stride, stride + 0.5], axis=1)
    hips = cyclic(_HIP, phases) * swing[:, None]
    knees = cyclic(_KNEE, phases) * swing[:, None] + 0.04
    # An arm goes with the other side's leg.
    arms = hips[:, ::-1] * habits.arm_swing[who, None] - 0.05
    elbows = 0.25 + 0.5 * np.maximum(arms, 0.0) + 0.1 * moving[:, None]

    names = list(_GESTURES)
    table = np.array([_GESTURES[name] for name in names])
    gesture = table[habits.gesture[who]]
    waving = (habits.gesture[who] == names.index("wave")).astype(np.float64)
    active = habits.gesture_side[who][:, None] == np.arange(2)
    still = (1 - moving)[:, None]
    hanging = habits.carries[who][:, None] * 0.85
    shares = np.where(active, still, hanging)
    upper = np.where(active[:, :, None], gesture[:, None, 0], table[0, 0])
    fore = np.where(active[:, :, None], gesture[:, None, 1], np.array([0.03, -0.997, 0.07]))
    sway = 0.75 * waving * sine(7.5 * time_s + habits.look_phase[who])
    fore = (
        fore
        + np.stack([sway, np.zeros_like(sway), np.zeros_like(sway)], -1)[:, None]
        * (active[:, :, None])
    )
    look = habits.look_rate[who] * time_s + habits.look_phase[who]
    reading = (habits.gesture[who] == names.index("phone")) * (1 - moving)
    return Pose(
        place=place,
        heading=heading,
        height_m=height_m,
        hips=hips,
        knees=knees,
        arms=arms,
        elbows=elbows,
        gestures=shares,
        gesture_arm=upper,
        gesture_forearm=fore,
        twist=0.12 * swing * sine(2 * np.pi * stride),
        lean=0.05 * moving + 0.02 * sine(0.7 * look),
        look=(0.55 - 0.25 * moving) * sine(look) * (1 - 0.7 * reading),
        nod=0.10 + 0.30 * reading + 0.06 * sine(1.7 * look),
        bag_side=1 - habits.gesture_side[who],
    )
