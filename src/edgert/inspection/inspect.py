"""Looking into a model file, by what it is called."""

from __future__ import annotations

import os
from pathlib import Path

from edgert.engines.plan_file import SUFFIXES, is_plan
from edgert.errors import ModelError
from edgert.inspection.inspection import Inspection

__all__ = ["inspect"]


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """Look into a model file; nothing is run.

    Of an engine that cannot be loaded here, what the file itself and its manifest say is told, and
    why the rest is not.

    Raises:
        ModelError: It cannot be read, is of no known kind, or is damaged.
    """
    file = Path(path)
    if is_plan(file):
        from edgert.inspection.engine_file import inspect_engine

        return inspect_engine(file)
    if file.suffix.lower() == ".onnx":
        from edgert.inspection.onnx_file import inspect_onnx

        return inspect_onnx(file)
    raise ModelError(f"{file}: of no known kind, expected a file .onnx or {', '.join(SUFFIXES)}")
