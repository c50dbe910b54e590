"""What TensorRT says when it fails, with the node and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgert.engines.tensorrt import Binding, Record
from edgert.errors import ModelError, UnavailableError

if TYPE_CHECKING:
    from edgert.engines.tensorrt import trt

__all__ = ["ADD_SWAP", "ParseError", "build_error", "parse_error", "start_error"]

# TensorRT's words about a node -> the fix.
_NODE_FIXES = (
    ("shiftIsAllZeros", "its zero point is not 0; quantize symmetrically (int8, zero point 0)"),
    ("must all be positive", "a scale is 0 or negative, as that of a dead channel; make it 2**-14"),
    ("has type Int32 but must have", "it is a quantized bias; leave biases in float"),
    ("must be of same type", "its inputs differ in type; add a Cast (quant.half.to_half does)"),
    ("Plugin not found", "TensorRT has no such operator; export the model without it"),
    ("UNSUPPORTED_NODE", "TensorRT has no such operator; export the model without it"),
)

ADD_SWAP = (
    "sudo fallocate -l 8G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && "
    "sudo swapon /swapfile"
)
_MEMORY = (
    "memory ran out while building: lower the workspace (workspace_bytes=, --workspace), the "
    "optimisation level (optimization_level=2, --optimization-level 2) or the largest batch, close "
    f"other programs, and on a Jetson add swap: {ADD_SWAP}"
)
_WORKSPACE = (
    "no kernel fits: raise the workspace (workspace_bytes=, --workspace) where one is set, and the "
    "optimisation level where it is below 3"
)
_CAPABILITY = (
    "this GPU's compute capability is older or newer than this TensorRT builds for; its release "
    "notes' support matrix names the versions that do"
)
_DRIVER = (
    "the driver is older than the CUDA that this TensorRT is made for, or there is none: update "
    "it, or install the TensorRT of this JetPack (sudo apt install tensorrt)"
)
_LEAN = (
    "a version-compatible engine carries the lean runtime, which is not here: pip install "
    "tensorrt-lean, or sudo apt install libnvinfer-lean10"
)
_DLA = "the DLA cannot do this model, not even with GPU fallback; build without dla_core"
# Its words about the whole -> the fix, the most specific first.
_FIXES = (
    (("OutOfMemory", "ut of memory", "MEM_ALLOC", "bad_alloc", "amount of GPU memory"), _MEMORY),
    (("nsupported SM", "SM is not supported", "not supported by this version", "no kernel image",
      "Target GPU SM"), _CAPABILITY),
    (("driver version is insufficient", "CUDA initialization failure", "no CUDA-capable"), _DRIVER),
    (("any implementation for node", "nsufficient workspace", "insufficient memory"), _WORKSPACE),
    (("nvinfer_lean",), _LEAN),
    (("DLA",), _DLA),
)  # fmt: skip


class ParseError(ModelError):
    """TensorRT does not accept a node of the model.

    Attributes:
        node: The node's name.
        op: Its operator.
        said: TensorRT's own words.
    """

    def __init__(self, path: str | Path, title: str, node: str, op: str, said: str) -> None:
        fix = next((f": {fix}" for words, fix in _NODE_FIXES if words in said), "")
        super().__init__(f"{path}: {title} does not accept {op} {node!r}{fix}. Its words: {said}")
        self.node = node
        self.op = op
        self.said = said


def parse_error(path: str | Path, bound: Binding, parser: trt.OnnxParser) -> ModelError:
    """Why a model was not read: the first node that was refused, or that it is no model."""
    if not parser.num_errors:
        return ModelError(f"{path}: not a model that {bound.title} can read")
    error = parser.get_error(0)
    said = f"{error.code().name}: {error.desc()}"
    if parser.num_errors > 1:
        said += f" (and {parser.num_errors - 1} more)"
    if not error.node_operator():
        return ModelError(f"{path}: {bound.title} cannot read it. Its words: {said}")
    return ParseError(path, bound.title, error.node_name(), error.node_operator(), said)


def build_error(path: str | Path, bound: Binding, log: Record) -> ModelError:
    """Why no engine came out."""
    said = log.said("INTERNAL_ERROR", "ERROR") or "nothing"
    return ModelError(f"{path}: {bound.title} cannot build it{_fix(said)}. Its words: {said}")


def start_error(bound: Binding, log: Record) -> UnavailableError:
    """Why there is no builder at all."""
    said = log.said("INTERNAL_ERROR", "ERROR", "WARNING") or "nothing"
    return UnavailableError(f"{bound.title} does not start{_fix(said)}. Its words: {said}")


def _fix(said: str) -> str:
    found = (fix for words, fix in _FIXES if any(word in said for word in words))
    return next((f": {fix}" for fix in found), "")
