"""Writing the quantized model: one ONNX file for the runtime that it is for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from edgert._core import __version__
from edgert.quant.model.files import save
from edgert.quant.model.graph import Graph, require_onnx
from edgert.quant.model.naming import matching
from edgert.quant.rewrite.plan import Plan
from edgert.quant.rewrite.rounding import Method, Rounding
from edgert.quant.thresholds.scales import Scales

__all__ = ["write", "write_half"]

_OPSET = 17


def write(
    model: str | Path,
    scales: Scales,
    plan: Plan,
    path: str | Path,
    *,
    weights: Method | Rounding = "minmax",
) -> None:
    """Write a model with explicit quantization.

    - "tensorrt": INT8 and FP16, strongly typed, opset 19; inputs and outputs stay FP32.
    - "portable": INT8 and FP32, opset 17, zero point 0: weakly typed TensorRT 10, and ONNX Runtime,
      which has no fast kernel for it on x86.
    - "onnxruntime": INT8 and FP32, opset 17, unsigned activations with pairs on outputs too.

    Args:
        model: The float model that plan and scales were made for.
        scales: From `solve`.
        plan: From `Plan.default` or `search`.
        path: The .onnx file; written whole or not at all.
        weights: How weights are rounded: a method, or a `Rounding` with corrected biases.

    Raises:
        KeyError: A tensor of the plan has no scale.
        ModelError: The model cannot be read, or the file not be written.
    """
    require_onnx()
    from edgert.quant.model.half import to_half
    from edgert.quant.model.opset import raise_opset
    from edgert.quant.rewrite.insert import insert_pairs

    rounding = Rounding.of(weights)
    graph = Graph.load(model)
    graph = Graph(raise_opset(graph.model, _OPSET), graph.path)
    made = insert_pairs(graph, scales, plan, rounding)
    if plan.profile == "tensorrt":
        made = to_half(made)
    _note(made, "edgert.precision", "int8+fp16" if plan.profile == "tensorrt" else "int8+fp32")
    content = {
        "edgert": __version__,
        "profile": plan.profile,
        "method": scales.method,
        "weights": rounding.method,
        "corrected_biases": len(rounding.shifts),
        "layers": len(plan.layers),
        "int8": len(plan.quantized),
        "kept": dict(plan.kept),
    }
    _note(made, "edgert.quantization", json.dumps(content))
    save(made, path)


def write_half(model: str | Path, path: str | Path, *, keep: Sequence[str] = ()) -> None:
    """Write a model in FP16, inputs and outputs in FP32: what INT8 is compared with on a device.

    Args:
        model: The float model.
        path: The .onnx file; written whole or not at all.
        keep: Nodes to keep in FP32 besides those of which `to_half` tells: names, or regular
            expressions that are searched for in the names.

    Raises:
        ModelError: The model cannot be read, or the file not be written.
        ValueError: `keep` names no node.
    """
    require_onnx()
    from edgert.quant.model.half import to_half

    graph = Graph.load(model)
    known = [node.name for node in graph.nodes]
    kept = {node for name in keep for node in matching(name, known, f"{graph.path}: no node")}
    made = to_half(graph.model, keep_float=kept)
    _note(made, "edgert.precision", "fp16")
    save(made, path)


def _note(model: object, key: str, value: str) -> None:
    entries = model.metadata_props  # type: ignore[attr-defined]
    for entry in [entry for entry in entries if entry.key == key]:
        entries.remove(entry)
    entries.add(key=key, value=value)
