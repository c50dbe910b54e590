"""Files that are whole at any time, even after a power cut."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

__all__ = ["write_atomically"]


def write_atomically(path: str | Path, content: Any) -> None:
    """Put a file in place as a whole: whoever reads it, even after a power cut, sees old or new.

    Args:
        path: The file; its folder is made where it is missing.
        content: Anything with the buffer protocol.

    Raises:
        OSError: It cannot be written; what was there before is as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
