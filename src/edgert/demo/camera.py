"""The camera: from metres to pixels and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgert.demo.angles import arctangent, cosine, sine
from edgert.demo.dice import Dice

__all__ = ["Camera", "place_camera"]

_Floats = npt.NDArray[np.float64]

_NEAREST_M = 0.3  # what is nearer to the lens is drawn as if it were here


@dataclass(frozen=True)
class Camera:
    """A camera over a street, looking along it and down.

    The world's x points to the right, y up, z ahead, in metres; the ground is y = 0 and the camera
    stands over the origin. A fisheye is equidistant: the distance from the picture's centre is the
    focal length times the angle (Kannala and Brandt 2006, the first term).

    Attributes:
        size: Height and width of the picture in pixels.
        height_m: Over the ground.
        pitch: How far it looks down, radians.
        focal_px: Focal length in pixels.
        fisheye: Whether the lens is a fisheye.
    """

    size: tuple[int, int]
    height_m: float
    pitch: float
    focal_px: float
    fisheye: bool

    def project(self, points: _Floats) -> tuple[_Floats, _Floats, _Floats]:
        """Where points are seen.

        Args:
            points: (..., 3) metres.

        Returns:
            (..., 2) pixels; (...) pixels to a metre across the view there; (...) distance in
            metres from the camera.
        """
        x, y, z = points[..., 0], points[..., 1] - self.height_m, points[..., 2]
        sin, cos = float(sine(self.pitch)), float(cosine(self.pitch))
        ahead, down = z * cos - y * sin, -y * cos - z * sin
        distance = np.maximum(np.sqrt(x * x + y * y + z * z), _NEAREST_M)
        if self.fisheye:
            off_axis = np.sqrt(x * x + down * down)
            angle = arctangent(off_axis, ahead)
            # On the axis the angle and its tangent are one.
            stretch = self.focal_px * np.where(
                off_axis > 1e-9, angle / np.maximum(off_axis, 1e-9), 1 / distance
            )
            scale = self.focal_px / distance
        else:
            stretch = scale = self.focal_px / np.maximum(ahead, _NEAREST_M)
        height, width = self.size
        pixels = np.stack([width / 2 + x * stretch, height / 2 + down * stretch], axis=-1)
        return pixels, scale, distance

    def rays(self, pixels: _Floats) -> _Floats:
        """Where pixels look: the inverse of `project`.

        Args:
            pixels: (..., 2).

        Returns:
            (..., 3) unit vectors in the world.
        """
        height, width = self.size
        u = (pixels[..., 0] - width / 2) / self.focal_px
        v = (pixels[..., 1] - height / 2) / self.focal_px
        radius = np.sqrt(u * u + v * v)
        if self.fisheye:
            ahead = cosine(radius)
            across = np.where(radius > 1e-9, sine(radius) / np.maximum(radius, 1e-9), 1.0)
        else:
            ahead = 1 / np.sqrt(1 + radius * radius)
            across = ahead
        right, down = u * across, v * across
        sin, cos = float(sine(self.pitch)), float(cosine(self.pitch))
        return np.stack([right, -down * cos - ahead * sin, ahead * cos - down * sin], axis=-1)

    def directions(self, points: _Floats, vectors: _Floats) -> _Floats:
        """Which way unit vectors at points turn for the viewer.

        Args:
            points: (..., 3) metres.
            vectors: (..., 3) of length 1.

        Returns:
            (..., 3): to the right, down, towards the viewer; about of length 1.
        """
        step_m = 0.02
        here, scale, distance = self.project(points)
        there, _, beyond = self.project(points + step_m * vectors)
        turned = (there - here) / (step_m * scale[..., None])
        nearer = (distance - beyond) / step_m
        return np.concatenate([turned, nearer[..., None]], axis=-1)


def place_camera(dice: Dice, size: tuple[int, int], fisheye: bool) -> Camera:
    """A camera on a pole, a balcony or a mast, with all of the street in view."""
    height, width = size
    if fisheye:
        focal_px = max(width, height) / 2 / dice.between(1.10, 1.30)
        pitch = dice.between(0.30, 0.50)
    else:
        focal_px = max(width, height) / dice.between(1.05, 1.45)
        horizon = dice.between(0.16, 0.34) * height  # in rows below the centre's opposite
        rise, run = np.array(height / 2 - horizon), np.array(focal_px)
        pitch = float(arctangent(rise, run))
    return Camera(size, dice.between(2.4, 5.2), min(pitch, math.pi / 3), focal_px, fisheye)
