"""How joints are named and joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["COCO_17", "Side", "Skeleton", "skeleton_of"]

Side = Literal["left", "right", "centre"]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Names of the joints in a network's order, and the bones between them.

    Attributes:
        joints: K names; `left_` and `right_` are the person's own, not the viewer's.
        bones: Pairs of indices into `joints`.
    """

    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]

    def joint_side(self, joint: int) -> Side:
        """The side of the body that a joint is on."""
        prefix = self.joints[joint].partition("_")[0]
        return "left" if prefix == "left" else "right" if prefix == "right" else "centre"

    def bone_side(self, bone: tuple[int, int]) -> Side:
        """The side of the body that a bone is on; one from left to right is in the centre."""
        sides = {self.joint_side(joint) for joint in bone} - {"centre"}
        return sides.pop() if len(sides) == 1 else "centre"


# Joints and bones of COCO's person keypoints (Lin et al. 2014; `person_keypoints_*.json`).
COCO_17 = Skeleton(
    joints=(
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    bones=(
        (0, 1),
        (0, 2),
        (1, 2),
        (1, 3),
        (2, 4),
        (3, 5),
        (4, 6),
        (5, 6),
        (5, 7),
        (7, 9),
        (6, 8),
        (8, 10),
        (5, 11),
        (6, 12),
        (11, 12),
        (11, 13),
        (13, 15),
        (12, 14),
        (14, 16),
    ),
)


def skeleton_of(joint_count: int) -> Skeleton | None:
    """The skeleton of a network with that many joints, None where it is not known."""
    return COCO_17 if joint_count == len(COCO_17.joints) else None
