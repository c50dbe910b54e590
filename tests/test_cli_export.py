"""`edgert export` where PyTorch is not; and that it is, where tests of it must not be skipped."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(not os.environ.get("EDGERT_REQUIRE_EXPORT"), reason="set in CI only")
def test_pytorch_is_here():
    """Where EDGERT_REQUIRE_EXPORT is set, a missing PyTorch is no reason to skip."""
    import onnx  # noqa: F401
    import torch  # noqa: F401


def test_without_pytorch_the_command_says_what_to_install():
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from edgert.cli import main\n"
        "raise SystemExit(main(['export', 'yolov8n', '--random', '0', '--quiet']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "package torch is not installed; pip install 'edgert[export]'" in done.stderr
