"""Which precision a model is built in, and what has to be done to it first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.builds.configure import is_weakly_typed
from edgert.builds.options import BuildOptions
from edgert.builds.source import Source
from edgert.engines.tensorrt import Binding
from edgert.errors import ModelError

if TYPE_CHECKING:
    from edgert.quant.thresholds.scales import Scales

__all__ = ["half_model", "plan_precision", "thresholds_of"]


def plan_precision(source: Source, bound: Binding, options: BuildOptions) -> tuple[str, bool]:
    """What a model is built in, and whether it has to be written in FP16 first.

    Raises:
        ModelError: The model cannot be built in the precision that was asked for.
    """
    wanted, has = options.precision, source.precision
    if wanted in ("auto", has):
        return has, False
    if is_weakly_typed(bound, options):
        return _allowed(source, options), False
    if (has, wanted) == ("fp32", "fp16"):
        return wanted, True
    if wanted == "int8":
        calibrated = (
            ", or build with weakly_typed=True and calibration="
            if (bound.runtime, bound.major) == ("tensorrt", 10)
            else ""
        )
        raise ModelError(
            f"{source.path}: precision 'int8' was asked for, but the model is {has}, without "
            f"QuantizeLinear pairs; write one with them: edgert quantize {source.path} --data "
            f"IMAGES -o {source.path.stem}.int8.onnx{calibrated}"
        )
    raise ModelError(
        f"{source.path}: precision {wanted!r} was asked for, but the model is {has}, which its "
        f"types fix; build it as it is (precision='auto'), or take the float model that it came of"
    )


def half_model(source: Source, folder: Path) -> Path:
    """The model written in FP16, with FP32 inputs and outputs.

    Raises:
        ModelError: Its weights cannot be read, or its types cannot be found out.
    """
    from edgert.quant.model.graph import Graph

    model = Graph.load(source.path).model
    # They import onnx, of whose absence Graph has told in edgert's words.
    from edgert.quant.model.files import save
    from edgert.quant.model.half import to_half

    path = folder / source.path.name
    save(to_half(model), path)
    return path


def thresholds_of(
    calibration: str | os.PathLike[str] | Scales | Mapping[str, float] | None,
) -> Mapping[str, float] | None:
    """By tensor, the magnitude that becomes level 127.

    Args:
        calibration: What `quant.solve` gives; these thresholds themselves; a file of `Scales.save`;
            or a calibration cache of TensorRT's.

    Raises:
        CalibrationError: The file is neither.
    """
    if calibration is None or isinstance(calibration, Mapping):
        return calibration
    from edgert.quant.statistics.tensorrt_cache import read_tensorrt_cache
    from edgert.quant.thresholds.scales import Scales

    if isinstance(calibration, Scales):
        return calibration.thresholds
    try:
        return Scales.load(calibration).thresholds
    except (OSError, ValueError):
        return read_tensorrt_cache(Path(calibration))[1]


def _allowed(source: Source, options: BuildOptions) -> str:
    """Of a weakly typed network: its flags allow a precision, and the builder chooses."""
    if options.precision == "int8" and source.precision != "int8" and options.calibration is None:
        raise ModelError(
            f"{source.path}: weakly typed INT8 of a float model takes its scales from calibration= "
            f"(--calibration): the Scales of edgert quantize, or a calibration cache of TensorRT's"
        )
    return options.precision
