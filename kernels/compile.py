"""Compiles edgert.cu with NVRTC, which needs neither a toolkit nor a GPU.

    python kernels/compile.py --check            # is NVRTC here?
    python kernels/compile.py sm_87 FOLDER       # writes FOLDER/edgert.sm_87.cubin
    python kernels/compile.py compute_90 FOLDER  # writes FOLDER/edgert.compute_90.ptx
    python kernels/compile.py --table            # what every kernel takes on every architecture

The compiler is that of the package nvidia-cuda-nvrtc-cu12 12.6, whose output loads on every driver
from 12.6 on.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = "nvidia-cuda-nvrtc-cu12==12.6.*"
CUBINS = ("sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90")
# No fused multiply-add, and IEEE division and square root: the bits of the host's path.
OPTIONS = ("--std=c++17", "--fmad=false", "--prec-div=true", "--prec-sqrt=true", "--ftz=false")
# What ptxas says of a kernel, over three lines.
FIGURES = re.compile(
    r"Compiling entry function '(\w+)' for '(\w+)'"
    r".*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers([^\n]*)",
    re.DOTALL,
)


def library() -> ctypes.CDLL:
    """NVRTC of the package.

    Raises:
        RuntimeError: It is not installed.
    """
    try:
        spec = importlib.util.find_spec("nvidia.cuda_nvrtc")
    except ModuleNotFoundError:
        spec = None
    for folder in spec.submodule_search_locations or [] if spec else []:
        found = sorted(Path(folder).glob("lib/libnvrtc.so.*"))
        if found:
            return ctypes.CDLL(str(found[0]))
    raise RuntimeError(f"NVRTC is not installed; pip install '{PACKAGE}'")


class Compiler:
    """One program, compiled for one architecture."""

    def __init__(self) -> None:
        self._nvrtc = library()
        self._nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p

    def _call(self, name: str, *arguments: object) -> int:
        return int(getattr(self._nvrtc, name)(*arguments))

    def _check(self, name: str, *arguments: object) -> None:
        status = self._call(name, *arguments)
        if status != 0:
            text = self._nvrtc.nvrtcGetErrorString(status).decode()
            raise RuntimeError(f"{name}: {text}")

    def _read(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._check(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        content = ctypes.create_string_buffer(size.value)
        self._check(f"nvrtcGet{what}", program, content)
        return content.raw

    def compile(self, architecture: str) -> tuple[bytes, str]:
        """Compile edgert.cu for sm_NN to a cubin, for compute_NN to PTX ending in a zero.

        Returns:
            The image, and what the compiler said.

        Raises:
            RuntimeError: It does not compile; the text is the compiler's.
        """
        program = ctypes.c_void_p()
        source = (HERE / "edgert.cu").read_bytes()
        self._check(
            "nvrtcCreateProgram", ctypes.byref(program), source, b"edgert.cu", 0, None, None
        )
        try:
            options = [f"--gpu-architecture={architecture}", f"--include-path={HERE}", *OPTIONS]
            if architecture.startswith("sm_"):
                options.append("--ptxas-options=-v")
            texts = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
            status = self._call("nvrtcCompileProgram", program, len(options), texts)
            log = self._read(program, "ProgramLog").rstrip(b"\0").decode()
            if status != 0:
                raise RuntimeError(f"edgert.cu for {architecture}:\n{log}")
            kind = "CUBIN" if architecture.startswith("sm_") else "PTX"
            return self._read(program, kind), log
        finally:
            self._check("nvrtcDestroyProgram", ctypes.byref(program))


def figures(log: str) -> list[tuple[str, int, int, int, int]]:
    """What each kernel takes: name, registers, shared, stack and spilled bytes, by name.

    Raises:
        RuntimeError: The log says nothing of that.
    """
    rows = []
    for name, _, stack, stores, loads, registers, rest in FIGURES.findall(log):
        shared = re.search(r"(\d+) bytes smem", rest)
        rows.append(
            (
                name,
                int(registers),
                int(shared[1]) if shared else 0,
                int(stack),
                int(stores) + int(loads),
            )
        )
    if not rows:
        raise RuntimeError(f"no figures of any kernel in what the compiler says:\n{log}")
    return sorted(rows)


def table(logs: dict[str, str]) -> str:
    """What every kernel takes, as Markdown: a number for each architecture, or one for all.

    Args:
        logs: What the compiler said, by architecture.
    """
    by_kernel: dict[str, list[tuple[int, ...]]] = {}
    for log in logs.values():
        for name, *taken in figures(log):
            by_kernel.setdefault(name, []).append(tuple(taken))
    lines = [
        f"`python kernels/compile.py --table`; {', '.join(logs)} in this order, where they differ.",
        "",
        "| kernel | registers | shared, bytes | stack, bytes | spilled, bytes |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, rows in sorted(by_kernel.items()):
        cells = [
            str(column[0]) if len(set(column)) == 1 else " ".join(map(str, column))
            for column in zip(*rows, strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def refuse_local_memory(architecture: str, log: str) -> None:
    """Raise where a kernel keeps variables in local memory, which is as slow as memory is.

    Raises:
        RuntimeError: Naming the kernels.
    """
    slow = [
        f"{name} ({stack} + {spilled} bytes)"
        for name, _, _, stack, spilled in figures(log)
        if stack or spilled
    ]
    if slow:
        raise RuntimeError(f"{architecture}: stack or spills in {', '.join(slow)}")


def main() -> int:
    """The commands above; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("architecture", nargs="?", help="sm_NN or compute_NN")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--check", action="store_true", help="only say whether NVRTC is here")
    parser.add_argument("--table", action="store_true", help="what every kernel takes")
    args = parser.parse_args()
    try:
        if args.check:
            library()
            return 0
        compiler = Compiler()
        if args.table:
            print(table({name: compiler.compile(name)[1] for name in CUBINS}))
            return 0
        if args.architecture is None or args.folder is None:
            parser.error("expected an architecture and a folder, --check or --table")
        image, log = compiler.compile(args.architecture)
        cubin = args.architecture.startswith("sm_")
        if cubin:
            refuse_local_memory(args.architecture, log)
        args.folder.mkdir(parents=True, exist_ok=True)
        suffix = "cubin" if cubin else "ptx"
        (args.folder / f"edgert.{args.architecture}.{suffix}").write_bytes(image)
    except RuntimeError as error:
        print(f"kernels/compile.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
