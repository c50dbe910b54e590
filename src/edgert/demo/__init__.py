"""A small world to try edgert on: rendered streets whose people are known exactly.

for frame in edgert.demo.Scene(seed=1, people=30, size=(720, 1280), frames=300):
    print(frame.ids, frame.boxes, frame.keypoints, frame.visibility)

`DETECTOR`, `POSE` and `APPEARANCE` are the paths of networks that know it; `edgert demo` runs them.
"""

from edgert.demo.frame import Frame
from edgert.demo.networks import APPEARANCE, DETECTOR, POSE
from edgert.demo.scene import Scene

__all__ = ["APPEARANCE", "DETECTOR", "POSE", "Frame", "Scene"]
