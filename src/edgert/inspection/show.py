"""An inspection as text."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from edgert.builds.layers import Layer
from edgert.engines.base import TensorSpec
from edgert.engines.tensorrt import TITLES
from edgert.inspection.inspection import Inspection

__all__ = ["show"]

_FORMATS = {"onnx": "ONNX model", **{name: f"{title} engine" for name, title in TITLES.items()}}
_UNKNOWN = "not known here"
# Notes such as a list of 80 names are cut: the JSON report has them whole.
_NOTE_LENGTH = 56
_MOST_LEFT = 20


def show(found: Inspection, *, every: bool = False) -> None:
    """Print an inspection.

    Args:
        found: What is known.
        every: Print every layer, not only those that were left in FP32.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"{found.path}: {_FORMATS[found.format]}, {found.file_bytes / 1e6:.1f} MB")
    for name, value in _rows(found):
        console.print(f"  {name:<18} {value}")
    if every and found.layers:
        console.print(_table(found.layers), soft_wrap=False)
    elif found.left_in_fp32:
        left = found.left_in_fp32
        more = f", the first {_MOST_LEFT} of {len(left)}" if len(left) > _MOST_LEFT else ""
        console.print(f"\nleft in FP32{more}:")
        console.print(_table(left[:_MOST_LEFT]), soft_wrap=False)
    if found.metadata:
        console.print()
    for name, value in _notes(found):
        console.print(f"  {name:<18} {value}")
    for remark in found.remarks:
        console.print(f"note: {remark}")


def _rows(found: Inspection) -> Iterable[tuple[str, str]]:
    yield from _tensors("inputs", found.inputs)
    yield from _tensors("outputs", found.outputs)
    yield "precision", found.precision or _UNKNOWN
    yield "layers", _layers(found)
    for index, profile in enumerate(found.profiles):
        yield "profiles" if index == 0 else "", profile
    if found.lane_bytes is not None:
        yield "memory a lane", f"{found.lane_bytes / 1e6:.1f} MB between the layers"
    if found.parameters is not None:
        yield "parameters", f"{found.parameters / 1e6:.2f} million"
    yield from found.facts.items()


def _notes(found: Inspection) -> Iterable[tuple[str, str]]:
    for index, (key, value) in enumerate(found.metadata.items()):
        text = " ".join(value.split())
        cut = text if len(text) <= _NOTE_LENGTH else text[:_NOTE_LENGTH] + " ..."
        yield "notes" if index == 0 else "", f"{key}: {cut}"


def _tensors(name: str, specs: tuple[TensorSpec, ...] | None) -> Iterable[tuple[str, str]]:
    if specs is None:
        yield name, _UNKNOWN
        return
    for index, spec in enumerate(specs):
        yield name if index == 0 else "", str(spec)


def _layers(found: Inspection) -> str:
    if not found.layers:
        return _UNKNOWN
    counts = ", ".join(f"{count} {name}" for name, count in found.counts.items())
    own = len(found.layers) - sum(found.counts.values())
    more = f"; {own} of the engine's own" if own else ""
    return f"{counts}{more} (from {found.layers_from})"


def _table(layers: Iterable[Layer]) -> Table:
    table = Table("layer", "kind", "precision", "output", box=None, pad_edge=False)
    for layer in layers:
        name, others = (layer.nodes or (layer.name,))[0], len(layer.nodes) - 1
        if others > 0:
            name += f" and {others} more"
        table.add_row(name, layer.kind, layer.precision, "; ".join(map(str, layer.outputs)))
    return table
