"""`edgert export` where PyTorch is not."""

from __future__ import annotations

import subprocess
import sys


def test_without_pytorch_the_command_says_what_to_install():
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from edgert.cli import main\n"
        "raise SystemExit(main(['export', 'yolov8n', '--random', '0', '--quiet']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "package torch is not installed; pip install 'edgert[export]'" in done.stderr
