"""pip for another architecture: what it runs as `pip install --platform ...`, and markers too.

    python tools/wheels/pip_for.py aarch64 download edgert[quant] ...

pip takes wheels for another platform, but evaluates `platform_machine == 'x86_64'` for the machine
and the Python that it runs on. Hence: run this with a Python of the version in question.
"""

from __future__ import annotations

import platform
import runpy
import sys

# What glibc 2.35 loads, which is JetPack 6's and Ubuntu 22.04's.
_GLIBC_MINOR = 35
_OLD_NAMES = {"x86_64": ("1", "2010", "2014"), "aarch64": ("2014",)}


def main(architecture: str, command: str, *arguments: str) -> None:
    """Run pip; it ends the process."""
    names = [f"manylinux_2_{minor}_{architecture}" for minor in range(5, _GLIBC_MINOR + 1)]
    names += [f"manylinux{name}_{architecture}" for name in _OLD_NAMES[architecture]]
    platforms = [part for name in names for part in ("--platform", name)]
    platform.machine = lambda: architecture
    sys.argv = ["pip", command, "--only-binary", ":all:", *platforms, *arguments]
    runpy.run_module("pip", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
