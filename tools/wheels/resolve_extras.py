"""Whether pip finds wheels for edgert and each of its extras, on machines that are not here.

    python tools/wheels/resolve_extras.py dist [EXTRA ...]

For the oldest and the newest Python, both architectures, and a glibc of 2.35: JetPack 6's and
Ubuntu 22.04's. Exit status 1 where something has to be compiled, or is not to be had.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PYTHONS = ("3.10", "3.13")
ARCHITECTURES = ("x86_64", "aarch64")
EXTRAS = ("", "quant", "eval", "rtx", "gpu", "export", "bench")
_GLIBC_MINOR = 35
_OLD_NAMES = {"x86_64": ("1", "2010", "2014"), "aarch64": ("2014",)}


def resolve(folder: Path, extra: str, python: str, architecture: str) -> str:
    """What pip says against it; empty: it would install."""
    tag = f"cp{python.replace('.', '')}"
    (wheel,) = folder.glob(f"edgert-*-{tag}-*_{architecture}.whl")
    platforms = [f"manylinux_2_{minor}_{architecture}" for minor in range(5, _GLIBC_MINOR + 1)]
    platforms += [f"manylinux{name}_{architecture}" for name in _OLD_NAMES[architecture]]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command += ["--only-binary", ":all:", "--python-version", python]
    command += [part for platform in platforms for part in ("--platform", platform)]
    with tempfile.TemporaryDirectory() as target:
        done = subprocess.run(
            [*command, "--target", target, f"{wheel}[{extra}]" if extra else str(wheel)],
            capture_output=True,
            text=True,
        )
    return done.stderr.strip() if done.returncode else ""


def main() -> int:
    """The command above; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the wheels")
    parser.add_argument("extras", nargs="*", default=EXTRAS)
    args = parser.parse_args()
    failed = 0
    for extra in args.extras:
        for python in PYTHONS:
            for architecture in ARCHITECTURES:
                start = time.monotonic()
                said = resolve(args.folder, extra, python, architecture)
                name = f"edgert[{extra}]" if extra else "edgert"
                took = time.monotonic() - start
                print(f"{name:16} {python:5} {architecture:8} {said or 'resolves'} ({took:.0f} s)")
                failed += bool(said)
    print(f"{len(args.extras) * 4 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
