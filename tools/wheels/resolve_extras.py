"""Whether pip finds wheels for edgert and each of its extras, on machines that are not here.

    python tools/wheels/resolve_extras.py dist [EXTRA ...]

For the oldest and the newest Python and both architectures; see pip_for.py. Exit status 1 where
something would have to be compiled, or is not to be had.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from build_wheels import ARCHITECTURES, PYTHONS, find_python

EXTRAS = ("", "quant", "eval", "rtx", "gpu", "export", "bench", "demo")
_PIP_FOR = Path(__file__).parent / "pip_for.py"
_WOULD = "Would install "


def resolve(python: Path, wheel: Path, extra: str, architecture: str) -> tuple[bool, str]:
    """Whether pip would install it, and what it says: the packages, or why not."""
    command = [python, _PIP_FOR, architecture, "install", "--dry-run", "--ignore-installed"]
    with tempfile.TemporaryDirectory() as target:
        done = subprocess.run(
            [*command, "--target", target, f"{wheel}[{extra}]" if extra else str(wheel)],
            capture_output=True,
            text=True,
        )
    for line in done.stdout.splitlines():
        if line.startswith(_WOULD):
            return True, line.removeprefix(_WOULD)
    return False, done.stderr.strip()


def main() -> int:
    """The command above; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the wheels")
    parser.add_argument("extras", nargs="*", default=EXTRAS)
    args = parser.parse_args()
    passed = failed = 0
    for version in (PYTHONS[0], PYTHONS[-1]):
        with tempfile.TemporaryDirectory() as environment:
            subprocess.run([find_python(version), "-m", "venv", environment], check=True)
            python = Path(environment, "bin", "python")
            for architecture in ARCHITECTURES:
                tag = f"cp{version.replace('.', '')}"
                (wheel,) = args.folder.glob(f"edgert-*-{tag}-*_{architecture}.whl")
                for extra in args.extras:
                    start = time.monotonic()
                    good, said = resolve(python, wheel, extra, architecture)
                    took = time.monotonic() - start
                    print(f"{version} {architecture} edgert[{extra}] ({took:.0f} s): {said}")
                    passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
