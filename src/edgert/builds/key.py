"""What an engine depends on, as a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Difference", "Key"]

_NAMES = {"version": "runtime", "compute_capability": "compute capability", "gpu": "GPU"}


class Difference(NamedTuple):
    """What an engine was built with, and what is here."""

    name: str
    built: str | None
    found: str | None

    def __str__(self) -> str:
        return f"{self.name}: built with {self.built}, found {self.found}"


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

    def differences(self, environment: Mapping[str, str | None]) -> list[Difference]:
        """Where another environment differs."""
        return [
            Difference(_NAMES.get(name, name), built, environment.get(name))
            for name, built in self.environment.items()
            if built != environment.get(name)
        ]
