"""INT8 that can be trusted: collect, solve, find the layers that hurt, write, audit, report.

stats = quant.collect("yolov8s.onnx", "images/")
scales = quant.solve(stats, method="percentile")
rows = quant.sensitivity("yolov8s.onnx", scales, "images/")
plan = quant.search("yolov8s.onnx", scales, "images/", rows)
quant.write("yolov8s.onnx", scales, plan, "yolov8s.int8.onnx")
"""

# ruff: noqa: E402
from edgert.quant.model.graph import require_onnx

require_onnx()

# At once and not at first use, as `edgert` does it: most modules here are named after their
# function, and a module that is imported later would take the function's place.
from edgert.quant.builds.audit import Audit, audit
from edgert.quant.debugging.debug import debug
from edgert.quant.images.data import CalibrationData, Item
from edgert.quant.quantize import quantize
from edgert.quant.report import Report, make_report
from edgert.quant.rewrite.equalize import equalize
from edgert.quant.rewrite.plan import PROFILES, Plan
from edgert.quant.rewrite.rounding import Rounding
from edgert.quant.rewrite.write import write, write_half
from edgert.quant.statistics.collect import collect
from edgert.quant.statistics.stats import CalibrationStats, TensorStats
from edgert.quant.statistics.tensorrt_cache import read_tensorrt_cache, write_tensorrt_cache
from edgert.quant.thresholds.scales import Scales
from edgert.quant.thresholds.solve import candidates, choose, solve
from edgert.quant.trials.fidelity import Fidelity
from edgert.quant.trials.metrics import Metric, SignalToNoise
from edgert.quant.trials.search import search
from edgert.quant.trials.sensitivity import Row, sensitivity
from edgert.quant.trials.task import CocoBoxes, CocoKeypoints
from edgert.quant.trials.trial import Trial

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
