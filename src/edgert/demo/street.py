"""The street itself: road, pavements, houses and sky, as one picture for all of a scene."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgert.demo.camera import Camera
from edgert.demo.dice import Dice
from edgert.demo.light import Light

__all__ = ["paint_street"]

_Floats = npt.NDArray[np.float64]


def paint_street(
    dice: Dice, camera: Camera, light: Light, wall_m: float, margin_px: int
) -> npt.NDArray[np.uint8]:
    """The street without what stands or walks in it.

    Args:
        dice: Chance.
        camera: What sees it.
        light: What lights it.
        wall_m: How far away the houses stand.
        margin_px: How much more than the camera's picture is painted on every side.

    Returns:
        (H + 2 * margin_px, W + 2 * margin_px, 3) uint8 BGR.
    """
    height, width = camera.size
    painter = _Painter(dice, camera, light, wall_m)
    picture = np.empty((height + 2 * margin_px, width + 2 * margin_px, 3), np.uint8)
    columns = np.arange(-margin_px, width + margin_px) + 0.5
    for top in range(0, len(picture), 64):  # in bands: all rays at once are much memory
        rows = np.arange(top, min(top + 64, len(picture))) - margin_px + 0.5
        pixels = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None]), axis=-1)
        picture[top : top + 64] = painter.paint(pixels)
    return picture


class _Painter:
    def __init__(self, dice: Dice, camera: Camera, light: Light, wall_m: float) -> None:
        self._camera, self._light, self._wall_m = camera, light, wall_m
        self._salt = int(dice.words(1)[0] & np.uint64(0xFFFF))
        # Where the road begins and ends, from near to far; none in a square.
        self._road = (0.0, 0.0)
        if dice.chance(0.7):
            begin = dice.between(0.45, 0.75) * wall_m
            self._road = (begin, begin + min(dice.between(4.0, 8.0), wall_m - begin - 1.5))
        self._crossing_x = dice.between(-5.0, 5.0)
        self._asphalt = np.array([1.0, 0.99, 0.97]) * dice.between(70, 105)
        self._paving = np.array([dice.between(0.88, 1.0), 0.97, 1.0]) * dice.between(125, 180)
        self._tile_m = dice.pick([0.5, 0.8, 1.2])
        self._house_m = dice.between(6.0, 11.0)
        self._sunlit = light.ambient + light.direct * float(light.to_sun[1])
        self._facing = light.ambient + light.direct * max(-float(light.to_sun[2]), 0.0)

    def paint(self, pixels: _Floats) -> npt.NDArray[np.uint8]:
        rays = self._camera.rays(pixels)
        down = np.maximum(-rays[..., 1], 1e-6)
        ahead = np.maximum(rays[..., 2], 1e-6)
        to_ground = self._camera.height_m / down
        to_wall = self._wall_m / ahead
        on_ground = (rays[..., 1] < -1e-6) & (to_ground < to_wall)
        reach = np.minimum(to_ground, to_wall)
        x = rays[..., 0] * np.minimum(reach, 1e4)
        y = self._camera.height_m + rays[..., 1] * np.minimum(to_wall, 1e4)
        z = rays[..., 2] * np.minimum(reach, 1e4)
        # How many pixels a metre has there: finer patterns than pixels fade out.
        sharp = np.clip(self._camera.focal_px / np.minimum(reach, 1e4) / 30, 0.0, 1.0)
        ground = self._ground(x, z, sharp) * self._sunlit
        wall, is_wall = self._wall(x, y)
        behind = np.where(is_wall[..., None], wall * self._facing, self._sky(y))
        colour = np.where(on_ground[..., None], ground, behind)
        is_sky = ~on_ground & ~is_wall
        colour = colour * np.where(is_sky[..., None], 1.0, self._light.tint)
        return np.clip(colour, 0, 255).astype(np.uint8)

    def _ground(self, x: _Floats, z: _Floats, sharp: _Floats) -> _Floats:
        begin, end = self._road
        is_road = (z >= begin) & (z < end)
        tile = self._tile_m
        u, v = x / tile, z / tile
        seam = (u - np.floor(u) < 0.03) | (v - np.floor(v) < 0.05)
        mottled = 0.10 * (self._noise(u, v) - 0.5) * sharp
        paving = self._paving * (1 + mottled - 0.14 * seam * sharp)[..., None]
        rough = 1 + 0.22 * (self._noise(x * 11, z * 11) - 0.5) * sharp
        patchy = 1 + 0.10 * (self._smooth_noise(x * 0.35, z * 0.35) - 0.5)
        asphalt = self._asphalt * rough[..., None]
        middle = (begin + end) / 2
        dash = (np.abs(z - middle) < 0.08) & (x / 3 - np.floor(x / 3) < 0.5)
        bar = (np.abs(x - self._crossing_x) < 1.8) & (z / 0.9 - np.floor(z / 0.9) < 0.5)
        asphalt = np.where((dash | bar)[..., None], 205.0, asphalt)
        curb = (np.abs(z - begin) < 0.10) | (np.abs(z - end) < 0.10)
        ground = np.where(is_road[..., None], asphalt, paving)
        ground = np.where((curb & (end > begin))[..., None], 150.0, ground)
        return ground * patchy[..., None]

    def _wall(self, x: _Floats, y: _Floats) -> tuple[_Floats, npt.NDArray[np.bool_]]:
        house = np.floor(x / self._house_m)
        chance = [self._noise(house + 0.5, np.full_like(house, k + 0.5)) for k in range(5)]
        tall = 7.0 + 9.0 * chance[0]
        level = 95 + 110 * chance[1]
        colour = np.stack(
            [level * (0.72 + 0.3 * chance[2]), level * 0.94, level * (0.9 + 0.15 * chance[3])],
            axis=-1,
        )
        storey, bay = 3.1, 2.0 + chance[4]
        along, up = x / bay - np.floor(x / bay), (y - 0.6) / storey
        up = up - np.floor(up)
        window = (along > 0.28) & (along < 0.72) & (up > 0.25) & (up < 0.75) & (y > 3.4)
        shop = (along > 0.12) & (along < 0.88) & (y > 0.5) & (y < 2.7)
        glass = 55 + 60 * self._noise(np.floor(x / bay) + 0.5, np.floor(y / storey) + 0.5)
        pane = np.stack([glass * 1.12, glass, glass * 0.92], axis=-1)
        colour = np.where((window | shop)[..., None], pane, colour)
        ledge = (np.abs(y - 3.15) < 0.12) | (np.abs(y - tall) < 0.3)
        return np.where(ledge[..., None], colour * 0.8, colour), y < tall

    def _sky(self, y: _Floats) -> _Floats:
        haze = np.clip((y - 8) / 60, 0, 1)[..., None]
        return self._light.sky * (1.06 - 0.22 * haze)

    def _noise(self, u: _Floats, v: _Floats) -> _Floats:
        """From 0 to 1, another number for each cell of the unit grid."""
        a = np.floor(u).astype(np.int64).astype(np.uint32)
        b = np.floor(v).astype(np.int64).astype(np.uint32)
        mix = a * np.uint32(0x9E3779B1) + b * np.uint32(0x85EBCA6B) + np.uint32(self._salt)
        mix = (mix ^ (mix >> np.uint32(15))) * np.uint32(0xC2B2AE35)
        noise: _Floats = (mix ^ (mix >> np.uint32(13))).astype(np.float64) / 2.0**32
        return noise

    def _smooth_noise(self, u: _Floats, v: _Floats) -> _Floats:
        a, b = u - np.floor(u), v - np.floor(v)
        a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
        low = self._noise(u, v) * (1 - a) + self._noise(u + 1, v) * a
        high = self._noise(u, v + 1) * (1 - a) + self._noise(u + 1, v + 1) * a
        return low * (1 - b) + high * b
