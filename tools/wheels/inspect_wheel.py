"""What is in a wheel: its size, the glibc it needs, what its modules link, and what is wrong.

    python tools/wheels/inspect_wheel.py dist/*.whl                    # the table
    python tools/wheels/inspect_wheel.py dist/*.whl --markdown FILE    # ... into a file
    python tools/wheels/inspect_wheel.py dist/*.whl --kernels          # only: the same in all?

Exit status 1 where a wheel breaks a rule, told on standard error.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection

FLOOR = (2, 28)
LARGEST_BYTES = 5_000_000
# What every Linux with glibc has: the policy allows more, edgert needs no more.
SYSTEM = re.compile(r"(lib(c|m|gcc_s|pthread|dl|rt)|ld-linux-(x86-64|aarch64))\.so\.\d")
_MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}


@dataclass
class Module:
    """An ELF file of a wheel."""

    name: str
    machine: str
    libraries: list[str] = field(default_factory=list)
    glibc: tuple[int, ...] = (0,)
    others: set[str] = field(default_factory=set)
    unversioned: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)


@dataclass
class Wheel:
    """A wheel's facts.

    Attributes:
        path: Of the file.
        modules: Its ELF files.
        kernels: Digest of the GPU's kernels: names and bytes.
        kernel_bytes: Their size in the wheel, compressed.
        text: All its files' bytes that could name a path of the machine that built it, by name.
    """

    path: Path
    modules: list[Module]
    kernels: str
    kernel_bytes: int
    text: dict[str, bytes]

    @property
    def glibc(self) -> tuple[int, ...]:
        """The oldest glibc that has all symbols."""
        return max(module.glibc for module in self.modules)

    @property
    def libraries(self) -> list[str]:
        """What its modules link, sorted."""
        return sorted({library for module in self.modules for library in module.libraries})


def read_module(name: str, content: bytes) -> Module:
    """Read an ELF file's dynamic part."""
    elf = ELFFile(io.BytesIO(content))
    module = Module(name, elf["e_machine"])
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            module.libraries = [tag.needed for tag in section.iter_tags("DT_NEEDED")]
        elif isinstance(section, GNUVerNeedSection):
            for _, versions in section.iter_versions():
                for version in versions:
                    family, _, number = version.name.partition("_")
                    if family == "GLIBC":
                        module.glibc = max(module.glibc, tuple(map(int, number.split("."))))
                    else:
                        module.others.add(version.name)
    symbols = elf.get_section_by_name(".dynsym")
    versions = elf.get_section_by_name(".gnu.version")
    assert isinstance(symbols, SymbolTableSection), f"{name} has no dynamic symbols"
    for index, symbol in enumerate(symbols.iter_symbols()):
        if not symbol.name or symbol["st_info"]["bind"] == "STB_WEAK":
            continue
        # 0 and 1 stand for no version.
        number = versions.get_symbol(index)["ndx"] if versions else "VER_NDX_GLOBAL"
        if symbol["st_shndx"] != "SHN_UNDEF":
            module.shown.append(symbol.name)
        elif isinstance(number, str) and not symbol.name.startswith(("Py", "_Py")):
            module.unversioned.append(symbol.name)
    return module


def read_wheel(path: Path) -> Wheel:
    """Read a wheel."""
    digest, size, modules, text = hashlib.sha256(), 0, [], {}
    with zipfile.ZipFile(path) as wheel:
        for entry in sorted(wheel.infolist(), key=lambda entry: entry.filename):
            content = wheel.read(entry)
            text[entry.filename] = content
            if entry.filename.startswith("edgert/kernels/"):
                digest.update(entry.filename.encode() + b"\0" + content)
                size += entry.compress_size
            elif content.startswith(b"\x7fELF"):
                modules.append(read_module(entry.filename, content))
    if not modules:
        raise ValueError(f"{path}: no compiled module in it")
    return Wheel(path, modules, digest.hexdigest() if size else "", size, text)


