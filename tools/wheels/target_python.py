"""A Python that describes itself as of another architecture, for the time of a cross build.

What a build asks of its Python (the suffix of modules, the tag of the wheel) Python itself reads
from a module that an environment variable names: CPython's own way to cross-compile. The headers
are this machine's. Of them pyconfig.h alone depends on the architecture: the two agree in every
size, and differ in what CPython's own sources ask.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_NATIVE = "x86_64"
_MODULE = "_sysconfigdata_target"
_DESCRIPTION = """\
import importlib

build_time_vars = {{
    name: value.replace("{native}", "{target}")
    if name in ("EXT_SUFFIX", "SOABI", "MULTIARCH")
    else value
    for name, value in importlib.import_module("{module}").build_time_vars.items()
}}
"""


def environment(python: Path, architecture: str, folder: Path) -> dict[str, str]:
    """The variables under which a Python describes itself as of an architecture.

    Args:
        python: The interpreter, of this machine.
        architecture: The one to describe.
        folder: Where the description is put.
    """
    if architecture == _NATIVE:
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    name = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig._get_sysconfigdata_name())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    description = _DESCRIPTION.format(native=_NATIVE, target=architecture, module=name)
    (folder / f"{_MODULE}.py").write_text(description)
    return {
        "PYTHONPATH": str(folder),
        "_PYTHON_SYSCONFIGDATA_NAME": _MODULE,
        "_PYTHON_HOST_PLATFORM": f"linux-{architecture}",
    }
