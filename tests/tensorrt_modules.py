"""The names in TensorRT's own Python modules, read out of their packages and never loaded.

A module needs TensorRT's libraries, gigabytes of them; its names stand in it as text, with a zero
byte after each. Which class a name is of does not show. `make installed` fetches the packages.
"""

from __future__ import annotations

import functools
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "build" / "tensorrt"
PACKAGES = {"10.3": "tensorrt_cu12_bindings-10.3.0", "11.4": "tensorrt_cu13_bindings-11.4.0"}
"""JetPack 6's version, the oldest that edgert takes, and the newest."""


def here() -> bool:
    return all(any(FOLDER.glob(f"{name}*.whl")) for name in PACKAGES.values())


@functools.cache
def module(version: str) -> bytes:
    """What the module of a version consists of."""
    (wheel,) = FOLDER.glob(f"{PACKAGES[version]}*.whl")
    with zipfile.ZipFile(wheel) as files:
        return files.read("tensorrt_bindings/tensorrt.so")


def has_name(version: str, name: str) -> bool:
    # A linker keeps one text for names that end alike: before a name may be the rest of another.
    return name.encode() + b"\0" in module(version)
