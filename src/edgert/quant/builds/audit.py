"""Whether a model's INT8 survives the builder: planned and built precision, layer by layer.

A model with QuantizeLinear pairs that builds may still run in float: the builder takes the pairs as
rounding to be done, and multiplies as it can. Only its own table of kernels says what it did.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from edgert.builds.builder import produce
from edgert.builds.failures import ParseError
from edgert.builds.options import BuildOptions
from edgert.engines.tensorrt import binding
from edgert.errors import ModelError
from edgert.quant.builds.kernels import Kernel, kernel_of, precision, read_table
from edgert.quant.builds.planned import LAYERS, mismatch, planned_precision, remark, weight_size
from edgert.quant.model.graph import Graph

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["Audit", "Row", "audit"]

_CONVERSIONS = ("QuantizeLinear", "DequantizeLinear", "Cast")
# What the nodes are called while TensorRT has the model: names of any kind come back whole.
_ALIAS = "edgert_node_"


@dataclass(frozen=True, slots=True)
class Row:
    """One layer (Conv, ConvTranspose, Gemm or MatMul).

    Attributes:
        name: The node's name; `Graph` names nodes without one.
        op: Its operator.
        planned: What the file says: "int8" where both inputs come from DequantizeLinear, else the
            float type of its input ("fp32", "fp16", "bf16").
        built: What the kernel that multiplies takes; "none" where no kernel is named for it.
        note: Why they differ, or what else the builder did with it; "" for nothing.
    """

    name: str
    op: str
    planned: str
    built: str
    note: str = ""

    @property
    def matches(self) -> bool:
        """Whether it was built as planned."""
        return self.planned == self.built


@dataclass(frozen=True)
class Audit(Sequence[Row]):
    """The rows, and what else the build says.

    Attributes:
        path: The model.
        rows: One a layer, in the order of execution.
        compute_capability: Of the GPU that was built for.
        builder: Name and version of the builder.
        seconds: Wall time of the build.
        engine_bytes: Size of the engine.
        kernels: Kernels in the engine.
        conversions: Of these, kernels that do nothing but quantize, dequantize or cast: each
            reads and writes a tensor for the sake of its type.
        reformats: Of these, kernels that belong to no node: the builder put them in, to change a
            tensor's layout.
        warnings: What the builder warned of, each once.
    """

    path: str
    rows: tuple[Row, ...]
    compute_capability: str
    builder: str
    seconds: float
    engine_bytes: int
    kernels: int
    conversions: int
    reformats: int
    warnings: tuple[str, ...]

    @property
    def mismatches(self) -> tuple[Row, ...]:
        """The layers that were not built as planned."""
        return tuple(row for row in self.rows if not row.matches)

    @property
    def float32(self) -> tuple[Row, ...]:
        """The layers that run in FP32."""
        return tuple(row for row in self.rows if row.built == "fp32")

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        """A row, or some."""
        return self.rows[index]

    def __len__(self) -> int:
        """Number of layers."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        """The rows."""
        return iter(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON; each row with `matches`."""
        rows = [{**asdict(row), "matches": row.matches} for row in self.rows]
        return {**asdict(self), "rows": rows, "mismatches": len(self.mismatches)}


def audit(
    path: str | Path,
    compute_capability: str = "8.6",
    *,
    batch: int = 1,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Audit:
    """Build a model for a GPU, which need not be here, and compare what was built with the file.

    The builder is TensorRT-RTX's, whose ahead-of-time mode runs on any CPU. Its choice of kernels
    is its own: TensorRT on a Jetson may choose others. Layers inside If and Loop are not looked at.

    Args:
        path: The .onnx file.
        compute_capability: Of the GPU: "8.6" stands nearest to Jetson Orin's 8.7, which this
            builder does not know.
        batch: The largest batch of inputs whose first size is open.
        shapes: By name, the shape of inputs with other open sizes.

    Returns:
        A sequence of rows, one a layer, with more about the build.

    Raises:
        UnavailableError: The builder or onnx is not installed; the text has the pip command.
        ModelError: The model cannot be read, or the builder does not accept it: names the node,
            the builder's words and the fix.
        ValueError: The builder does not know the compute capability.
    """
    graph = Graph.load(path)
    # They import onnx, of whose absence Graph has told in edgert's words.
    from edgert.quant.model.files import save
    from edgert.quant.model.opset import skeleton
    from edgert.quant.model.precision import element_types

    bound = binding("tensorrt-rtx")
    options = BuildOptions(compute_capability=compute_capability, shapes=shapes or {})
    types = element_types(skeleton(graph.model))
    names: dict[str, str] = {}
    for index, node in enumerate(graph.nodes):
        alias = f"{_ALIAS}{index}"
        names[alias], node.name = node.name, alias
    with tempfile.TemporaryDirectory(prefix="edgert-audit-") as folder:
        file = Path(folder) / "model.onnx"
        save(graph.model, file)
        try:
            built = produce(file, bound, options, batches=(batch,))
        except ParseError as error:
            name, said = names.get(error.node, error.node), _named(error.said, names)
            raise ParseError(path, bound.title, name, error.op, said) from error
        except ModelError as error:
            raise ModelError(_named(str(error), names).replace(str(file), str(path))) from error
    kernels = read_table(built.table)
    ops = {node.name: node.op_type for node in graph.nodes}
    rows = []
    computing = set()
    for node in graph.nodes:
        if node.op_type in LAYERS:
            kernel = kernel_of(kernels, node.name, weight_size(graph, node))
            computing.add(kernel)
            rows.append(_row(graph, types, node, names[node.name], kernel))
    return Audit(
        path=str(path),
        rows=tuple(rows),
        compute_capability=compute_capability,
        builder=bound.title,
        seconds=built.seconds,
        engine_bytes=built.nbytes,
        kernels=len(kernels),
        conversions=sum(
            kernel not in computing
            and bool(kernel.nodes)
            and all(ops.get(name) in (*_CONVERSIONS, *LAYERS) for name in kernel.nodes)
            for kernel in kernels
        ),
        reformats=sum(not kernel.nodes for kernel in kernels),
        warnings=tuple(_named(text, names) for text in built.warnings),
    )


def _row(
    graph: Graph, types: dict[str, int], node: NodeProto, name: str, kernel: Kernel | None
) -> Row:
    planned = planned_precision(graph, types, node)
    built = "none" if kernel is None else precision(kernel, weight_size(graph, node))
    if planned != built or kernel is None:
        note = mismatch(graph, node, planned, kernel)
    else:
        note = remark(graph, node, built, kernel)
    return Row(name, node.op_type, planned, built, note)


def _named(text: str, names: Mapping[str, str]) -> str:
    """TensorRT's words with the model's own names."""
    return re.sub(rf"{_ALIAS}\d+", lambda found: names.get(found[0], found[0]), text)
