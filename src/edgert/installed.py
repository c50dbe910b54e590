"""What of NVIDIA's software is installed, by the files and packages that it comes as."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = [
    "Found",
    "VersionOf",
    "cuda",
    "cudnn",
    "driver",
    "kernel_module",
    "l4t",
    "library",
    "of_system_pythons",
    "version_of",
]

VersionOf = Callable[[str], "str | None"]
"""Gives the version of an installed Python package, or None."""

_CUDA_PACKAGES = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu13", "nvidia-cuda-runtime-cu12")
_CUDNN_PACKAGES = ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12")
_L4T = re.compile(r"R(\d+) \(release\), REVISION: (\d+)(?:\.(\d+))?")
_NVRM = re.compile(r"^NVRM version:.*?(\d+\.\d+(?:\.\d+)?)\s", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Found:
    """A version, and where it is from: "in /usr/local/cuda", "of the package numpy"."""

    version: str
    place: str

    def __str__(self) -> str:
        return f"{self.version} {self.place}"


def version_of(package: str) -> str | None:
    """The version of an installed Python package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cuda(root: Path, versions: VersionOf = version_of) -> Found | None:
    """CUDA's libraries: a Python package goes before the system's toolkit."""
    found = _of_packages(_CUDA_PACKAGES, versions)
    if found is not None:
        return found
    try:
        version = json.loads(_text(root / "usr/local/cuda/version.json"))["cuda"]["version"]
    except (ValueError, KeyError, TypeError):
        return None
    return Found(str(version), "in /usr/local/cuda")


def cudnn(root: Path, architecture: str, versions: VersionOf = version_of) -> Found | None:
    """cuDNN: a Python package goes before the system's library."""
    return _of_packages(_CUDNN_PACKAGES, versions) or library(root, architecture, "libcudnn")


def library(root: Path, architecture: str, name: str) -> Found | None:
    """The newest of a shared library of the system, by its file's name, such as "libnvinfer"."""
    found = []
    for folder in (f"usr/lib/{architecture}-linux-gnu", "usr/lib64", "usr/local/lib"):
        for path in (root / folder).glob(f"{name}.so.*"):
            text = path.name.removeprefix(f"{name}.so.")
            if re.fullmatch(r"\d+\.\d+(\.\d+)*", text):
                found.append((tuple(map(int, text.split("."))), Found(text, f"in /{folder}")))
    return max(found, key=lambda entry: entry[0])[1] if found else None


def l4t(root: Path) -> tuple[int, int, int] | None:
    """The release of Jetson Linux under JetPack, such as (36, 4, 3); None on other machines."""
    found = _L4T.search(_text(root / "etc/nv_tegra_release"))
    return None if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))


def kernel_module(root: Path) -> str | None:
    """The version of NVIDIA's kernel module, where it is loaded."""
    told = _text(root / "sys/module/nvidia/version")
    found = _NVRM.search(_text(root / "proc/driver/nvidia/version"))
    return told or (found[1] if found else None)


def driver(root: Path) -> str | None:
    """The driver's version. That of a Jetson's GPU is a part of L4T, whatever else is loaded."""
    release = l4t(root)
    return kernel_module(root) if release is None else f"L4T {'.'.join(map(str, release))}"


def of_system_pythons(root: Path, module: str, mine: int) -> dict[tuple[int, int], Path]:
    """Where Debian's packages, and so JetPack's, put a Python module: the folder, by version.

    Args:
        root: The file system's.
        module: The module's name.
        mine: The minor version that a folder for whichever Python 3 stands for.
    """
    return {
        (3, int(found[1] or mine)): path
        for path in sorted(root.glob(f"usr/lib/python3*/dist-packages/{module}"))
        if (found := re.fullmatch(r"python3\.?(\d*)", path.parts[-3]))
    }


def _of_packages(names: Sequence[str], versions: VersionOf) -> Found | None:
    for name in names:
        version = versions(name)
        if version is not None:
            return Found(version, f"of the package {name}")
    return None


def _text(path: Path) -> str:
    """What a file holds; "" where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
