"""The frames and models of `EDGERT_ASSETS` that comparisons run on."""

import os
from pathlib import Path

import av
import cv2
import numpy as np

ROOT = Path(__file__).parents[2]


def assets():
    """The folder of test assets; it may be missing."""
    return Path(os.environ.get("EDGERT_ASSETS", ROOT.parent / "shared" / "assets"))


def video_frames(path, count=None):
    """BGR frames of a video: all, or `count` spread evenly over it."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    if count is not None:
        frames = [frames[i] for i in np.linspace(0, len(frames) - 1, count).round().astype(int)]
    return [frame.to_ndarray(format="bgr24") for frame in frames]


def images(folder):
    """BGR images of a folder by name."""
    return [cv2.imread(str(path)) for path in sorted(Path(folder).glob("*.jpg"))]
