"""Versions of what took part, and the machine's name."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

__all__ = ["versions"]

_PACKAGES = ("onnx", "onnxruntime", "numpy")
_AUDIT_PACKAGES = ("tensorrt-rtx-cu13-libs", "tensorrt-rtx-cu12-libs", "tensorrt-rtx", "tensorrt")


def versions(audited: bool = False) -> dict[str, str]:
    """Names and versions; nothing is imported for it.

    Args:
        audited: Whether TensorRT took part.
    """
    from edgert import __version__

    found = {"edgert": __version__}
    for name in _PACKAGES + (_AUDIT_PACKAGES if audited else ()):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found["Python"] = platform.python_version()
    found["system"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    found["processor"] = _processor()
    return found


def _processor() -> str:
    cores = f"{os.cpu_count()} cores"
    # A Jetson says what it is in its device tree, and not what cores it has.
    board = _first_line(Path("/proc/device-tree/model"))
    if board:
        return f"{board}, {cores}"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {cores}"


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
