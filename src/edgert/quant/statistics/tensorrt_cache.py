"""TensorRT's calibration cache: the text file of its own INT8 calibrators, up to TensorRT 10.

The first line names the version and the calibrator, such as `TRT-100300-EntropyCalibration2`. Every
other one is a tensor's name, a colon, a space, and its scale as the hex digits of a big-endian IEEE
754 single: what TensorRT writes itself (NVIDIA's documentation of IInt8Calibrator; the reader of
NVIDIA's modelopt). The scale is the largest representable magnitude divided by 127.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path

from edgert.atomic import write_atomically
from edgert.errors import CalibrationError

__all__ = ["read_tensorrt_cache", "tensorrt_cache", "write_tensorrt_cache"]

_HEADER = re.compile(r"TRT-\d+-\w+")
_HEX = re.compile(r"[0-9a-fA-F]{1,8}")


def tensorrt_cache(
    thresholds: Mapping[str, float], *, header: str = "TRT-100300-EntropyCalibration2"
) -> bytes:
    """What a calibrator's `read_calibration_cache` may return.

    TensorRT does not check which calibrator made a cache beyond the header: it has to be that of
    the version and the calibrator class that will read it.

    Args:
        thresholds: By tensor, the magnitude that becomes level 127: `Scales.thresholds`.
        header: The first line, `TRT-<version as one number>-<calibrator>`.

    Raises:
        ValueError: The header is no such line, or a name or threshold cannot be written.
    """
    if not _HEADER.fullmatch(header):
        raise ValueError(
            f"header is {header!r}, expected such as 'TRT-100300-EntropyCalibration2' for TensorRT "
            f"10.3.0 and IInt8EntropyCalibrator2"
        )
    lines = [header]
    for name, threshold in thresholds.items():
        if not name or "\n" in name or "\r" in name:
            raise ValueError(f"tensor name {name!r} does not fit into one line; rename the tensor")
        if not 0 < threshold / 127 <= 3.4e38 or threshold / 127 < 2.0**-126:
            raise ValueError(
                f"{name}: the threshold is {threshold}, expected a finite number over 0"
            )
        lines.append(f"{name}: {struct.pack('>f', threshold / 127).hex()}")
    return ("\n".join(lines) + "\n").encode()


def write_tensorrt_cache(
    path: str | Path,
    thresholds: Mapping[str, float],
    *,
    header: str = "TRT-100300-EntropyCalibration2",
) -> None:
    """Write a calibration cache to a file; see `tensorrt_cache`."""
    write_atomically(path, tensorrt_cache(thresholds, header=header))


def read_tensorrt_cache(path: str | Path) -> tuple[str, dict[str, float]]:
    """Read such a file, of TensorRT's or of `write_tensorrt_cache`.

    Returns:
        The header, and by tensor the magnitude that becomes level 127.

    Raises:
        CalibrationError: The file is missing or not a calibration cache.
    """
    try:
        header, *lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CalibrationError(f"{path}: not a calibration cache of TensorRT: {error}") from error
    if not _HEADER.fullmatch(header.strip()):
        raise CalibrationError(
            f"{path}: the first line is {header[:60]!r}, expected such as "
            f"'TRT-100300-EntropyCalibration2'"
        )
    thresholds = {}
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        # A tensor's name may have colons of its own.
        name, _, digits = line.rpartition(":")
        if not name or not _HEX.fullmatch(digits.strip()):
            raise CalibrationError(
                f"{path}: line {number} is {line[:60]!r}, expected a tensor's name, a colon and "
                f"up to 8 hex digits"
            )
        scale = struct.unpack(">f", bytes.fromhex(digits.strip().zfill(8)))[0]
        thresholds[name] = 127 * scale
    return header.strip(), thresholds
