"""The kernels of a built engine, read from the builder's own table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgert.errors import ModelError

__all__ = ["Kernel", "Value", "kernel_of", "precision", "read_table"]

_LINE = re.compile(
    r"Name: (?P<name>.*), LayerType: (?P<kind>\w+), Inputs: \[(?P<inputs>.*)\], "
    r"Constants: \[(?P<constants>.*)\], Outputs: \[(?P<outputs>.*)\], TacticName: .*?"
    r"Metadata: (?P<metadata>.*)"
)
_VALUE = re.compile(r"\{ Name: .*?, Dimensions: \[([-\d,]*)\].*?, Datatype: (\w+)")
_NODE = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
# Kernels that compute nothing: they order the streams.
_ORDER = ("signal", "wait")
# Kernels that multiply matrices; "kgen" is code generated for anything else, small products too.
_PRODUCTS = ("correlation", "deconv", "gemm")
_PRECISIONS = {"Float": "fp32", "Half": "fp16", "BFloat16": "bf16", "Int8": "int8"}


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the engine: its shape, -1 for an open size; its type in TensorRT's words."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Number of elements; an open size counts as 1."""
        return abs(math.prod(self.shape))


@dataclass(frozen=True, slots=True)
class Kernel:
    """One line of the table.

    Attributes:
        name: The builder's.
        kind: The builder's: "correlation", "gemm", "kgen" (generated code) and so on.
        inputs: What it reads that other kernels wrote.
        constants: What it reads from the engine.
        outputs: What it writes.
        nodes: Names of the nodes of the model that it computes, or parts of them.
    """

    name: str
    kind: str
    inputs: tuple[Value, ...]
    constants: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: tuple[str, ...]


def read_table(text: str) -> tuple[Kernel, ...]:
    """Read the table that TensorRT-RTX logs under "Layers:" with detailed profiling verbosity.

    Args:
        text: The table. Names of nodes in it hold no bracket, which is the caller's part to see to.

    Raises:
        ModelError: It is not of the form that this version of edgert knows.
    """
    kernels = []
    for line in text.split("\n"):
        if line.startswith(("Engine Metadata", "I/O Tensors")):
            break
        if not line.startswith("Name: "):
            continue
        found = _LINE.fullmatch(line)
        if found is None or len(_VALUE.findall(line)) != line.count("{ Name: "):
            raise ModelError(
                f"the builder's table of kernels has a line that edgert does not know: "
                f"{line[:200]!r}; expected TensorRT-RTX 1.7's form"
            )
        if found["kind"] not in _ORDER:
            kernels.append(
                Kernel(
                    found["name"],
                    found["kind"],
                    _values(found["inputs"]),
                    _values(found["constants"]),
                    _values(found["outputs"]),
                    tuple(_NODE.findall(found["metadata"])),
                )
            )
    if not kernels:
        raise ModelError("the builder logged no table of kernels, expected TensorRT-RTX 1.7's form")
    return tuple(kernels)


def kernel_of(kernels: Sequence[Kernel], node: str, weight_size: int) -> Kernel | None:
    """The kernel that does a layer's multiplications.

    Several kernels may name the layer, since its bias, scales and padding may be done elsewhere.

    Args:
        kernels: The engine's.
        node: The layer's name.
        weight_size: Number of its weights; 0 where it multiplies two tensors.

    Returns:
        The kernel, or None where no kernel names the layer.
    """

    def fitness(kernel: Kernel) -> tuple[bool, bool, bool]:
        product = kernel.kind in _PRODUCTS
        weights = kernel.constants + (kernel.inputs[1:] if product else ())
        return _weights(weights, weight_size) is not None, product, kernel.kind != "kgen"

    return max((k for k in kernels if node in k.nodes), key=fitness, default=None)


def precision(kernel: Kernel, weight_size: int) -> str:
    """What a layer's kernel multiplies in: "int8", "fp16", "bf16", "fp32"; "unknown" without input.

    INT8 needs both factors in INT8: weights alone are turned into floats before they are used.
    """
    inputs = [value.dtype for value in kernel.inputs]
    weight = _weights(kernel.constants, weight_size) or _weights(kernel.inputs[1:], weight_size)
    if weight is None:
        factors = inputs[:2]
    elif weight.dtype == "Int8":
        factors = ["Int8"] if "Int8" in inputs else inputs
    else:
        factors = [weight.dtype]
    if not factors:
        return "unknown"
    chosen = next((dtype for dtype in factors if dtype != "Int8"), "Int8")
    return _PRECISIONS.get(chosen, chosen.lower())


def _weights(values: Sequence[Value], size: int) -> Value | None:
    """What can be a layer's weights, which the builder may have padded."""
    fitting = (v for v in values if size and v.size >= size and len(v.shape) > 1)
    return min(fitting, key=lambda value: value.size, default=None)


def _values(text: str) -> tuple[Value, ...]:
    return tuple(
        Value(tuple(int(size) for size in shape.split(",") if size), dtype)
        for shape, dtype in _VALUE.findall(text)
    )
