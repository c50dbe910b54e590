"""The pure-Python path beside the pipeline, where what it needs is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgert.demo.show.contest import Clock
from edgert.demo.show.figures import Missing
from edgert.demo.show.side import NEAR
from edgert.result import Result

__all__ = ["Rival"]


class Rival:
    """OpenCV, NumPy, lap and onnxruntime with the same networks, on a clock of its own.

    Args:
        detector: Path of the detector.
        pose: Path of the pose network.
        reid: Path of the appearance network.
        spinning: Whether onnxruntime's threads spin while they wait, its default.
    """

    def __init__(self, detector: Path, pose: Path, reid: Path, *, spinning: bool = True) -> None:
        # Here and not above: these are what the extra brings.
        from edgert.baseline.pipeline import BaselinePipeline
        from edgert.baseline.track import Tracker

        self._pipeline = BaselinePipeline(
            detector, pose, Tracker(near=NEAR), reid=reid, spinning=spinning
        )
        self._clock = Clock(lambda images: [self._pipeline(image) for image in images])
        self._pairs: list[tuple[Result, Any]] = []

    @classmethod
    def if_installed(cls, detector: Path, pose: Path, reid: Path, missing: Missing) -> Rival | None:
        """None, and why in `missing`, where a package is not here."""
        try:
            return cls(detector, pose, reid)
        except ImportError as error:
            missing["python_fps"] = (
                f"the pure-Python path needs a package that is not installed ({error}): "
                f"pip install 'edgert[demo]'"
            )
            return None

    def run(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Any]:
        """The next frames, on the clock."""
        return self._clock(images)

    def compare(self, ours: Sequence[Result], theirs: Sequence[Any]) -> None:
        """Take note of what both found in the same frames."""
        self._pairs += zip(ours, theirs, strict=True)

    def verdict(self, missing: Missing) -> tuple[float | None, float]:
        """Frames a second, and the share of its surer boxes that the pipeline has too.

        Where that is too small the two do not do the same and their times say nothing: then there
        is no speed, and the reason is in `missing`.
        """
        from edgert.baseline.agreement import LEAST_SHARE, matched_share

        share = matched_share(self._pairs)
        if share >= LEAST_SHARE:
            return self._clock.fps, share
        missing["python_fps"] = (
            f"of the pure-Python path's boxes edgert has {100 * share:.1f} %, expected "
            f"{100 * LEAST_SHARE:g} % or more: the two do not find the same people, so that "
            f"comparing their speed says nothing"
        )
        return None, share
