"""A picture and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgert.demo import solids

__all__ = ["Frame"]

_LEAST_HEIGHT_PX, _LEAST_VISIBLE = 24, 0.3


@dataclass(frozen=True)
class Frame:
    """A rendered frame and the N people in it, the farthest first.

    In it is whoever would show at least one pixel if nobody and nothing stood in front of them.

    Attributes:
        index: Number of the frame.
        time_s: Its time in seconds.
        image: (H, W, 3) uint8 BGR.
        ids: (N,) int64, from 1; one for each person's way through the scene.
        boxes: (N, 4) float32 xyxy, frame pixels (corners of the pixel grid): tight around what of
            the person lies within the frame, hidden or not, clothes and what they carry included.
        visible: (N,) float32, the share of the whole person that is seen, from 0 to 1: not hidden
            by others or things, not beyond the frame's edge.
        keypoints: (N, 17, 2) float32, frame pixels, COCO's order; (0, 0) beyond the frame.
        visibility: (N, 17) uint8: 2 seen, 1 within the frame but hidden (by others, by things or
            by the person's own body), 0 beyond the frame.
        labels: (H, W) int16: what each pixel shows, `PARTS_PER_OWNER` times an owner plus the part
            of it; -1 the street. Pixels that something covers by half or more are its own.
        owner_ids: (K,) int64: the person's id of each owner, 0 for what stands in the street.
    """

    index: int
    time_s: float
    image: npt.NDArray[np.uint8]
    ids: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float32]
    visible: npt.NDArray[np.float32]
    keypoints: npt.NDArray[np.float32]
    visibility: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int16]
    owner_ids: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def clear(self) -> npt.NDArray[np.bool_]:
        """(N,) who is at least 24 px tall and 30 % visible: whom it is fair to ask for.

        Networks are taught these people, and judged by them.
        """
        height = self.boxes[:, 3].astype(np.float64) - self.boxes[:, 1]
        tall: npt.NDArray[np.bool_] = height >= _LEAST_HEIGHT_PX
        return tall & (self.visible >= _LEAST_VISIBLE)

    @property
    def id_image(self) -> npt.NDArray[np.int64]:
        """(H, W) int64: whom each pixel shows; 0: nobody."""
        ids: npt.NDArray[np.int64] = np.append(self.owner_ids, 0)
        return ids[self.labels // solids.PARTS_PER_OWNER]
