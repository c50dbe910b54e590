"""Who was followed by which track, when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from edgert.evaluation.tracking import followed
from edgert.evaluation.truth import Truth
from edgert.result import Result

__all__ = ["Row", "Stretch", "make_timeline"]


@dataclass
class Stretch:
    """A person in neighbouring frames with the same track.

    Attributes:
        start: The first frame.
        stop: The one after the last.
        track: Its id; -1: in the picture, but not followed.
    """

    start: int
    stop: int
    track: int


@dataclass
class Row:
    """One person; where there is no stretch, the person is not there or does not count.

    Attributes:
        person: The id in the truth.
        stretches: In order.
    """

    person: int
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def switches(self) -> list[int]:
        """The frames where another track took over."""
        tracked = [s for s in self.stretches if s.track >= 0]
        return [b.start for a, b in pairwise(tracked) if a.track != b.track]


def make_timeline(truths: Sequence[Truth], results: Sequence[Result]) -> list[Row]:
    """A row for each person that counts in any frame, in the order of their coming.

    Raises:
        Error: motrics is not installed.
    """
    rows: dict[int, Row] = {}
    for frame, (people, tracks) in enumerate(followed(truths, results)):
        for person, track in zip(people.tolist(), tracks.tolist(), strict=True):
            stretches = rows.setdefault(person, Row(person)).stretches
            last = stretches[-1] if stretches else None
            if last is not None and last.stop == frame and last.track == track:
                last.stop = frame + 1
            else:
                stretches.append(Stretch(frame, frame + 1, track))
    return list(rows.values())
