"""Pipelines on the same frames in turns, each with a clock of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgert.pipeline import Pipeline
from edgert.result import Result

__all__ = ["Clock", "Entrant"]

Image = npt.NDArray[np.uint8]


class Entrant:
    """A pipeline that takes its frames in blocks and is at rest between them.

    A block has gone all the way before the call returns: two frames in flight as in `run`, and
    nothing left over for the others' time.

    Args:
        pipeline: Closed with this.
        frame_rate: Frames a second of the source.
    """

    def __init__(self, pipeline: Pipeline, frame_rate: float) -> None:
        self.pipeline = pipeline
        self._waiting: SimpleQueue[Image | None] = SimpleQueue()
        self._results = pipeline.run(self._frames(), fps=frame_rate)

    def __call__(self, images: Sequence[Image]) -> list[Result]:
        """The results of the next frames."""
        for image in images:
            self._waiting.put(image)
        return [next(self._results) for _ in images]

    def _frames(self) -> Iterator[Image]:
        while (image := self._waiting.get()) is not None:
            yield image

    def __enter__(self) -> Entrant:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiting.put(None)
        self._results.close()
        self.pipeline.close()


class Clock:
    """Times a program block by block.

    Args:
        program: Takes a block of images and returns when it is done with the last.
    """

    def __init__(self, program: Callable[[Sequence[Image]], list[Any]]) -> None:
        self._program = program
        self._seconds: list[float] = []

    def __call__(self, images: Sequence[Image]) -> list[Any]:
        """Run the program on a block, on the clock."""
        start = time.perf_counter()
        results = self._program(images)
        self._seconds.append((time.perf_counter() - start) / len(images))
        return results

    @property
    def fps(self) -> float:
        """Frames a second: the median of the blocks. The first one warms up where there are more.

        Raises:
            ValueError: Nothing has been timed.
        """
        if not self._seconds:
            raise ValueError("nothing has been timed yet")
        return 1 / float(np.median(self._seconds[1:] or self._seconds))
