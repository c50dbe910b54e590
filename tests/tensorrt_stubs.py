"""TensorRT 10's published type stubs, made readable: `python tests/tensorrt_stubs.py build/stubs`.

The package tensorrt-stubs has no marker that lets mypy read it, and some of its signatures are no
Python (a parameter called `in`). This copies it to where `mypy_path` looks, and writes such
signatures as taking anything.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = ("tensorrt", "tensorrt_bindings")


@functools.cache
def published() -> dict[str, str]:
    """The stubs by path, repaired.

    Raises:
        metadata.PackageNotFoundError: tensorrt-stubs is not installed.
    """
    files = metadata.files("tensorrt-stubs") or []
    stubs = [file for file in files if file.suffix == ".pyi" and file.parts[0] in PACKAGES]
    assert stubs, "tensorrt-stubs has no stubs: has it changed?"
    return {str(file): repaired(file.read_text()) for file in stubs}


def repaired(text: str) -> str:
    """A stub in which every signature is Python."""
    lines = text.split("\n")
    while True:
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as error:
            number = (error.lineno or 0) - 1
            mended = re.sub(
                r"\(.*\) ->", "(self, *args: object, **kwargs: object) ->", lines[number]
            )
            assert mended != lines[number], f"line {number + 1} cannot be repaired: {lines[number]}"
            lines[number] = mended
        else:
            return "\n".join(lines)


if __name__ == "__main__":
    for name, text in published().items():
        target = Path(sys.argv[1], name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
