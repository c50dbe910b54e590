"""A model with what edgert has to know about it beyond its graph."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgert.engines.base import Array, Network, SharesMemory, TensorSpec
from edgert.engines.load import Providers, Wanted, load
from edgert.errors import ModelError

__all__ = ["Engine"]


class Engine:
    """A loaded model, to give to `Pipeline` where a path does not say enough.

    What is None comes from the model's metadata (`edgert.mean`, `edgert.std`, `edgert.padding`,
    `edgert.cells`, `edgert.refine`, `edgert.offsets`, `names`, `imgsz`, `kpt_shape`), else from the
    usual convention of its kind. docs/models.md lists the keys.

    Args:
        path: An .onnx file, an engine of TensorRT's (.engine, .plan), or what `build` returned.
        runtime: "onnxruntime", "tensorrt", "tensorrt-rtx", or "auto": TensorRT where it and a GPU
            are here, else ONNX Runtime. An .onnx file is built for TensorRT once, and kept.
        device: "cpu", "cuda:0" or "auto".
        precision: What an .onnx file is built with for TensorRT: "fp32", "fp16", "int8", or "auto",
            which is as the file says. On a GPU "fp32" is exact; "auto" leaves a runtime its way,
            which is to multiply FP32 in TF32 where the GPU can.
        threads: Threads within an operator of the network; None: all cores.
        providers: ONNX Runtime execution providers in order of preference, instead of `device`.
        size: Network input (height, width), for models that leave it open.
        mean: Per channel (RGB), of values in [0, 1].
        std: Likewise.
        padding: Pose networks: how much larger than its box a person's crop is.
        cells: Pose networks: which pixel a heatmap cell stands for, "corner" or "center".
        refine: Pose networks: how a peak is refined between cells, "none", "quarter" or "dark".
        max_batch: Pose networks with open batch: people per run at most. None: 8 on the CPU, 16 on
            a GPU, or what an engine was built for.
        fallback: Where an engine cannot be loaded or its first run fails, take the FP16 one that
            was built beside it, with a warning.

    Attributes:
        why: Why "auto" took the runtime and the device that it took; empty where they were named.

    Raises:
        ModelError: The file cannot be loaded, or has no single image input (N, 3, H, W).
        UnavailableError: The runtime or device asked for is not here; `backends()` says why.
        ValueError: A parameter is out of its range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        runtime: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        providers: Providers | None = None,
        size: tuple[int, int] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        padding: float | None = None,
        cells: str | None = None,
        refine: str | None = None,
        max_batch: int | None = None,
        fallback: bool = False,
    ) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}, expected at least 1, or None for all cores")
        if max_batch is not None and max_batch < 1:
            raise ValueError(f"max_batch is {max_batch}, expected at least 1")
        self.network: Network
        self.network, self.why = load(
            Path(path), Wanted(runtime, device, precision, threads, providers, max_batch, fallback)
        )
        self.size = size
        self.mean = mean
        self.std = std
        self.padding = padding
        self.cells = cells
        self.refine = refine
        self.max_batch = _max_batch(self.network, max_batch)
        _check_input(self.network)

    @property
    def path(self) -> str:
        """The file that the model came from."""
        return self.network.path

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The model's inputs: name, dtype, shape."""
        return self.network.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """The model's outputs: name, dtype, shape."""
        return self.network.outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        """The model's own key-value notes."""
        return self.network.metadata

    @property
    def precision(self) -> str | None:
        """What it computes in: "fp32", "fp16" or "int8"; None of an engine that does not say."""
        if hasattr(self.network, "precision"):
            found: str | None = self.network.precision
            return found
        return {"float32": "fp32", "float16": "fp16"}[str(self.inputs[0].dtype)]

    @property
    def lane_bytes(self) -> int | None:
        """Device memory that each lane takes for what lies between the layers.

        None where the runtime does not tell before it runs.
        """
        return self.network.context_bytes if isinstance(self.network, SharesMemory) else None

    def __call__(self, feed: Array) -> list[Array]:
        """Run the network once.

        Args:
            feed: (N, 3, H, W) of the input's dtype.

        Returns:
            All outputs, as new arrays, in the model's order.
        """
        return self.network.infer(feed)

    def __repr__(self) -> str:
        memory = "" if self.lane_bytes is None else f"; {self.lane_bytes / 1e6:.1f} MB a lane"
        return (
            f"Engine({Path(self.path).name!r}, {self.network.runtime} on {self.network.device}: "
            f"{'; '.join(map(str, self.inputs))} -> {'; '.join(map(str, self.outputs))}{memory})"
        )


def _max_batch(network: Network, wanted: int | None) -> int:
    most: int | None = getattr(network, "max_batch", None)
    if wanted is not None and most is not None and wanted > most:
        raise ModelError(
            f"{network.path}: max_batch {wanted} was asked for, but the engine was built for at "
            f"most {most}; build it anew with edgert build --max-batch {wanted}"
        )
    return wanted or min(8 if network.device == "cpu" else 16, most or 16)


def _check_input(network: Network) -> None:
    found = "; ".join(map(str, network.inputs))
    first = network.inputs[0]
    if len(network.inputs) != 1 or len(first.shape) != 4:
        raise ModelError(f"{network.path}: expected one image input (N, 3, H, W), found {found}")
    if first.shape[1] not in (3, None):
        if first.shape[3] == 3:
            raise ModelError(
                f"{network.path}: input {found} has its channels last, expected (N, 3, H, W); "
                f"export the model in NCHW layout"
            )
        raise ModelError(f"{network.path}: expected 3 input channels (RGB), found {found}")
    if first.dtype.kind != "f" or first.dtype.itemsize > 4:
        raise ModelError(f"{network.path}: expected a float32 or float16 input, found {found}")
