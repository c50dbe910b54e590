"""A street with people in it, frame by frame."""

from __future__ import annotations

import operator
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edgert._core import add_noise, cast_shadows, draw_solids, expose
from edgert.demo import solids
from edgert.demo.body import points_of
from edgert.demo.camera import place_camera
from edgert.demo.dice import Dice
from edgert.demo.figures import Figures, draw_figures, shadows_of
from edgert.demo.film import Noise, Shake, taps_between
from edgert.demo.frame import Frame
from edgert.demo.furniture import draw_piece, furnish
from edgert.demo.gait import make_habits, pose_at
from edgert.demo.light import make_light
from edgert.demo.looks import make_look, part
from edgert.demo.street import paint_street
from edgert.demo.truth import joint_truth, shares_within
from edgert.demo.walks import Walks, plan_walks

__all__ = ["Scene"]

_MARGIN_PX = 12  # a camera shakes within this
_SHUTTER = 0.4  # the share of a frame's time for which the shutter is open
_MOST_PEOPLE = 400  # labels have room for 1024 owners
_BAG = part("bag")


class Scene:
    """A rendered street, the same for the same arguments.

    Every frame is a function of the arguments and its index alone: frames may be asked for in any
    order, by any number of threads. Its bits depend on nothing else, no machine, no version of
    NumPy, no instruction set: all arithmetic is IEEE 754's +, -, *, / and square root, in one
    order, and all chance comes from PCG64's raw words.

    Args:
        seed: Non-negative integer: camera, street, light, people and their ways.
        people: About how many are there at any time.
        size: Height and width of the frames in pixels.
        frames: How many frames.
        frame_rate: Frames a second.
        fisheye: Through an equidistant fisheye of about 140 degrees, camera and truth alike.
        shake: How much the camera shakes; 1 is usual, 0 is a wall's.
        blur: Motion blur; 1 is a shutter open for 40 % of the time, 0 a flash.
        noise: Noise of the sensor; 1 is usual.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        seed: int = 0,
        people: int = 30,
        size: tuple[int, int] = (720, 1280),
        frames: int = 300,
        *,
        frame_rate: float = 25.0,
        fisheye: bool = False,
        shake: float = 1.0,
        blur: float = 1.0,
        noise: float = 1.0,
    ) -> None:
        _check("seed", seed, 0, None)
        _check("people", people, 0, _MOST_PEOPLE)
        _check("height", size[0], 32, 8192)
        _check("width", size[1], 32, 8192)
        _check("frames", frames, 0, None)
        for name, value in (("shake", shake), ("blur", blur), ("noise", noise)):
            _check(name, value, 0, 4)
        if not 1 <= frame_rate <= 1000:
            raise ValueError(f"frame_rate: {frame_rate}; expected 1 to 1000 frames a second")
        self.seed, self.size, self.frames = seed, size, frames
        self.frame_rate = frame_rate
        # Chance of its own for each: one more draw in one place changes nothing elsewhere.
        self.camera = place_camera(Dice(seed, 1), size, fisheye)
        self.light = make_light(Dice(seed, 2))
        near, far = self._depths()
        self._street = paint_street(Dice(seed, 3), self.camera, self.light, far + 4, _MARGIN_PX)
        self._furnish(Dice(seed, 4), (near, far))
        walks = plan_walks(
            Dice(seed, 5), self.camera, (near, far), people, (frames + 1) / frame_rate
        )
        self._walks = Walks(walks)
        self._habits = make_habits(Dice(seed, 6), [walk.gesture for walk in walks])
        self._looks = np.zeros((len(walks), *make_look(Dice(seed, 7, 0)).shape), np.float32)
        for index in range(len(walks)):
            self._looks[index] = make_look(Dice(seed, 7, index))
        carries = self._habits.carries == 0
        self._looks[carries, _BAG, solids.RADII] = 0.0
        self._looks[..., solids.COLOUR] *= self.light.tint
        self._looks[..., solids.PATCH] *= self.light.tint
        self._blur = blur
        self._shake = Shake(Dice(seed, 8), shake * min(size) / 720, _MARGIN_PX / 2)
        self._noise = Noise(Dice(seed, 9), noise, size)

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.frames):
            yield self[index]

    def __getitem__(self, index: int) -> Frame:
        """A frame by its number; negative ones count from the end.

        Raises:
            IndexError: The scene has not got that many.
        """
        index = operator.index(index)
        if not -self.frames <= index < self.frames:
            raise IndexError(f"frame {index} of a scene of {self.frames}")
        return self._render(index % self.frames)

    def _depths(self) -> tuple[float, float]:
        """How near and how far away people walk: from 5 % of the picture's height to most of it."""
        height, width = self.size
        ray = self.camera.rays(np.array([width / 2, height * 0.98]))
        nearest = 2.5
        if ray[2] > 0.05 and ray[1] < 0:
            nearest = max(nearest, float(-self.camera.height_m * ray[2] / ray[1]))
        far = 1.7 * self.camera.focal_px / (0.055 * height)
        farthest = 15.0 if self.camera.fisheye else 34.0
        return nearest, max(min(far, farthest), nearest + 5)

    def _furnish(self, dice: Dice, depths_m: tuple[float, float]) -> None:
        self._pieces = furnish(dice, self.camera, depths_m)
        self._piece_rows, shadows = [], []
        for piece in self._pieces:
            rows, piece_shadows = draw_piece(self.camera, piece, self.light)
            self._piece_rows.append(rows)
            shadows.append(piece_shadows)
        fallen = np.concatenate(shadows)
        fallen[:, 0:4] += _MARGIN_PX
        cast_shadows(self._street, fallen, self.light.shadow)
        places = np.array([piece.place for piece in self._pieces])
        self._piece_distance = places[:, 0] * places[:, 0] + places[:, 1] * places[:, 1]

    def _render(self, index: int) -> Frame:
        time_s = index / self.frame_rate
        half_s = 0.5 * _SHUTTER * self._blur / self.frame_rate
        start, shift, end = (self._shake.at(time_s + k * half_s) for k in (-1, 0, 1))
        image = np.empty((*self.size, 3), np.uint8)
        expose(self._street, image, taps_between(start, end, _MARGIN_PX))

        who = self._walks.alive(time_s)
        looks, height_m = self._looks[who], self._habits.height_m[who]
        pose = pose_at(self._habits, who, self._walks.at(who, time_s), time_s)
        points, trunk, face = points_of(pose)
        later_s = time_s + half_s
        later_pose = pose_at(self._habits, who, self._walks.at(who, later_s), later_s)
        later = points_of(later_pose)[0]
        shadows = shadows_of(self.camera, looks, height_m, points, self.light.to_sun, shift)
        cast_shadows(image, shadows, self.light.shadow)

        figures = draw_figures(self.camera, looks, height_m, points, later, trunk, face, shift, end)
        # From far to near, people and things together; an owner's number is its place in the row.
        x, z = pose.place[:, 0], pose.place[:, 2]
        distance = np.concatenate([x * x + z * z, self._piece_distance])
        order = np.argsort(-distance, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        owners = rank[: len(who)]
        rows, row_labels = self._rows_in_order(figures, order, shift, 2 * (end - shift))
        labels = np.full(self.size, -1, np.int16)
        light = self.light.seen_by(self.camera)
        extents, seen = draw_solids(image, labels, rows, row_labels, light, len(order))
        add_noise(image, self._noise.values, self._noise.offsets(Dice(self.seed, 10, index)))

        owner_ids = np.zeros(len(order), np.int64)
        owner_ids[owners] = who + 1
        keypoints, visibility = joint_truth(figures, height_m, owners, labels)
        drawn = extents[owners, 4]
        share = seen[owners].sum(axis=1) / np.maximum(drawn, 1) * shares_within(figures, self.size)
        listed = np.argsort(owners)
        listed = listed[drawn[listed] > 0]
        return Frame(
            index=index,
            time_s=time_s,
            image=image,
            ids=owner_ids[owners[listed]],
            boxes=extents[owners[listed], :4].astype(np.float32),
            visible=share[listed].astype(np.float32),
            keypoints=keypoints[listed],
            visibility=visibility[listed],
            labels=labels,
            owner_ids=owner_ids,
        )

    def _rows_in_order(
        self,
        figures: Figures,
        order: npt.NDArray[np.intp],
        shift_px: npt.NDArray[np.float64],
        blur_px: npt.NDArray[np.float64],
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """The solids of all owners from far to near, and the label of each."""
        people = len(figures.rows)
        rows, labels = [solids.blank_solids(0)], [np.zeros(0, np.int64)]
        for number, owner in enumerate(order.tolist()):
            if owner < people:
                rows.append(figures.rows[owner])
                parts = figures.parts[owner]
            else:
                piece = self._piece_rows[owner - people].copy()
                piece[:, solids.START] += shift_px
                piece[:, solids.END] += shift_px
                piece[:, solids.BLUR] = blur_px
                rows.append(piece)
                parts = np.arange(len(piece))
            labels.append(solids.PARTS_PER_OWNER * number + parts)
        return np.concatenate(rows), np.concatenate(labels).astype(np.int16)


def _check(name: str, value: float, low: float, high: float | None) -> None:
    if not (value >= low and (high is None or value <= high)):
        limit = f"{low} or more" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}: {value}; expected {limit}")
