"""Frames in, tracked people with skeletons out, in real time.

pipe = edgert.Pipeline("yolov8s.onnx", pose="hrnet_w32_384x288.onnx")
for result in pipe.run("street.mp4"):
    print(result.ids, result.boxes, result.keypoints)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgert._core import __version__, num_threads, set_num_threads

if TYPE_CHECKING:
    from edgert import demo, ops, quant
    from edgert._core import ByteTrack
    from edgert.availability import backends
    from edgert.builds.build import Built, build
    from edgert.engine import Engine
    from edgert.errors import (
        CacheWarning,
        DamagedInputWarning,
        EngineMismatchError,
        Error,
        FallbackWarning,
        ModelError,
        SinkError,
        SourceError,
        UnavailableError,
    )
    from edgert.pipeline import Pipeline
    from edgert.result import Person, Result

__all__ = [
    "Built",
    "ByteTrack",
    "CacheWarning",
    "DamagedInputWarning",
    "Engine",
    "EngineMismatchError",
    "Error",
    "FallbackWarning",
    "ModelError",
    "Person",
    "Pipeline",
    "Result",
    "SinkError",
    "SourceError",
    "UnavailableError",
    "__version__",
    "backends",
    "build",
    "demo",
    "num_threads",
    "ops",
    "quant",
    "set_num_threads",
]

# Where each name lives. They are imported at their first use: `import edgert` alone costs a few
# milliseconds, which a command line that only prints its help pays too.
_HOMES = {
    "Built": "edgert.builds.build",
    "ByteTrack": "edgert._core",
    "CacheWarning": "edgert.errors",
    "DamagedInputWarning": "edgert.errors",
    "Engine": "edgert.engine",
    "EngineMismatchError": "edgert.errors",
    "Error": "edgert.errors",
    "FallbackWarning": "edgert.errors",
    "ModelError": "edgert.errors",
    "Person": "edgert.result",
    "Pipeline": "edgert.pipeline",
    "Result": "edgert.result",
    "SinkError": "edgert.errors",
    "SourceError": "edgert.errors",
    "UnavailableError": "edgert.errors",
    "backends": "edgert.availability",
    "build": "edgert.builds.build",
}


def __getattr__(name: str) -> Any:
    if name in ("demo", "ops", "quant"):
        return import_module(f"edgert.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'edgert' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
