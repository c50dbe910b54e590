"""Where the driver of tests/fake is, and what needs it.

It is loaded in place of libcuda.so.1 for the whole process, so it must be named before anything
asks for a GPU: this module does so when it is imported.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BUILT = Path(__file__).parent.parent / "build" / "fake" / "libfakecuda.so"

if "EDGERT_LIBCUDA" not in os.environ and BUILT.exists():
    os.environ["EDGERT_LIBCUDA"] = str(BUILT)


def _missing() -> str:
    if not os.environ.get("EDGERT_LIBCUDA", "").endswith("libfakecuda.so"):
        return f"{BUILT} is not built (make fake)"
    from edgert.devices import cuda_state

    state = cuda_state()
    return "" if state == "ok" else f"the fake driver cannot be used: {state}"


_REASON = _missing()
if _REASON and os.environ.get("EDGERT_REQUIRE_FAKE_GPU"):
    raise RuntimeError(_REASON)

needs_fake_gpu = pytest.mark.skipif(bool(_REASON), reason=_REASON or "there")


def _no_gpu() -> str:
    from edgert.devices import cuda_state

    state = cuda_state()
    return "" if state == "ok" else state


# The kernels run on the fake too, in the host's emulation, and on a real GPU where one is here.
needs_gpu = pytest.mark.skipif(bool(_no_gpu()), reason=_no_gpu() or "there")
