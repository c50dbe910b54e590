"""INT8 that can be trusted: collect, solve, find the layers that hurt, write, audit, report.

stats = quant.collect("yolov8s.onnx", "images/")
scales = quant.solve(stats, method="percentile")
rows = quant.sensitivity("yolov8s.onnx", scales, "images/")
plan = quant.search("yolov8s.onnx", scales, "images/", rows)
quant.write("yolov8s.onnx", scales, plan, "yolov8s.int8.onnx")
"""

# ruff: noqa: E402
from edgert.quant.graph import require_onnx

require_onnx()

# At once and not at first use, as `edgert` does it: most modules here are named after their
# function, and a module that is imported later would take the function's place.
from edgert.quant.audit import Audit, audit
from edgert.quant.collect import collect
from edgert.quant.data import CalibrationData, Item
from edgert.quant.debug import debug
from edgert.quant.equalize import equalize
from edgert.quant.fidelity import Fidelity
from edgert.quant.metrics import Metric, SignalToNoise
from edgert.quant.plan import PROFILES, Plan
from edgert.quant.quantize import quantize
from edgert.quant.report import Report, make_report
from edgert.quant.rounding import Rounding
from edgert.quant.scales import Scales
from edgert.quant.search import search
from edgert.quant.sensitivity import Row, sensitivity
from edgert.quant.solve import candidates, choose, solve
from edgert.quant.stats import CalibrationStats, TensorStats
from edgert.quant.task import CocoBoxes, CocoKeypoints
from edgert.quant.tensorrt_cache import read_tensorrt_cache, write_tensorrt_cache
from edgert.quant.trial import Trial
from edgert.quant.write import write, write_half

__all__ = [
    "PROFILES",
    "Audit",
    "CalibrationData",
    "CalibrationStats",
    "CocoBoxes",
    "CocoKeypoints",
    "Fidelity",
    "Item",
    "Metric",
    "Plan",
    "Report",
    "Rounding",
    "Row",
    "Scales",
    "SignalToNoise",
    "TensorStats",
    "Trial",
    "audit",
    "candidates",
    "choose",
    "collect",
    "debug",
    "equalize",
    "make_report",
    "quantize",
    "read_tensorrt_cache",
    "search",
    "sensitivity",
    "solve",
    "write",
    "write_half",
    "write_tensorrt_cache",
]
