"""TensorRT 10's calibrator, which reads the scales that were found instead of calibrating."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgert.engines.tensorrt import Binding

__all__ = ["calibrator_of"]


def calibrator_of(bound: Binding, thresholds: Mapping[str, float]) -> Any:
    """An IInt8EntropyCalibrator2 with a calibration cache of these thresholds.

    Tensors that the cache does not name stay in float.

    Args:
        bound: TensorRT 10: later versions have no calibrators.
        thresholds: By tensor, the magnitude that becomes level 127.
    """
    from edgert.quant.statistics.tensorrt_cache import tensorrt_cache
    from edgert.quant.thresholds.scales import SMALLEST_SCALE

    major, minor, patch = (int(part) for part in bound.version.split(".")[:3])
    text = tensorrt_cache(
        # A tensor that is always 0 has the threshold 0, which has no scale.
        {name: max(value, 127 * SMALLEST_SCALE) for name, value in thresholds.items()},
        header=f"TRT-{major * 10000 + minor * 100 + patch}-EntropyCalibration2",
    )

    class Calibrator(bound.api.IInt8EntropyCalibrator2):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            bound.api.IInt8EntropyCalibrator2.__init__(self)

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: list[str]) -> None:
            """No images: the scales are known."""

        def read_calibration_cache(self) -> bytes:
            return text

        def write_calibration_cache(self, cache: bytes) -> None:
            """It is ours; there is nothing to keep."""

    return Calibrator()
