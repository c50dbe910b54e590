"""Frames in, tracked people with skeletons out, in real time.

pipe = edgert.Pipeline("yolov8s.onnx", pose="hrnet_w32_384x288.onnx")
for result in pipe.run("street.mp4"):
    print(result.ids, result.boxes, result.keypoints)
"""

from edgert import ops
from edgert._core import ByteTrack, __version__, num_threads, set_num_threads
from edgert.availability import backends
from edgert.engine import Engine
from edgert.errors import DamagedInputWarning, Error, ModelError, SinkError, SourceError
from edgert.pipeline import Pipeline
from edgert.result import Person, Result

__all__ = [
    "ByteTrack",
    "DamagedInputWarning",
    "Engine",
    "Error",
    "ModelError",
    "Person",
    "Pipeline",
    "Result",
    "SinkError",
    "SourceError",
    "__version__",
    "backends",
    "num_threads",
    "ops",
    "set_num_threads",
]
