"""What the tests of TensorRT share: small models, and a cache of their own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import edgert
from edgert.errors import UnavailableError

HAVE_BUILDER = find_spec("tensorrt_rtx_bindings") is not None
needs_builder = pytest.mark.skipif(not HAVE_BUILDER, reason="pip install 'edgert[audit]'")


class Gpus:
    """Stands for `edgert.devices`: GPUs by number, and the numbers whose contexts were entered."""

    def __init__(self, *capabilities: int, name: str = "Orin") -> None:
        self.capabilities = capabilities
        self.name = name
        self.entered: list[int] = []

    def put_in(self, monkeypatch: pytest.MonkeyPatch) -> Gpus:
        from edgert import devices

        state = "ok" if self.capabilities else "libcuda.so.1 not found"
        monkeypatch.setattr(devices, "cuda_state", lambda: state)
        monkeypatch.setattr(devices, "context", self.context)
        return self

    def context(self, ordinal: int) -> _Context:
        if ordinal >= len(self.capabilities):
            raise UnavailableError(f"no such device: {ordinal}")
        return _Context(self, ordinal)


class _Context:
    def __init__(self, gpus: Gpus, ordinal: int) -> None:
        self._gpus, self._ordinal = gpus, ordinal
        self.compute_capability = gpus.capabilities[ordinal]
        self.name = gpus.name

    @property
    def memory(self) -> tuple[int, int]:
        self._gpus.entered.append(self._ordinal)
        return 1 << 30, 1 << 33


def small(path, *, batch: int | str = 1, size: int | None = 16, seed: int = 0, **metadata: str):
    """Writes a network of one convolution with heatmaps for an output, built in a few hundredths of
    a second; gives the path as text."""
    random = np.random.default_rng(seed)
    weights = {
        "w": random.standard_normal((8, 3, 3, 3)).astype(np.float32) / 5,
        "b": random.standard_normal(8).astype(np.float32),
    }
    value = helper.make_tensor_value_info
    sizes = [size, size] if size else ["height", "width"]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "w", "b"], ["h"], "/a/Conv", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["h"], ["y"], "/a/Relu"),
        ],
        "small",
        [value("images", onnx.TensorProto.FLOAT, [batch, 3, *sizes])],
        [value("y", onnx.TensorProto.FLOAT, [batch, 8, *sizes])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    return str(path)


def build(network, cache, **options):
    """Ahead of time, for an Ampere card."""
    return edgert.build(network, compute_capability="8.6", cache=cache, **options)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
