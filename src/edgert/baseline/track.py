"""ByteTrack in the plainest Python: objects, an 8x8 Kalman filter, dense costs and `lap`.

Shares nothing with the native tracker, no gating, no strips, no split filter, no solver of its own,
and so is its oracle in the tests too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import lap
import numpy as np
import numpy.typing as npt

__all__ = ["Tracker", "assign", "iou_matrix"]

_Floats = npt.NDArray[np.float64]


def iou_matrix(first: npt.ArrayLike, second: npt.ArrayLike) -> _Floats:
    """Inclusive-pixel IoU of (N, 4) and (M, 4) boxes: (N, M)."""
    a = np.reshape(first, (-1, 1, 4)).astype(float)
    b = np.reshape(second, (1, -1, 4)).astype(float)
    size = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]) + 1
    shared = np.prod(np.maximum(size, 0), axis=-1)
    area_a, area_b = (np.prod(x[..., 2:] - x[..., :2] + 1, axis=-1) for x in (a, b))
    iou: _Floats = shared / (area_a + area_b - shared)
    return iou


def assign(cost: _Floats, limit: float) -> list[tuple[int, int]]:
    """Pairs (row, column) that minimise the sum of cost - limit."""
    if cost.size == 0:
        return []
    _, columns, _ = lap.lapjv(cost, extend_cost=True, cost_limit=limit)
    return [(row, int(column)) for row, column in enumerate(columns) if column >= 0]


class _Kalman:
    MOTION = np.eye(8) + np.eye(8, k=4)
    OBSERVE = np.eye(4, 8)

    @staticmethod
    def measure(box: _Floats) -> _Floats:
        width, height = box[2] - box[0], box[3] - box[1]
        return np.array([box[0] + width / 2, box[1] + height / 2, width / height, height])

    def __init__(self, box: _Floats) -> None:
        self.mean = np.concatenate([self.measure(box), np.zeros(4)])
        h = self.mean[3]
        self.cov = np.diag(
            np.array([h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16]) ** 2
        )

    def predict(self) -> None:
        h = self.mean[3]
        noise = np.array([h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160])
        self.mean = self.MOTION @ self.mean
        self.cov = self.MOTION @ self.cov @ self.MOTION.T + np.diag(noise**2)

    def update(self, box: _Floats) -> None:
        h = self.mean[3]
        noise = np.diag(np.array([h / 20, h / 20, 1e-1, h / 20]) ** 2)
        spread = self.OBSERVE @ self.cov @ self.OBSERVE.T + noise
        gain = self.cov @ self.OBSERVE.T @ np.linalg.inv(spread)
        self.mean = self.mean + gain @ (self.measure(box) - self.OBSERVE @ self.mean)
        self.cov = self.cov - gain @ spread @ gain.T

    def box(self) -> _Floats:
        x, y, aspect, h = self.mean[:4]
        return np.array([x - aspect * h / 2, y - h / 2, x + aspect * h / 2, y + h / 2])


@dataclass(eq=False)
class _Track:
    id: int
    kalman: _Kalman
    start: int
    seen: int
    index: int
    confirmed: bool
    looks: _Floats | None = None  # of length 1
    lost: bool = False
    buried: bool = False  # its id has been put on the list of removed ones

    @property
    def life(self) -> int:
        return self.seen - self.start

    def remember(self, looks: _Floats | None) -> None:
        if looks is None:
            return
        if self.looks is not None:
            looks = 0.9 * self.looks + 0.1 * looks
            looks = looks / np.linalg.norm(looks)
        self.looks = looks


@dataclass
class Tracker:
    """ByteTrack with the reference implementation's ids, row order and detection indices.

    With features BoT-SORT's: where half the cosine distance is at most `alike` and the IoU distance
    at most `near`, the smaller of distances counts.
    """

    high: float = 0.5
    low: float = 0.1
    match: float = 0.8
    fuse: bool = True
    buffer: int = 30
    alike: float = 0.25
    near: float = 0.5
    frame: int = 0
    last_id: int = 0
    tracked: list[_Track] = field(default_factory=list)
    lost: list[_Track] = field(default_factory=list)

    def _match(
        self,
        tracks: list[_Track],
        boxes: _Floats,
        scores: _Floats,
        candidates: list[int],
        limit: float,
        fuse: bool,
        looks: _Floats | None = None,
    ) -> tuple[list[_Track], list[int]]:
        """Updates the matched tracks; returns the unmatched tracks and candidates."""
        apart = 1 - iou_matrix([t.kalman.box() for t in tracks], boxes[candidates])
        cost = 1 - (1 - apart) * scores[candidates] if fuse else apart
        if looks is not None and tracks:
            known = [np.zeros_like(looks[0]) if t.looks is None else t.looks for t in tracks]
            unlike = (1 - np.array(known) @ looks[candidates].T) / 2
            usable = (unlike <= self.alike) & (apart <= self.near)
            cost = np.where(usable, np.minimum(cost, unlike), cost)
        pairs = assign(cost, limit)
        for row, column in pairs:
            track, index = tracks[row], candidates[column]
            track.kalman.update(boxes[index])
            track.seen, track.index = self.frame, index
            track.remember(None if looks is None else looks[index])
        rows, columns = {r for r, _ in pairs}, {c for _, c in pairs}
        return (
            [t for i, t in enumerate(tracks) if i not in rows],
            [c for i, c in enumerate(candidates) if i not in columns],
        )

    def update(
        self, detected: npt.ArrayLike, certain: npt.ArrayLike, looks: _Floats | None = None
    ) -> list[tuple[Any, ...]]:
        """The next frame.

        Args:
            detected: (N, 4) xyxy.
            certain: (N,) scores.
            looks: (N, D) of length 1, where people are to be told apart by them; only those of
                scores over `high` count.

        Returns:
            Rows (id, x1, y1, x2, y2, detection index) of the tracks in this frame.
        """
        self.frame += 1
        boxes, scores = np.reshape(detected, (-1, 4)), np.reshape(certain, -1)
        high = [i for i, s in enumerate(scores) if s > self.high]
        low = [i for i, s in enumerate(scores) if self.low < s < self.high]

        confirmed = [t for t in self.tracked if t.confirmed]
        fresh = [t for t in self.tracked if not t.confirmed]
        for track in confirmed + self.lost:
            if track.lost:
                track.kalman.mean[7] = 0
            track.kalman.predict()
        left, high = self._match(
            confirmed + self.lost, boxes, scores, high, self.match, self.fuse, looks
        )
        left = [t for t in left if not t.lost]
        found = [t for t in self.lost if t.seen == self.frame]
        missed, _ = self._match(left, boxes, scores, low, 0.5, False)
        gone, high = self._match(fresh, boxes, scores, high, 0.7, self.fuse, looks)

        self.tracked = [t for t in self.tracked if t not in missed and t not in gone]
        for track in self.tracked:
            track.confirmed = True
        for index in high:
            if scores[index] >= self.high + 0.1:
                self.last_id += 1
                self.tracked.append(
                    _Track(
                        self.last_id, _Kalman(boxes[index]), self.frame, self.frame, index,
                        confirmed=self.frame == 1, looks=None if looks is None else looks[index],
                    )
                )  # fmt: skip
        self.tracked += found
        for track in found:
            track.lost = False
        for track in missed:
            track.lost = True
        waiting = [t for t in self.lost if t not in found] + missed
        expired = [t for t in self.lost if self.frame - t.seen > self.buffer]
        self.lost = [t for t in waiting if not t.buried]
        for track in expired:
            track.buried = True

        distance = 1 - iou_matrix(
            [t.kalman.box() for t in self.tracked], [t.kalman.box() for t in self.lost]
        )
        twins = [(self.tracked[i], self.lost[j]) for i, j in np.argwhere(distance < 0.15)]
        ended = [b if a.life > b.life else a for a, b in twins]
        self.tracked = [t for t in self.tracked if t not in ended]
        self.lost = [t for t in self.lost if t not in ended]
        return [(t.id, *t.kalman.box(), t.index) for t in self.tracked if t.confirmed]
