"""Everything that can be tried here, in a folder that goes afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from edgert.doctor.selftest.networks import try_networks
from edgert.doctor.selftest.pipelines import try_pipelines
from edgert.doctor.selftest.record import Record

__all__ = ["selftest"]


def selftest(on_step: Callable[[str, str], None] | None = None) -> Record:
    """Build small networks, run them on every runtime, and compare with ONNX Runtime on the CPU.

    Args:
        on_step: Called with subject and name of each step before it is taken.

    Returns:
        All steps: what failed does not stop the rest, what cannot be tried here says why.
    """
    record = Record(on_step)
    with TemporaryDirectory(prefix="edgert-selftest-") as folder:
        try_networks(record, Path(folder))
        try_pipelines(record, Path(folder))
    return record
