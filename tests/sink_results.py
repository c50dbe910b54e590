"""Results, frames and sinks for the tests of what sinks write."""

import subprocess
import sys
import textwrap
from pathlib import Path

import av
import numpy as np

from edgert.io.sinks import Coco, JsonLines, Mot, Video
from edgert.result import Result

TEXT_SINKS = [JsonLines, Mot, Coco]
SINKS = [*TEXT_SINKS, Video]
NAMES = {JsonLines: "out.jsonl", Mot: "out.txt", Coco: "out.json", Video: "out.mp4"}


def make(index=0, n=2, size=(48, 64), source="street.mp4", time_s=None):
    rng = np.random.default_rng(index)
    corner = rng.uniform(0, 20, (n, 2))
    return Result(
        boxes=np.hstack([corner, corner + 20]).astype(np.float32),
        scores=rng.random(n).astype(np.float32),
        class_ids=np.zeros(n, np.int32),
        ids=np.arange(1, n + 1, dtype=np.int64),
        keypoints=rng.uniform(0, 40, (n, 17, 2)).astype(np.float32),
        keypoint_scores=rng.random((n, 17)).astype(np.float32),
        frame_index=index,
        time_s=index / 25 if time_s is None else time_s,
        size=size,
        source=source,
    )


def frame(size=(48, 64), colour=(200, 60, 30)):
    return np.full((*size, 3), colour, np.uint8)


def decode(path):
    with av.open(str(path)) as container:
        return [(f.time, f.to_ndarray(format="bgr24")) for f in container.decode(video=0)]


def run_python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=300, **options
    )


# What a child process needs to write some results.
CHILD = f"""
import os, sys, time
import numpy as np
from edgert.errors import SinkError
sys.path.insert(0, {str(Path(__file__).parent)!r})
from sink_results import *
"""
