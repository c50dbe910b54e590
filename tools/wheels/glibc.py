"""The shared libraries of glibc 2.28 to link against, on a machine that has another.

They are the ones that Zig makes of its tables: every symbol with its version and library, and no
code. What a later glibc brought is not among them, so nothing can be bound to it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "2.28"
"""Of the policy manylinux_2_28."""

_LIBRARIES = ("dl", "m", "pthread", "rt", "util")
# Linking anything against a target's glibc makes Zig write its libraries.
_PROBE = "int probe(void) { return 0; }\n"


def stubs(architecture: str, compiler: str, folder: Path) -> Path:
    """Make the folder that is to be searched first for libraries.

    Args:
        architecture: "x86_64" or "aarch64".
        compiler: The C compiler for it.
        folder: Where to. What Zig made before is kept: it knows whether it fits.

    Returns:
        The folder to give to the linker with -L.
    """
    cache, out = folder / "zig", folder / "lib"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    probe = folder / "probe.c"
    probe.write_text(_PROBE)
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", f"{architecture}-linux-gnu.{VERSION}"]
    subprocess.run(
        [*zig, "-shared", "-fPIC", "-o", folder / "probe.so", probe],
        env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)},
        check=True,
    )
    found = list(cache.glob("o/*/libc.so.6"))
    if len(found) != 1:
        raise RuntimeError(f"expected one libc.so.6 of Zig's in {cache}, found {len(found)}")
    made = found[0].parent
    for name in _LIBRARIES:
        shutil.copy(next(made.glob(f"lib{name}.so.*")), out / f"lib{name}.so")
    for name in ("libc.so.6", "libld.so.2"):
        shutil.copy(made / name, out)
    addition = out / "newer_glibc.o"
    source = Path(__file__).parent / "newer_glibc.c"
    options = ["-O2", "-fPIC", "-ffunction-sections", "-D_GNU_SOURCE", "-Wall", "-Wextra"]
    subprocess.run([compiler, "-c", *options, source, "-o", addition], check=True)
    subprocess.run(["ar", "rcD", out / "libnewer_glibc.a", addition], check=True)
    # As glibc's own libc.so: the shared part, the static part, the loader's few symbols.
    parts = (out / name for name in ("libc.so.6", "libnewer_glibc.a"))
    script = f"GROUP ( {' '.join(map(str, parts))} AS_NEEDED ( {out / 'libld.so.2'} ) )\n"
    (out / "libc.so").write_text(script)
    return out
