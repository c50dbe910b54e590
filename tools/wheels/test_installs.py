"""Installs each x86-64 wheel into an empty environment of its own Python, and uses it there.

    python tools/wheels/test_installs.py dist

No compiler is to be found there. Then: an upgrade and an uninstall leave nothing, and edgert works
without a home, with one that cannot be written, and with a broken cache directory; and computes the
same bits on processors without AVX, where qemu-x86_64-static (Debian: qemu-user-static) is here.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from build_wheels import PYTHONS, find_python

DIGEST = Path(__file__).parent / "digest.py"
# Of qemu's: x86-64-v2 without AVX, and v3 with AVX2.
PROCESSORS = {"Nehalem": "x86-64 (SSE2)", "Haswell": "x86-64-v3 (AVX2)"}
_BOUND = ("/usr/bin/setpriv", "--inh-caps=-all", "--bounding-set=-all")
_USE = """
import edgert, numpy
tracks = edgert.ByteTrack().update(numpy.array([[0, 0, 9, 9.0]]), numpy.array([0.9]))
assert tracks.ids.tolist() == [1]
assert edgert.backends()["onnxruntime:cpu"] == "ok"
"""


class Environment:
    """A virtual environment of one Python with nothing but pip in it, as others would use it."""

    def __init__(self, version: str, wheel: Path, folder: Path) -> None:
        self.version, self.wheel, self.folder = version, wheel, folder
        subprocess.run([find_python(version), "-m", "venv", folder / "venv"], check=True)
        (folder / "empty").mkdir()
        self.site = next((folder / "venv" / "lib").glob("python*/site-packages"))

    def run(self, *command: object, home: str | None = None, bound: bool = False, **more) -> str:
        """Run a program of the environment; returns what it printed.

        Args:
            command: The program and its arguments.
            home: HOME; None: not set.
            bound: By what files permit, root too.
            more: Of the variables.

        Raises:
            AssertionError: It failed, or warned.
        """
        variables = {"PATH": f"{self.folder}/venv/bin:{self.folder}/empty", **more}
        variables |= {} if home is None else {"HOME": home}
        program = [str(self.folder / "venv" / "bin" / str(command[0])), *map(str, command[1:])]
        if bound and os.getuid() == 0:
            program = [*_BOUND, *program]
        done = subprocess.run(
            program, env=variables, cwd=self.folder, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    def pip(self, *arguments: object) -> str:
        """Run pip, which knows this machine's settings."""
        settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        return self.run("pip", *arguments, home=str(Path.home()), **settings)

    def files(self) -> set[str]:
        """What is installed, and the programs."""
        found = [*self.site.rglob("*"), *(self.folder / "venv" / "bin").iterdir()]
        return {str(path) for path in found if "__pycache__" not in path.parts}


def uses(here: Environment) -> str:
    """`import edgert`, `edgert --help`, `edgert doctor` say who they are."""
    version = here.wheel.name.split("-")[1]
    assert here.run("python", "-c", "import edgert; print(edgert.__version__)").strip() == version
    assert here.run("edgert", "--help").startswith("usage: edgert")
    here.run("python", "-W", "error", "-c", _USE)
    told = re.search(r"host stages +(.*)", here.run("edgert", "doctor"))
    assert told, "edgert doctor does not name the instruction set"
    return told[1]


def survives_its_surroundings(here: Environment) -> str:
    """No home, a home that cannot be written, a cache directory that is a file."""
    locked = here.folder / "locked"
    locked.mkdir(mode=0o500)
    broken = here.folder / "broken"
    broken.write_text("no folder")
    probe = f"open({str(locked / 'file')!r}, 'w')"
    denied = f"try: {probe}\nexcept PermissionError: print('denied')"
    assert here.run("python", "-c", denied, bound=True) == "denied\n", "this would prove nothing"
    for home, more in (
        (None, {}),
        (str(locked), {}),
        ("/nonexistent", {}),
        (None, {"EDGERT_CACHE": str(broken)}),
        (None, {"XDG_CACHE_HOME": str(locked)}),
    ):
        here.run("edgert", "doctor", home=home, bound=True, **more)
        here.run("python", "-W", "error", "-c", _USE, home=home, bound=True, **more)
    assert not list(locked.iterdir())
    return "no home, locked home, broken cache"


def aged(wheel: Path, folder: Path) -> Path:
    """A wheel as if of an earlier version, which had one module more."""
    old = folder / wheel.name.replace("-" + wheel.name.split("-")[1], "-0.0.1", 1)
    number = wheel.name.split("-")[1]
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(old, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            name = entry.filename.replace(f"-{number}.dist-info", "-0.0.1.dist-info")
            if name.endswith("METADATA"):
                content = content.replace(f"Version: {number}".encode(), b"Version: 0.0.1")
            if name.endswith("RECORD"):
                content = content.replace(number.encode(), b"0.0.1") + b"edgert/gone.py,,\n"
            target.writestr(name, content)
        target.writestr("edgert/gone.py", "")
    return old


def leaves_nothing(here: Environment) -> str:
    """An upgrade removes what the older version had; an uninstall removes the rest."""
    fresh = here.files()
    here.pip("uninstall", "--yes", "edgert")
    bare = here.files()
    assert not [path for path in bare if "edgert" in path], bare
    here.pip("install", "--no-deps", aged(here.wheel, here.folder))
    assert (here.site / "edgert" / "gone.py").exists()
    here.pip("install", "--no-deps", "--upgrade", here.wheel)
    assert here.files() == fresh
    here.run("edgert", "--help")  # leaves compiled files behind, which are to go too
    here.pip("uninstall", "--yes", "edgert")
    assert here.files() == bare
    assert not (here.site / "edgert").exists()
    return f"{len(fresh - bare)} files came and went"


def same_bits(here: Environment) -> str:
    """Every level of instructions gives the same digests."""
    mine = here.run("python", DIGEST).splitlines()
    emulator = shutil.which("qemu-x86_64-static")
    if emulator is None:
        return "not tried: no qemu-x86_64-static"
    for processor, name in PROCESSORS.items():
        command = [emulator, "-cpu", processor, here.folder / "venv" / "bin" / "python", DIGEST]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        told, *digests = output.splitlines()
        assert told == f"instructions {name}", told
        assert digests == mine[1:], f"{processor}: {digests}, expected {mine[1:]}"
    return f"{len(mine) - 1} digests, as on {' and '.join(PROCESSORS)}"


CHECKS: tuple[Callable[[Environment], str], ...] = (
    uses,
    survives_its_surroundings,
    same_bits,
    leaves_nothing,
)


def main() -> int:
    """The command above; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the wheels")
    parser.add_argument("--pythons", nargs="+", default=list(PYTHONS))
    args = parser.parse_args()
    passed = failed = 0
    for version in args.pythons:
        tag = f"cp{version.replace('.', '')}"
        (wheel,) = args.folder.resolve().glob(f"edgert-*-{tag}-*_x86_64.whl")
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            here = Environment(version, wheel, Path(folder))
            here.pip("install", "--only-binary", ":all:", wheel)
            for check in CHECKS:
                try:
                    print(f"{version} {check.__name__}: {check(here)}", flush=True)
                    passed += 1
                except AssertionError as error:
                    print(f"{version} {check.__name__}: FAILED: {error}", file=sys.stderr)
                    failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
