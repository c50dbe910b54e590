"""Image files as a sequence of frames."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgert.errors import SourceError
from edgert.io.arrays import DEFAULT_FPS
from edgert.io.frame import Frame
from edgert.io.picture import read_image
from edgert.io.source import Source

__all__ = ["ImageSource", "ImagesSource", "natural_key"]


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sorts numbers within a path by value, so that ``img2`` comes before ``img10``."""
    parts = re.split(r"(\d+)", str(path))
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


class ImageSource(Source):
    """One image, asked for by name: if it is broken that is an error."""

    def __init__(self, path: Path, *, fps: float | None = None) -> None:
        """Reads the image.

        Raises:
            SourceError: It cannot be read.
        """
        self._image = read_image(path)
        super().__init__(
            str(path),
            fps=fps or DEFAULT_FPS,
            frame_count=1,
            size=(self._image.shape[0], self._image.shape[1]),
        )

    def _frames(self) -> Iterator[Frame]:
        yield Frame(self._image, 0, 0.0, self.name)


class ImagesSource(Source):
    """The images of a folder or glob, in natural order.

    A broken one is skipped, named in `warnings` and counted in `skipped`; it uses up its index.
    """

    def __init__(self, name: str, paths: Sequence[Path], *, fps: float | None = None) -> None:
        self._rate = fps or DEFAULT_FPS
        self._paths = sorted(paths, key=natural_key)
        super().__init__(name, fps=self._rate, frame_count=len(self._paths))

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, in the order in which they are read."""
        return tuple(self._paths)

    def _frames(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            try:
                image = read_image(path)
            except SourceError as error:
                self._skipped += 1
                self.warnings.append(f"{error}; skipped")
                continue
            self.size = (image.shape[0], image.shape[1])
            yield Frame(image, index, index / self._rate, str(path))
        if self._skipped == len(self._paths):
            raise SourceError(f"{self.name}: found {self._skipped} images, none can be read")
