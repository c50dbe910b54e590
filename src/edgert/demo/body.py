"""A body: how long its bones are and where its joints are in a pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgert.demo.angles import cosine, length, sine
from edgert.skeleton import COCO_17

__all__ = ["POINTS", "Pose", "point", "points_of"]

_Floats = npt.NDArray[np.float64]

# The 17 joints in COCO's order, then what only the drawing needs.
POINTS = (
    *COCO_17.joints,
    "chin",
    "crown",
    "neck",
    "chest",
    "pelvis",
    "left_hand",
    "right_hand",
    "left_heel",
    "right_heel",
    "left_toe",
    "right_toe",
    "head",
    "mouth",
    "nape",
    "hat",
    "brim",
    "hem",
    "pack_top",
    "pack_bottom",
    "bag_top",
    "bag_bottom",
)


def point(name: str) -> int:
    """The index of a point in `POINTS`."""
    return POINTS.index(name)


# Lengths as shares of the body's height (Drillis and Contini 1966, in Winter 2009, figure 4.1).
_SHANK, _THIGH, _ANKLE_HEIGHT, _FOOT = 0.246, 0.245, 0.039, 0.152
_UPPER_ARM, _FOREARM, _HAND = 0.186, 0.146, 0.075
_HALF_HIPS, _HALF_SHOULDERS = 0.075, 0.115  # the joints' centres lie within the outline
_TRUNK = 0.288  # from the hips to the shoulders
_NECK, _HEAD = 0.050, 0.070  # from the shoulders up to the neck, to the head's centre from there


@dataclass(frozen=True)
class Pose:
    """Angles of M people in radians; left and right are pairs along the last axis.

    Attributes:
        place: (M, 3) metres on the ground under the pelvis.
        heading: (M,) of the walk.
        height_m: (M,).
        hips: (M, 2) thighs forwards.
        knees: (M, 2) shanks back from there.
        arms: (M, 2) upper arms forwards.
        elbows: (M, 2) forearms forwards from there.
        gestures: (M, 2) how much an arm follows its gesture, from 0 to 1.
        gesture_arm: (M, 2, 3) where the upper arm points then: out, up, forward; of length 1.
        gesture_forearm: (M, 2, 3) the same for the forearm.
        twist: (M,) shoulders against the hips.
        lean: (M,) trunk forwards.
        look: (M,) head to the right, and
        nod: (M,) down.
        bag_side: (M,) 0: a bag in the left hand; 1: in the right.
    """

    place: _Floats
    heading: _Floats
    height_m: _Floats
    hips: _Floats
    knees: _Floats
    arms: _Floats
    elbows: _Floats
    gestures: _Floats
    gesture_arm: _Floats
    gesture_forearm: _Floats
    twist: _Floats
    lean: _Floats
    look: _Floats
    nod: _Floats
    bag_side: npt.NDArray[np.int64]


_UP = np.array([0.0, 1.0, 0.0])


def _frame(heading: _Floats) -> tuple[_Floats, _Floats]:
    """(M, 3) forwards and to the left."""
    sin, cos = sine(heading), cosine(heading)
    nothing = np.zeros_like(sin)
    return np.stack([sin, nothing, cos], axis=-1), np.stack([-cos, nothing, sin], axis=-1)


def points_of(pose: Pose) -> tuple[_Floats, _Floats, _Floats]:
    """The points of bodies.

    Args:
        pose: Of M people.

    Returns:
        (M, len(POINTS), 3) metres; (M, 3) where the trunk looks; (M, 3) where the face looks.
    """
    size = pose.height_m[:, None]
    at: dict[str, _Floats] = {}
    forward, left = _frame(pose.heading)
    swing, fold = pose.hips, pose.hips - pose.knees
    # A foot is level until its heel has to rise.
    tip = np.where(fold < -0.15, (fold + 0.15) * 0.9, np.maximum(fold, 0.0) * 0.8)
    heel_drop = _SHANK * cosine(fold) + _ANKLE_HEIGHT
    toe_drop = heel_drop - 0.7 * _FOOT * sine(tip)
    drop = _THIGH * cosine(swing) + np.maximum(heel_drop, toe_drop)
    pelvis = pose.place + _UP * (np.maximum(drop[:, 0], drop[:, 1]) * pose.height_m)[:, None]
    at["pelvis"] = pelvis
    for side, name, sign in ((0, "left", 1.0), (1, "right", -1.0)):
        hip = pelvis + left * (sign * _HALF_HIPS * size)
        thigh = _forward_down(forward, swing[:, side])
        shank = _forward_down(forward, fold[:, side])
        sole = _forward_down(forward, tip[:, side] + np.pi / 2)
        at[f"{name}_hip"] = hip
        at[f"{name}_knee"] = hip + thigh * (_THIGH * size)
        at[f"{name}_ankle"] = at[f"{name}_knee"] + shank * (_SHANK * size)
        below = at[f"{name}_ankle"] + _turned_down(sole, forward) * (0.6 * _ANKLE_HEIGHT * size)
        at[f"{name}_heel"] = below - sole * (0.22 * _FOOT * size)
        at[f"{name}_toe"] = below + sole * (0.66 * _FOOT * size)

    facing, side_left = _frame(pose.heading + pose.twist)
    spine = _forward_down(forward, np.pi + pose.lean * -1.0)
    shoulders = pelvis + spine * (_TRUNK * size)
    at["chest"] = shoulders - spine * (0.02 * size)
    at["neck"] = shoulders + spine * (_NECK * size)
    for side, name, sign in ((0, "left", 1.0), (1, "right", -1.0)):
        shoulder = shoulders + side_left * (sign * _HALF_SHOULDERS * size)
        out = side_left * sign
        arm = _forward_down(facing, pose.arms[:, side]) + out * 0.16
        forearm = _forward_down(facing, pose.arms[:, side] + pose.elbows[:, side]) + out * 0.02
        share = pose.gestures[:, side, None]
        arm = _unit((1 - share) * arm + share * _oriented(pose.gesture_arm[:, side], out, facing))
        forearm = _unit(
            (1 - share) * forearm + share * _oriented(pose.gesture_forearm[:, side], out, facing)
        )
        at[f"{name}_shoulder"] = shoulder
        at[f"{name}_elbow"] = shoulder + arm * (_UPPER_ARM * size)
        at[f"{name}_wrist"] = at[f"{name}_elbow"] + forearm * (_FOREARM * size)
        at[f"{name}_hand"] = at[f"{name}_wrist"] + forearm * (_HAND * 0.6 * size)

    face = _add_head(at, pose, size)
    at["hem"] = pelvis - _UP * (0.25 * size) + forward * (0.02 * size)
    at["pack_top"] = at["chest"] - facing * (0.095 * size) - spine * (0.03 * size)
    at["pack_bottom"] = pelvis + spine * (0.07 * size) - facing * (0.105 * size)
    hand = np.where(pose.bag_side[:, None] == 0, at["left_hand"], at["right_hand"])
    at["bag_top"] = hand - _UP * (0.02 * size)
    at["bag_bottom"] = hand - _UP * (0.17 * size)
    return np.stack([at[name] for name in POINTS], axis=1), facing, face


def _add_head(at: dict[str, _Floats], pose: Pose, size: _Floats) -> _Floats:
    """Puts the head's points in; returns where the face looks."""
    ahead, left = _frame(pose.heading + pose.look)
    nod = pose.nod[:, None]
    face = ahead * cosine(nod) - _UP * sine(nod)
    up = _UP * cosine(nod) + ahead * sine(nod)
    centre = at["neck"] + up * (_HEAD * size) + ahead * (0.012 * size)
    at["head"] = centre
    at["chin"], at["crown"] = centre - up * (0.020 * size), centre + up * (0.022 * size)
    at["nose"] = centre + face * (0.050 * size) - up * (0.012 * size)
    at["mouth"] = centre + face * (0.042 * size) - up * (0.034 * size)
    for name, sign in (("left", 1.0), ("right", -1.0)):
        at[f"{name}_eye"] = (
            centre + face * (0.040 * size) + left * (sign * 0.018 * size) + up * (0.008 * size)
        )
        at[f"{name}_ear"] = centre + left * (sign * 0.042 * size) - up * (0.004 * size)
    at["nape"] = at["neck"] - ahead * (0.038 * size) - _UP * (0.045 * size)
    at["hat"] = centre + up * (0.036 * size)
    at["brim"] = centre + up * (0.032 * size) + face * (0.062 * size)
    return face


def _forward_down(forward: _Floats, angle: _Floats) -> _Floats:
    """(M, 3) down, turned forwards by (M,) radians."""
    return forward * sine(angle)[:, None] - _UP * cosine(angle)[:, None]


def _turned_down(sole: _Floats, forward: _Floats) -> _Floats:
    """At right angles to the sole, away from the body."""
    along = sole[:, 0] * forward[:, 0] + sole[:, 2] * forward[:, 2]
    return forward * sole[:, 1:2] - _UP * along[:, None]


def _oriented(vector: _Floats, out: _Floats, forward: _Floats) -> _Floats:
    turned: _Floats = vector[:, 0:1] * out + vector[:, 1:2] * _UP + vector[:, 2:3] * forward
    return turned


def _unit(vectors: _Floats) -> _Floats:
    return vectors / np.maximum(length(vectors), 1e-9)[:, None]
