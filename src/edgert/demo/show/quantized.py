"""The two networks in INT8, calibrated on scenes that the demo does not show."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgert.demo.scene import Scene
from edgert.demo.show.footage import SIZE
from edgert.errors import CalibrationWarning
from edgert.work import Work

__all__ = ["quantize_pair"]

_SCENES = 40
_FRAMES_A_SCENE = 2
_PEOPLE = 30
# Within a scene, frames so far apart show the people elsewhere.
_STRIDE = 60
# On streets 3002 and 3005 to 3008 the mean AP lost is 0.10 points, by percentile 0.18.
_DETECTOR: dict[str, Any] = {"method": "mse"}
# One crop in a hundred, cut off by the frame's left edge, has values tens of times the others':
# a lower percentile keeps the steps fine, and the layers where that clips too much stay in float.
_POSE: dict[str, Any] = {"percentile": 99.98, "max_drop": 0.002, "max_keep": 0.2}


def quantize_pair(
    detector: Path, pose: Path, folder: Path, seed: int, work: Work
) -> tuple[Path, Path]:
    """Write both networks in INT8, for the runtime that is here.

    Args:
        detector: In FP32.
        pose: Likewise.
        folder: Where they are written.
        seed: Of the scene that is shown, which is not calibrated on.
        work: Is told how far the work is.

    Returns:
        The paths of both.

    Raises:
        UnavailableError: The package onnx is not installed.
    """
    from edgert.quant import quantize

    images = []
    for number, image in enumerate(_images(seed), start=1):
        images.append(image)
        work.update("rendering for calibration", number, _SCENES * _FRAMES_A_SCENE)
    paths = folder / f"{detector.stem}.int8.onnx", folder / f"{pose.stem}.int8.onnx"
    for path, model, finds, options in (
        (paths[0], detector, None, _DETECTOR),
        (paths[1], pose, detector, _POSE),
    ):

        def tell(part: str, done: int, total: int | None, name: str = model.stem) -> None:
            work.update(f"{name}: {part}", done, total)

        with warnings.catch_warnings():
            # That these images are few. What it costs is measured on the street that is shown.
            warnings.simplefilter("ignore", CalibrationWarning)
            quantize(
                model, images, path, detector=finds, profile="onnxruntime", speed=False,
                on_progress=tell, **options,
            )  # fmt: skip
    return paths


def _images(seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    for other in islice((s for s in count() if s != seed), _SCENES):
        scene = Scene(other, _PEOPLE, SIZE, _STRIDE * (_FRAMES_A_SCENE - 1) + 1)
        for index in range(0, len(scene), _STRIDE):
            yield scene[index].image
