"""An independent implementation of the pipeline's arithmetic: NumPy, OpenCV and onnxruntime.

It is the oracle of the tests and the second column of the accuracy table, so it never imports
edgert, and it is written to be read: float32 pixels, float64 coordinates, plain loops.
"""

from .detect import decode_end_to_end, decode_yolo
from .pipeline import ReferencePipeline, ReferenceResult
from .pose import decode_heatmaps
from .preprocess import IMAGENET_MEAN, IMAGENET_STD, crop_people, letterbox

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "ReferencePipeline",
    "ReferenceResult",
    "crop_people",
    "decode_end_to_end",
    "decode_heatmaps",
    "decode_yolo",
    "letterbox",
]
