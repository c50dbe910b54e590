"""ONNX Runtime on an NVIDIA GPU: its work on a stream of edgert's, over edgert's memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edgert.engines.base import Array, DeviceTensor, Run
from edgert.engines.device_binding import check_memory, items_of_run
from edgert.engines.onnxruntime import (
    OnnxRuntimeNetwork,
    enqueue_options,
    open_session,
    preload_cuda,
    quiet_cuda,
)
from edgert.errors import ModelError, UnavailableError

__all__ = ["OnnxRuntimeCudaNetwork"]


class OnnxRuntimeCudaNetwork:
    """An ONNX model in ONNX Runtime's CUDA provider.

    A session's work goes to one stream and uses one arena of memory: each binding has sessions of
    its own, so that the frames of two lanes can run side by side. And it has one for each size of
    batch: a session keeps cuDNN's plans for the last shape alone, and with the plans before them
    goes the code that a recorded graph of another size still runs. So each lane holds the weights
    once a size.

    Args:
        path: The .onnx file, float32 or float16.
        ordinal: Number of the GPU.
        threads: Threads within an operator, of those that have no kernel on the GPU.
        tf32: Let the GPU multiply FP32 in TF32, with 10 bits of each factor, where it can.

    Raises:
        ModelError: The file is missing or is no ONNX model.
        UnavailableError: The provider cannot be loaded; the text says why.
    """

    runtime = "onnxruntime"

    def __init__(
        self,
        path: str | Path,
        *,
        ordinal: int = 0,
        threads: int | None = None,
        tf32: bool = True,
    ) -> None:
        self.path = str(path)
        self.device = f"cuda:{ordinal}"
        self._ordinal = ordinal
        self._threads = threads
        self._tf32 = tf32
        preload_cuda()
        self._on_host: OnnxRuntimeNetwork | None = None
        found = self._from_host()
        self.inputs, self.outputs, self.metadata = found.inputs, found.outputs, found.metadata

    def infer(self, feed: Array) -> list[Array]:
        """Run once on a whole input array; returns all outputs as new arrays."""
        return self._from_host().infer(feed)

    def bind(self, feed: Array, outputs: Mapping[str, Array]) -> Run:
        """See `Network.bind`; ONNX Runtime copies to and from the GPU."""
        return self._from_host().bind(feed, outputs)

    def bind_device(
        self, stream: int, feed: DeviceTensor, outputs: Sequence[tuple[str, DeviceTensor]]
    ) -> Run:
        """See `DeviceNetwork.bind_device`."""
        check_memory(self, feed, outputs)
        self._on_host = None  # it was for looking at the model: its memory is wanted elsewhere
        providers = self._providers({"user_compute_stream": str(stream)})
        options = enqueue_options()
        tensors = [(self.inputs[0].name, feed), *outputs]
        enqueue: dict[int, Callable[[], None]] = {}

        def session_for(items: int) -> Callable[[], None]:
            session = open_session(self.path, self._threads, providers)
            bound = session.io_binding()
            for name, tensor in tensors:
                bind = bound.bind_input if tensor is feed else bound.bind_output
                shape = (items, *tensor.shape[1:])
                bind(name, "cuda", self._ordinal, tensor.dtype.type, shape, tensor.address)
            return partial(session.run_with_iobinding, bound, options)

        def run(batch: int) -> None:
            items = items_of_run(self, feed, batch)
            if items not in enqueue:
                enqueue[items] = session_for(items)
            try:
                enqueue[items]()
            except Exception as error:
                raise ModelError(f"{self.path}: failed on {items} items: {error}") from error

        return run

    def _from_host(self) -> OnnxRuntimeNetwork:
        if self._on_host is None:
            made = OnnxRuntimeNetwork(
                self.path, threads=self._threads, providers=self._providers({})
            )
            if made.providers[0] != "CUDAExecutionProvider":
                raise UnavailableError(
                    f"{self.device}: ONNX Runtime could not load its CUDA provider and fell back "
                    f"to the CPU, most often because CUDA's or cuDNN's libraries are missing or of "
                    f"another version; pip install 'onnxruntime-gpu[cuda,cudnn]' brings those that "
                    f"it was built with"
                )
            quiet_cuda()
            self._on_host = made
        return self._on_host

    def _providers(self, options: dict[str, str]) -> list[str | tuple[str, dict[str, Any]]]:
        chosen = {
            "device_id": str(self._ordinal),
            # Memory that the shapes need and no more: a lane's shapes are known from its warm-up.
            "arena_extend_strategy": "kSameAsRequested",
            "cudnn_conv_algo_search": "HEURISTIC",
            "use_tf32": "1" if self._tf32 else "0",
            **options,
        }
        return [("CUDAExecutionProvider", chosen), "CPUExecutionProvider"]
