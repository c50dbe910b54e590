"""How ONNX Runtime's CUDA provider is used; what it computes is in test_device_network.py."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgert.engines import onnxruntime_cuda
from edgert.engines.base import DeviceTensor
from edgert.engines.onnxruntime import OnnxRuntimeNetwork
from edgert.errors import UnavailableError

ROOM = 4


class Session:
    """Takes note of what it is run on, as a session whose plans are for its last shape alone."""

    def __init__(self, options) -> None:
        self.stream = options["user_compute_stream"]
        self.shapes: list[tuple[int, ...]] = []

    def io_binding(self):
        return Binding()

    def run_with_iobinding(self, binding, options) -> None:
        self.shapes.append(binding.shapes["images"])
        assert {shape[0] for shape in binding.shapes.values()} == {self.shapes[-1][0]}


class Binding:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}

    def bind_input(self, name, device, ordinal, dtype, shape, address) -> None:
        self.shapes[name] = shape

    bind_output = bind_input


@pytest.fixture
def sessions(monkeypatch) -> list[Session]:
    made: list[Session] = []

    def open_session(path, threads, providers) -> Session:
        made.append(Session(providers[0][1]))
        return made[-1]

    class OnHost(OnnxRuntimeNetwork):
        def __init__(self, path, **options) -> None:
            super().__init__(path)
            self.providers = ["CUDAExecutionProvider"]

    monkeypatch.setattr(onnxruntime_cuda, "open_session", open_session)
    monkeypatch.setattr(onnxruntime_cuda, "OnnxRuntimeNetwork", OnHost)
    for name in ("preload_cuda", "quiet_cuda"):
        monkeypatch.setattr(onnxruntime_cuda, name, lambda: None)
    return made


def bind(path, stream, batch=ROOM):
    network = onnxruntime_cuda.OnnxRuntimeCudaNetwork(path)
    feed = DeviceTensor(np.dtype(np.float32), (batch, 3, 64, 48), 4096)
    heatmaps = DeviceTensor(np.dtype(np.float32), (batch, 17, 16, 12), 8192)
    return network.bind_device(stream, feed, [("heatmaps", heatmaps)])


def test_a_session_sees_one_size(sessions, model):
    """Run in another one it throws out the kernels that a recorded graph of the first still runs:
    CUDA_ERROR_ILLEGAL_INSTRUCTION where people come back to a number that was there before.
    """
    run = bind(model("pose", size=(64, 48)), stream=1)
    for batch in itertools.chain((4, 4, 1, 2, 4, 3, 1), range(1, ROOM + 1)):
        run(batch)
    assert [len(set(session.shapes)) for session in sessions] == [1] * ROOM
    assert sum(len(session.shapes) for session in sessions) == 7 + ROOM


def test_a_fixed_batch_has_one_session(sessions, model):
    run = bind(model("pose", size=(64, 48), batch=3), stream=1, batch=3)
    for batch in (1, 3, 2):
        run(batch)
    assert [session.shapes for session in sessions] == [[(3, 3, 64, 48)] * 3]


def test_streams_share_no_session(sessions, model):
    path = model("pose", size=(64, 48))
    for stream in (1, 2):
        bind(path, stream)(2)
    assert [session.stream for session in sessions] == ["1", "2"]


def test_errors_are_told_until_the_provider_is_there(model, monkeypatch):
    """A missing library is named in the log alone; "no execution plans" is no failure."""
    levels = []
    monkeypatch.setattr("onnxruntime.set_default_logger_severity", levels.append)
    monkeypatch.setattr(
        "onnxruntime.preload_dlls", lambda: levels.append("libraries"), raising=False
    )

    class OnHost(OnnxRuntimeNetwork):
        def __init__(self, path, **options) -> None:
            super().__init__(path)
            levels.append("session")
            self.providers = providers

    monkeypatch.setattr(onnxruntime_cuda, "OnnxRuntimeNetwork", OnHost)
    providers = ["CPUExecutionProvider"]
    with pytest.raises(UnavailableError, match="could not load its CUDA provider"):
        onnxruntime_cuda.OnnxRuntimeCudaNetwork(model("pose", size=(64, 48)))
    assert levels == [3, "libraries", "session"]
    providers = ["CUDAExecutionProvider"]
    onnxruntime_cuda.OnnxRuntimeCudaNetwork(model("pose", size=(64, 48)))
    assert levels[3:] == [3, "libraries", "session", 4]
