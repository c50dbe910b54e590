"""The images of a calibration set: which ones, in which order."""

from __future__ import annotations

import copy
import itertools
import random
import warnings
from collections.abc import Iterator
from typing import Any

from edgert.errors import DamagedInputWarning
from edgert.quant.images.picture import Picture, open_parts

__all__ = ["Pictures"]

_OPEN_END = (
    "how many images an iterator, or a video that does not say, has is not known; give a list"
)

# A frame of a part: the part's place, and the frame's index in it.
_Entry = tuple[int, int]


class Pictures:
    """Images from anywhere, in the same order every time.

    Args:
        source: A folder, glob or image file, a video, a list of these or of arrays, or an iterator
            of arrays, which can be gone through once.
        stride: Of a video, every how many-th frame to take.
        limit: At most so many images: the first ones, or with `seed` a random choice.
        seed: Of that choice.

    Attributes:
        skipped: What was broken, each named once.

    Raises:
        SourceError: A path does not exist or holds nothing to read.
        ValueError: A parameter is out of its range, or a choice is asked of an iterator.
    """

    def __init__(
        self, source: Any, *, stride: int = 1, limit: int | None = None, seed: int | None = None
    ) -> None:
        if stride < 1 or (limit is not None and limit < 1):
            raise ValueError(f"stride is {stride} and limit {limit}, expected at least 1")
        self.skipped: list[str] = []
        self._parts = open_parts(source)
        self._stride = stride
        self._limit = limit
        self._chosen: list[_Entry] | None = None
        if all(part.count is not None for part in self._parts):
            self._chosen = [
                (place, index)
                for place, part in enumerate(self._parts)
                for index in range(0, part.count or 0, stride)
            ]
            if limit is not None and seed is not None and limit < len(self._chosen):
                self._chosen = sorted(random.Random(seed).sample(self._chosen, limit))
            self._chosen = self._chosen[:limit]
        elif seed is not None:
            raise ValueError(f"seed is {seed}, but {_OPEN_END}")

    def __len__(self) -> int:
        """How many images there are, broken ones included.

        Raises:
            TypeError: It is not known beforehand.
        """
        if self._chosen is None:
            raise TypeError(_OPEN_END)
        return len(self._chosen)

    def __iter__(self) -> Iterator[Picture]:
        if self._chosen is None:
            every = (part.pictures(None, self._stride, self.skip) for part in self._parts)
            yield from itertools.islice(itertools.chain.from_iterable(every), self._limit)
            return
        for place, entries in itertools.groupby(self._chosen, key=lambda entry: entry[0]):
            wanted = [index for _, index in entries]
            yield from self._parts[place].pictures(wanted, self._stride, self.skip)

    def split(self, share: float, seed: int) -> tuple[Pictures, Pictures]:
        """Two disjoint parts, the first with `share` of the images; equal images stay together.

        A video is cut in time, since its neighbouring frames are nearly the same.

        Raises:
            ValueError: `share` is not between 0 and 1, or the images are of an iterator.
        """
        if not 0 < share < 1:
            raise ValueError(f"share is {share}, expected more than 0 and less than 1")
        if self._chosen is None:
            raise ValueError(_OPEN_END)
        first: list[_Entry] = []
        alike: dict[str, list[_Entry]] = {}
        for place, entries in itertools.groupby(self._chosen, key=lambda entry: entry[0]):
            part, found = self._parts[place], list(entries)
            if part.is_video:
                first += found[: round(share * len(found))]
            else:
                alike.setdefault(part.digest(), []).extend(found)
        wanted = round(share * sum(map(len, alike.values())))
        groups = list(alike.values())
        random.Random(seed).shuffle(groups)
        for group in groups:
            if len(group) <= wanted:
                first += group
                wanted -= len(group)
        return self._only(first), self._only(set(self._chosen).difference(first))

    def digests(self) -> set[str] | None:
        """Of all images, where they are known without decoding a video or using up an iterator."""
        if self._chosen is None or any(part.is_video for part in self._parts):
            return None
        return {self._parts[place].digest() for place, _ in self._chosen}

    def skip(self, message: str) -> None:
        """Take down that something is broken, and warn of it the first time."""
        if message not in self.skipped:
            self.skipped.append(message)
            warnings.warn(message, DamagedInputWarning, stacklevel=2)

    def _only(self, chosen: Any) -> Pictures:
        part = copy.copy(self)
        part._chosen, part.skipped = sorted(chosen), []
        return part
