"""The light of a scene: the time of day and the weather."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgert.demo.angles import cosine, sine
from edgert.demo.camera import Camera
from edgert.demo.dice import Dice

__all__ = ["Light", "make_light"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Light:
    """A sun and a sky.

    Attributes:
        to_sun: (3,) unit vector in the world.
        tint: (3,) what white becomes, as shares of (blue, green, red).
        ambient: Brightness in the shade, as a share.
        direct: What the sun adds where it falls at right angles.
        shadow: How dark cast shadows are, from 0 (overcast) to 256 (black).
        sky: (3,) colour of the sky, BGR.
    """

    to_sun: _Floats
    tint: _Floats
    ambient: float
    direct: float
    shadow: int
    sky: _Floats

    def seen_by(self, camera: Camera) -> tuple[float, float, float, float, float]:
        """For `_core.draw_solids`: to the light in the viewer's directions, ambient, direct."""
        x, y, z = (float(v) for v in self.to_sun)
        sin, cos = float(sine(camera.pitch)), float(cosine(camera.pitch))
        return x, -y * cos - z * sin, -(z * cos - y * sin), self.ambient, self.direct


# Tint and sky (BGR), ambient, direct, shadow, elevation of the sun in radians.
_WEATHER = {
    "noon": ((1.00, 1.00, 1.00), (235, 205, 170), 0.55, 0.60, 120, (0.75, 1.15)),
    "afternoon": ((0.90, 0.97, 1.04), (225, 205, 185), 0.50, 0.65, 110, (0.50, 0.75)),
    "evening": ((0.70, 0.86, 1.04), (180, 190, 220), 0.45, 0.65, 90, (0.35, 0.50)),
    "overcast": ((0.95, 0.95, 0.93), (205, 200, 195), 0.80, 0.18, 36, (0.90, 1.20)),
    "dusk": ((0.72, 0.58, 0.52), (120, 90, 75), 0.75, 0.20, 30, (0.80, 1.10)),
}


def make_light(dice: Dice) -> Light:
    """Some hour of some day."""
    tint, sky, ambient, direct, shadow, (low, high) = _WEATHER[dice.pick(list(_WEATHER))]
    elevation, azimuth = dice.between(low, high), dice.between(-2.4, 2.4)
    level = float(cosine(elevation))
    # Azimuth 0 is behind the camera.
    to_sun = np.array(
        [level * float(sine(azimuth)), float(sine(elevation)), -level * float(cosine(azimuth))]
    )
    gain = dice.between(0.88, 1.06)
    return Light(to_sun, np.array(tint) * gain, ambient, direct, shadow, np.array(sky, np.float64))
