"""Where facts come from: files under a root, commands, this interpreter, the driver."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from edgert.availability import Choice, backends, choose
from edgert.devices import KERNELS
from edgert.installed import VersionOf, version_of

__all__ = ["Driver", "Interpreter", "Machine"]

_PATIENCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python.

    Attributes:
        version: Such as (3, 10).
        executable: Its path.
        environment: Folder of the virtual environment that it is in; empty: in none.
        sees_system: Whether packages of the system's package manager can be imported.
    """

    version: tuple[int, int]
    executable: str
    environment: str
    sees_system: bool

    @staticmethod
    def here() -> Interpreter:
        """The one that runs this."""
        return Interpreter(
            sys.version_info[:2],
            sys.executable,
            sys.prefix if sys.prefix != sys.base_prefix else "",
            any(folder.endswith("/dist-packages") for folder in sys.path),
        )


@dataclass(frozen=True, slots=True)
class Driver:
    """NVIDIA's driver as edgert's own layer sees it.

    Attributes:
        state: "ok", or why it cannot be used.
        version: The CUDA version that it brings, such as "12.6"; empty unless it is "ok".
        devices: For each GPU its name, compute capability (87), whether it shares the host's
            memory, and its memory in bytes.
    """

    state: str
    version: str = ""
    devices: Sequence[tuple[str, int, bool, int]] = ()

    @staticmethod
    def here() -> Driver:
        """This machine's. Opens no GPU."""
        from edgert import _core

        state = _core.cuda_driver_state()
        if state != "ok":
            return Driver(state)
        return Driver(state, _core.cuda_driver_version(), _core.cuda_devices())


def run_command(command: Sequence[str]) -> str:
    """A command's output.

    Raises:
        OSError: There is no such command, it fails, or it takes more than half a second.
    """
    path = shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if path is None:
        raise FileNotFoundError(f"there is no command {command[0]}")
    try:
        done = subprocess.run(
            [path, *command[1:]], capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{' '.join(command)} did not answer in {_PATIENCE_S} s") from error
    except subprocess.CalledProcessError as error:
        said = (error.stdout + error.stderr).strip() or "nothing"
        raise OSError(f"{' '.join(command)} failed and said: {said.splitlines()[-1]}") from error
    return done.stdout


def has_module(name: str) -> bool:
    """Whether a module can be found; it is not imported."""
    spec = find_spec(name)
    # A folder of type stubs alone looks like a package without a file.
    return spec is not None and spec.origin is not None


@dataclass(frozen=True)
class Machine:
    """A machine to examine. Every way to a fact can be replaced: tests examine machines of paper.

    Attributes:
        root: Where /proc, /sys, /etc, /usr and /var are.
        run: Gives a command's output, or raises OSError.
        version_of: The version of an installed Python package, or None.
        has_module: Whether this Python finds a module.
        backends: `edgert.backends`.
        choose: `edgert.availability.choose`.
        driver: What is known of NVIDIA's driver.
        kernels: Folder of edgert's own kernels.
        python: The interpreter.
        architecture: Such as "aarch64".
        instruction_set: What the host's stages run with; None: ask the native module.
    """

    root: Path = Path("/")
    run: Callable[[Sequence[str]], str] = run_command
    version_of: VersionOf = version_of
    has_module: Callable[[str], bool] = has_module
    backends: Callable[[], dict[str, str]] = backends
    choose: Callable[[], Choice] = choose
    driver: Callable[[], Driver] = Driver.here
    kernels: Path = KERNELS
    python: Interpreter = field(default_factory=Interpreter.here)
    architecture: str = field(default_factory=platform.machine)
    instruction_set: str | None = None

    def text(self, path: str) -> str | None:
        """What a file under the root holds, without blanks around it; None if it cannot be read."""
        try:
            content = (self.root / path).read_bytes()
        except OSError:
            return None
        return content.decode(errors="replace").replace("\0", " ").strip()

    def number(self, path: str) -> int | None:
        """The whole number in a file; None if there is none."""
        try:
            return int(self.text(path) or "")
        except ValueError:
            return None

    def glob(self, pattern: str) -> list[Path]:
        """What matches under the root, in order."""
        return sorted(self.root.glob(pattern))

    def package(self, name: str) -> str | None:
        """The version of a Debian package that is installed; None if it is not."""
        return self._packages.get(name)

    @cached_property
    def is_jetson(self) -> bool:
        """Whether this is one of NVIDIA's boards."""
        model = self.text("proc/device-tree/model") or ""
        return "jetson" in model.lower() or self.text("etc/nv_tegra_release") is not None

    @cached_property
    def has_nvidia_gpu(self) -> bool:
        """Whether an NVIDIA GPU is in the machine, whatever drives it."""
        if self.is_jetson or self.text("proc/driver/nvidia/version") is not None:
            return True
        for path in self.glob("sys/bus/pci/devices/*/vendor"):
            device = path.parent.relative_to(self.root)
            # 0x03....: display controllers.
            kind = self.text(f"{device}/class") or ""
            if self.text(f"{device}/vendor") == "0x10de" and kind.startswith("0x03"):
                return True
        return False

    @cached_property
    def in_container(self) -> bool:
        """Whether this is a container's view of a machine."""
        if any((self.root / mark).exists() for mark in (".dockerenv", "run/.containerenv")):
            return True
        return "container=" in (self.text("proc/1/environ") or "")

    @cached_property
    def backend_states(self) -> dict[str, str]:
        """`backends()`, asked once: it imports runtimes."""
        return self.backends()

    @cached_property
    def driver_found(self) -> Driver:
        """The driver, asked once."""
        return self.driver()

    @cached_property
    def _packages(self) -> dict[str, str]:
        found = {}
        for entry in (self.text("var/lib/dpkg/status") or "").split("\n\n"):
            fields = dict(
                line.split(": ", 1)
                for line in entry.splitlines()
                if line.startswith(("Package: ", "Version: ", "Status: "))
            )
            if fields.get("Status", "").endswith(" installed") and "Version" in fields:
                found[fields.get("Package", "")] = fields["Version"]
        return found
