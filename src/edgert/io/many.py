"""Several sources as one."""

from collections.abc import Iterator, Sequence

from edgert.io.frame import Frame
from edgert.io.reader import Reader
from edgert.io.source import Source

__all__ = ["ManySource"]


class ManySource(Source):
    """The frames of several sources, told apart by `Frame.stream`.

    Files take turns in order, so the sequence is the same in every run; live sources come in
    between as their frames arrive. Lists within lists are flattened.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        parts = tuple(part for source in sources for part in source.parts)
        counts = [part.frame_count for part in parts]
        known = [count for count in counts if count is not None]
        super().__init__(
            ", ".join(part.name for part in parts),
            live=all(part.live for part in parts),
            frame_count=sum(known) if len(known) == len(parts) else None,
        )
        self._parts = parts
        for part in parts:
            # One list for all keeps the warnings in order of discovery.
            self.warnings.extend(part.warnings)
            part.warnings = self.warnings

    @property
    def parts(self) -> tuple[Source, ...]:
        """The sources, in the order of `Frame.stream`."""
        return self._parts

    @property
    def dropped(self) -> int:
        """Sum over the parts."""
        return sum(part.dropped for part in self._parts)

    @property
    def skipped(self) -> int:
        """Sum over the parts."""
        return sum(part.skipped for part in self._parts)

    def close(self) -> None:
        """Closes every part."""
        self._closed.set()
        for part in self._parts:
            part.close()

    def _frames(self) -> Iterator[Frame]:
        with Reader(self) as reader:
            yield from reader
