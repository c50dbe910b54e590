"""What a quantization was and what it cost: one HTML page, one JSON, a picture, tables."""

from edgert.quant.report.build import accuracy_rows, make_report
from edgert.quant.report.content import Accuracy, Operator, Report, Speed
from edgert.quant.report.ranking import ranking_picture

__all__ = [
    "Accuracy",
    "Operator",
    "Report",
    "Speed",
    "accuracy_rows",
    "make_report",
    "ranking_picture",
]
