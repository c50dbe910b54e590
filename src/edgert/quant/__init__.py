"""INT8 that can be trusted: collect, solve, find the layers that hurt, write, audit, report.

stats = quant.collect("yolov8s.onnx", "images/")
scales = quant.solve(stats, method="percentile")
rows = quant.sensitivity("yolov8s.onnx", scales, "images/")
plan = quant.search("yolov8s.onnx", scales, "images/", rows)
quant.write("yolov8s.onnx", scales, plan, "yolov8s.int8.onnx")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgert.quant.plan import Plan

__all__ = ["Plan"]

# Where each name lives; imported at its first use, as the names of `edgert` are.
_HOMES = {"Plan": "edgert.quant.plan"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgert.quant' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
