"""From a network to an ONNX file that has been held against it."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from edgert.architectures.cost import Cost, cost_of
from edgert.architectures.hrnet import HRNet
from edgert.architectures.yolov8 import Yolov8
from edgert.atomic import write_atomically
from edgert.engines.onnxruntime import OnnxRuntimeNetwork
from edgert.errors import ModelError

__all__ = ["Exported", "export"]

_OPSET = 17
_TOLERANCE = 1e-4
_BATCHES = (1, 3)  # neither is the traced one: a batch that was frozen shows
_TRACED_BATCH = 2


@dataclass(frozen=True)
class Exported:
    """An ONNX file, verified.

    Attributes:
        path: Where it is.
        output: The shape of its output for one picture.
        difference: The largest between PyTorch and ONNX Runtime, in parts of the value where that
            is over 1, over random inputs of batch 1 and 3.
        cost: What the network costs for one picture.
    """

    path: str
    output: tuple[int, ...]
    difference: float
    cost: Cost

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


def export(
    network: Yolov8 | HRNet, path: str | Path, *, size: tuple[int, int] | None = None
) -> Exported:
    """Write a network as ONNX: opset 17, constants folded, only the batch open.

    Args:
        network: It is put into evaluation mode.
        path: The .onnx file; written once it has been verified.
        size: Input (height, width) in pixels, multiples of 32; None: the network's usual one.

    Raises:
        ValueError: The size is no multiple of 32.
        ModelError: ONNX Runtime's output differs from PyTorch's by more than 1e-4.
        OSError: The file cannot be written.
    """
    size = size or network.shape.size
    if any(side < 32 or side % 32 for side in size):
        raise ValueError(f"size {size[0]} x {size[1]}: expected multiples of 32")
    network.eval().cpu()
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / Path(path).name
        _trace(network, draft, size)
        model = onnx.load(str(draft))
        for key, value in _metadata(network, size).items():
            model.metadata_props.add(key=key, value=value)
        onnx.checker.check_model(model)
        content = model.SerializeToString()
        draft.write_bytes(content)
        output, difference = _verify(network, draft, size)
    write_atomically(path, content)
    return Exported(str(path), output, difference, cost_of(network, size))


def _trace(network: Yolov8 | HRNet, path: Path, size: tuple[int, int]) -> None:
    source, target = ("images", "output0") if isinstance(network, Yolov8) else ("crops", "heatmaps")
    with warnings.catch_warnings():
        # The tracer warns of every size that becomes a constant, which all but the batch should.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(_TRACED_BATCH, 3, *size),),
            str(path),
            input_names=[source],
            output_names=[target],
            dynamic_axes={source: {0: "batch"}, target: {0: "batch"}},
            opset_version=_OPSET,
            do_constant_folding=True,
            # The older exporter: it writes opset 17 itself, and needs no onnxscript.
            dynamo=False,
        )


def _metadata(network: Yolov8 | HRNet, size: tuple[int, int]) -> dict[str, str]:
    found = {"imgsz": str(list(size))}
    if isinstance(network, Yolov8):
        found["names"] = str(dict(enumerate(network.shape.names)))
    elif network.shape.dark_kernel is not None:
        found |= {"edgert.refine": "dark", "edgert.blur_kernel": f"[{network.shape.dark_kernel}]"}
    return found


def _verify(
    network: Yolov8 | HRNet, path: Path, size: tuple[int, int]
) -> tuple[tuple[int, ...], float]:
    runtime, chance = OnnxRuntimeNetwork(path), np.random.default_rng(0)
    shape: tuple[int, ...] = ()
    worst = 0.0
    for batch in _BATCHES:
        feed = chance.random((batch, 3, *size), np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(feed)).numpy()
        (found,) = runtime.infer(feed)
        if found.shape != expected.shape:
            raise ModelError(f"{path.name}: found {found.shape}, PyTorch gives {expected.shape}")
        error = np.abs(found - expected) / np.maximum(1, np.abs(expected))
        worst = max(worst, float(error.max()))
        if not np.isfinite(found).all() or worst > _TOLERANCE:
            raise ModelError(
                f"{path.name}: ONNX Runtime differs from PyTorch by {worst:.1e}, expected "
                f"{_TOLERANCE:.0e} at most; are the weights finite?"
            )
        shape = (1, *found.shape[1:])
    return shape, worst
