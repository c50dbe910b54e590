"""What is known of a model file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgert.builds.layers import Layer
from edgert.engines.base import TensorSpec

__all__ = ["Inspection"]

# Of a model in one of these, what computes in FP32 is what was left behind.
_LOWERED = ("fp16", "bf16", "int8")


@dataclass(frozen=True)
class Inspection:
    """What is known of a model file.

    Attributes:
        path: The file.
        format: "onnx", "tensorrt" or "tensorrt-rtx".
        file_bytes: Its size, with external data.
        precision: "fp32", "fp16", "int8" ...; None where nobody tells.
        inputs: Name, dtype, shape; None where nobody tells.
        outputs: Likewise.
        layers: Of a model its nodes, of an engine what became of them; in the order of execution.
        layers_from: Where the layers are from; empty where nobody tells.
        profiles: The sizes that an engine's profiles take, in words.
        lane_bytes: Device memory of what lies between an engine's layers, for each lane.
        parameters: Number of a model's weights.
        facts: What else is known, by name, in words.
        metadata: The model's key-value notes.
        remarks: What is unusual, or why something is not known, and the fix.
    """

    path: str
    format: str
    file_bytes: int
    precision: str | None = None
    inputs: tuple[TensorSpec, ...] | None = None
    outputs: tuple[TensorSpec, ...] | None = None
    layers: tuple[Layer, ...] = ()
    layers_from: str = ""
    profiles: tuple[str, ...] = ()
    lane_bytes: int | None = None
    parameters: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of layers by precision, the most first.

        What an engine does for itself, such as to change a layout, is of no node and not counted.
        """
        return dict(Counter(layer.precision for layer in self._of_nodes).most_common())

    @property
    def left_in_fp32(self) -> tuple[Layer, ...]:
        """Layers that compute in FP32 though the model is of less."""
        if self.precision not in _LOWERED:
            return ()
        return tuple(layer for layer in self._of_nodes if layer.precision == "fp32")

    @property
    def _of_nodes(self) -> tuple[Layer, ...]:
        return tuple(layer for layer in self.layers if layer.nodes)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            **asdict(self),
            "inputs": _specs(self.inputs),
            "outputs": _specs(self.outputs),
            "counts": self.counts,
            "left_in_fp32": [layer.name for layer in self.left_in_fp32],
        }


def _specs(specs: tuple[TensorSpec, ...] | None) -> list[dict[str, Any]] | None:
    if specs is None:
        return None
    return [{"name": s.name, "dtype": str(s.dtype), "shape": list(s.shape)} for s in specs]
