"""What an engine depends on, as a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Key"]

_NAMES = {"version": "runtime", "compute_capability": "compute capability", "gpu": "GPU"}


@dataclass(frozen=True)
class Key:
    """What an engine depends on.

    Attributes:
        request: What was asked for: the model's digest, the runtime, the precision plan, shapes and
            flags. JSON values.
        environment: What it was built with: see `environment.environment`.
    """

    request: Mapping[str, Any]
    environment: Mapping[str, str | None]

    @property
    def digest(self) -> str:
        """SHA-256 in hex."""
        content = {"request": self.request, "environment": self.environment}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def differences(self, environment: Mapping[str, str | None]) -> list[str]:
        """Where another environment differs, such as "runtime: built with 10.3.0, found 10.7.0"."""
        return [
            f"{_NAMES.get(name, name)}: built with {built}, found {environment.get(name)}"
            for name, built in self.environment.items()
            if built != environment.get(name)
        ]
