"""What a pipeline has done: frames, losses, times."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgert import _core
from edgert.errors import DamagedInputWarning
from edgert.io.frame import Frame
from edgert.io.source import Source
from edgert.monitor import Thermal

__all__ = ["Stats"]


class Stats:
    """Counts frames as they come out of a native pipeline. Any thread may ask, at any time.

    Args:
        core: The native pipeline, which keeps the times of the stages.
        detector_path: To name the detector in a warning.
        pose_path: To name the pose network in a warning.
    """

    def __init__(self, core: _core.Pipeline, detector_path: str, pose_path: str | None) -> None:
        self._core = core
        self._detector_path = detector_path
        self._pose_path = pose_path
        self._thermal = Thermal()
        self._final_stages: dict[str, dict[str, float]] | None = None
        self._source: Source | None = None
        self._started: float | None = None
        self.reset()

    def reset(self) -> None:
        """Count from 0."""
        self._frames = self._dropped_frames = self._skipped_frames = 0
        self._dropped_rows = self._dropped_heatmaps = 0
        self._busy_s = 0.0

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Frames are in flight: this time counts for the frames a second, if one comes out."""
        self._started, frames = time.perf_counter(), self._frames
        try:
            yield
        finally:
            if self._frames > frames:
                self._busy_s += time.perf_counter() - self._started
            self._started = None

    @contextmanager
    def reading(self, source: Source) -> Iterator[None]:
        """Frames come from this source, which counts its own losses."""
        self._source = source
        try:
            yield
        finally:
            self._source = None
            self._dropped_frames += source.dropped
            self._skipped_frames += source.skipped

    def add(self, frame: Frame, dropped_rows: int, dropped_heatmaps: int) -> None:
        """One more frame is done. Says so the first time that an output could not be used."""
        self._frames += 1
        if dropped_rows and not self._dropped_rows:
            bad = "not finite (NaN or infinite), or of a class without a name,"
            _warn(self._detector_path, f"{dropped_rows} rows", bad, frame)
        if dropped_heatmaps and not self._dropped_heatmaps:
            bad = "not finite (NaN or infinite)"
            _warn(str(self._pose_path), f"{dropped_heatmaps} heatmaps", bad, frame)
        self._dropped_rows += dropped_rows
        self._dropped_heatmaps += dropped_heatmaps

    def close(self) -> None:
        """Keep the stages' times, since the native pipeline is about to go."""
        if self._final_stages is None:
            self._final_stages = self._core.stages()

    def to_dict(self) -> dict[str, Any]:
        """See `Pipeline.stats`."""
        source, started = self._source, self._started
        busy_s = self._busy_s + (time.perf_counter() - started if started else 0.0)
        stages = self._core.stages() if self._final_stages is None else self._final_stages
        return {
            "stages": stages,
            "fps": self._frames / busy_s if busy_s > 0 else 0.0,
            "frames": self._frames,
            "dropped_frames": self._dropped_frames + (source.dropped if source else 0),
            "skipped_frames": self._skipped_frames + (source.skipped if source else 0),
            "dropped_rows": self._dropped_rows,
            "dropped_heatmaps": self._dropped_heatmaps,
            "temperature": self._thermal.temperature(),
            "throttled": self._thermal.throttled(),
        }


def _warn(path: str, what: str, bad: str, frame: Frame) -> None:
    warnings.warn(
        f"{path}: {what} of its output were {bad} in frame {frame.index} of "
        f"{frame.source} and were dropped; later ones are only counted in stats(). A model in "
        f"reduced precision that overflows does this.",
        DamagedInputWarning,
        stacklevel=4,
    )
