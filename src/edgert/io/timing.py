"""Presentation times that only ever grow."""

__all__ = ["Clock"]

_RESET_S = 1.0
"""A stamp further back than this is a clock that began anew, as in joined recordings."""

_NUDGE = 1e-3
"""What a frame that comes late gets over the one before it, in frame intervals."""


class Clock:
    """Turns the time stamps of a container into seconds that grow from frame to frame."""

    def __init__(self, step_s: float) -> None:
        """Starts before the first frame.

        Args:
            step_s: Interval between frames, for those that have no stamp.
        """
        self._step_s = step_s
        self._offset_s = 0.0
        self._restart_s: float | None = None
        self.last_s: float | None = None
        """Time of the last frame in seconds; None before the first."""

    def time_s(self, stamp_s: float | None) -> float:
        """The time of the next frame in seconds.

        Args:
            stamp_s: Its own presentation time, if it has one.
        """
        self.last_s = self._next_s(stamp_s)
        return self.last_s

    def restart(self, at_s: float) -> None:
        """Says that the next stamp comes from another clock.

        Args:
            at_s: What that stamp means, unless the last frame was later.
        """
        self._restart_s = at_s

    def _next_s(self, stamp_s: float | None) -> float:
        if self._restart_s is not None:
            start_s = self._restart_s
            if self.last_s is not None:
                start_s = max(start_s, self.last_s + self._step_s)
            self._restart_s = None
            self._offset_s = start_s - (stamp_s or 0.0)
            return start_s
        if self.last_s is None:
            return stamp_s or 0.0
        if stamp_s is None:
            return self.last_s + self._step_s
        time_s = stamp_s + self._offset_s
        if time_s < self.last_s - _RESET_S:
            self._offset_s = self.last_s + self._step_s - stamp_s
            return self.last_s + self._step_s
        # A decoder that lost a frame delivers the next few out of order: nudging keeps the order
        # of delivery, and the times after them true.
        return max(time_s, self.last_s + _NUDGE * self._step_s)
