"""One pair of networks on its way through the scene."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgert._core import ByteTrack
from edgert.demo.show.contest import Clock, Entrant
from edgert.demo.show.figures import Figures, Missing, judge
from edgert.engine import Engine
from edgert.evaluation.truth import Truth
from edgert.pipeline import Pipeline
from edgert.result import Result

__all__ = ["NEAR", "Side"]

Images = Sequence[npt.NDArray[np.uint8]]

NEAR = 0.8
"""The IoU distance up to which the tracker goes by appearance: who comes out from behind somebody
overlaps little with where they were expected."""

# Box AP wants every detection: see `edgert.evaluation.coco`.
_EVERY_SCORE = 0.001


class Side:
    """The whole pipeline on the clock, and its detector alone beside it.

    On the CPU, where the pure-Python path is too.

    Args:
        detector: Path of the detector.
        pose: Path of the pose network.
        reid: Path of the appearance network.
        frame_rate: Frames a second of the scene.

    Raises:
        ModelError: A network cannot be loaded.
    """

    def __init__(self, detector: Path, pose: Path, reid: Path, frame_rate: float) -> None:
        with ExitStack() as stack:
            tracker = ByteTrack(proximity_thresh=NEAR)
            # The networks work side by side. So small ones, with threads for all cores each, wait
            # for each other at every operator.
            share = max(1, (os.cpu_count() or 1) // 2)
            nets = [Engine(p, device="cpu", threads=share) for p in (detector, pose, reid)]
            pipe = Pipeline(nets[0], nets[1], tracker, reid=nets[2], device="cpu")
            self._entrant = stack.enter_context(Entrant(pipe, frame_rate))
            self._detector = stack.enter_context(
                Pipeline(detector, tracker=None, score_threshold=_EVERY_SCORE, device="cpu")
            )
            self._open = stack.pop_all()
        self._clock = Clock(self._entrant)
        self.results: list[Result] = []
        self._detections: list[Result] = []

    def run(self, images: Images) -> list[Result]:
        """The next frames, on the clock."""
        results = self._clock(images)
        self.results += results
        return results

    def look(self, images: Images) -> None:
        """Their every detection, off the clock."""
        self._detections += map(self._detector, images)

    @property
    def fps(self) -> float:
        """Frames a second of what was run."""
        return self._clock.fps

    def figures(self, truths: Sequence[Truth], missing: Missing) -> Figures:
        """How all that was run compares with the truth."""
        return judge(self.fps, truths, self.results, self._detections, missing)

    def stats(self) -> dict[str, Any]:
        """The pipeline's."""
        return self._entrant.pipeline.stats()

    def __enter__(self) -> Side:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()