def faults(wheel: Wheel, paths: tuple[str, ...] = ()) -> list[str]:
    """What is wrong with a wheel; empty: nothing.

    Args:
        wheel: The wheel.
        paths: Folders of the machine that built it, which nobody is to find in it.
    """
    found = []
    if not wheel.kernels:
        found.append("no GPU kernels")
    if wheel.path.stat().st_size >= LARGEST_BYTES:
        found.append(f"{wheel.path.stat().st_size} bytes, expected under {LARGEST_BYTES}")
    architecture = wheel.path.stem.rpartition("manylinux_2_28_")[2]
    for module in wheel.modules:
        at = f"{module.name}: "
        if module.machine != _MACHINES.get(architecture):
            found.append(f"{at}for {module.machine}, in a wheel for {architecture}")
        if f"-{architecture}-linux-gnu.so" not in module.name:
            found.append(f"{at}named for another Python than one of {architecture}")
        if module.glibc > FLOOR:
            found.append(f"{at}needs glibc {'.'.join(map(str, module.glibc))}, expected 2.28")
        foreign = [name for name in module.libraries if not SYSTEM.fullmatch(name)]
        if foreign:
            found.append(f"{at}links {', '.join(foreign)}")
        if module.unversioned:
            found.append(f"{at}no library of glibc 2.28 has {', '.join(module.unversioned)}")
        more = [name for name in module.shown if not name.startswith("PyInit_")]
        if more:
            found.append(f"{at}shows others {', '.join(more[:5])}")
    for name, content in wheel.text.items():
        found += [f"{name}: names {path}" for path in paths if path.encode() in content]
    return found


def table(wheels: list[Wheel], others: list[Path]) -> str:
    """The facts, as Markdown."""
    lines = [
        "| file | MB | kernels in it, MB | glibc from | links |",
        "|---|---:|---:|---|---|",
    ]
    for wheel in wheels:
        size = f"{wheel.path.stat().st_size / 1e6:.2f} | {wheel.kernel_bytes / 1e6:.2f}"
        glibc = ".".join(map(str, wheel.glibc))
        lines.append(f"| {wheel.path.name} | {size} | {glibc} | {', '.join(wheel.libraries)} |")
    lines += [f"| {path.name} | {path.stat().st_size / 1e6:.2f} | | | |" for path in others]
    return "\n".join(lines) + "\n"


def main() -> int:
    """The commands above; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="wheels, and sdists for the table")
    parser.add_argument("--markdown", type=Path, help="write the table there")
    parser.add_argument("--kernels", action="store_true", help="compare the kernels, nothing else")
    parser.add_argument("--no-path", nargs="*", default=[], help="what no file may name")
    args = parser.parse_args()
    wheels = [read_wheel(path) for path in sorted(args.files) if path.suffix == ".whl"]
    text = table(wheels, [path for path in sorted(args.files) if path.suffix != ".whl"])
    print(text, end="")
    broken = 0
    for wheel in wheels if not args.kernels else ():
        for fault in faults(wheel, tuple(args.no_path)):
            print(f"{wheel.path.name}: {fault}", file=sys.stderr)
            broken += 1
    if len({wheel.kernels for wheel in wheels}) > 1:
        print("the wheels' GPU kernels are not the same bytes", file=sys.stderr)
        broken += 1
    if args.markdown and not broken:
        args.markdown.write_text(f"{HEAD}\n{text}")
    return 1 if broken else 0


HEAD = """\
# Wheels

By `make wheels` (tools/wheels/), which also checks them: symbols of glibc 2.28 at most, each with
its version; nothing linked but glibc and libgcc_s, so nothing of CUDA, TensorRT or the C++ library;
no path of the machine that built them; the same kernels in all. "glibc from" is the newest
symbol's; wheels are tagged manylinux_2_28.
"""

if __name__ == "__main__":
    sys.exit(main())
