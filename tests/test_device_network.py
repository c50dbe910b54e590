"""What `DeviceNetwork` promises, the same for every runtime.

The fake driver stands in for a GPU where there is none, with TensorRT's classes doubled. On a real
one `EDGERT_LIBCUDA=libcuda.so.1 pytest tests/test_device_network.py` runs the same tests on ONNX
Runtime's CUDA provider, TensorRT and TensorRT-RTX, whichever are there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from device_driver import Driver, Placed, Stream, is_fake
from edgert.engines.base import DeviceNetwork, DeviceTensor
from edgert.engines.onnxruntime import OnnxRuntimeNetwork
from edgert.errors import ModelError
from fake_gpu import needs_gpu

pytestmark = needs_gpu

SIZE = (64, 48)
MOST = 4
BATCHES = [1, 2, 4]


@dataclass(frozen=True)
class Maker:
    """How a network is made of an .onnx file here; `missing` says why it cannot be."""

    missing: Callable[[], str]
    make: Callable[[Path], DeviceNetwork]


def host_missing() -> str:
    return "" if is_fake() else "works on the fake driver alone"


def host_network(path: Path) -> DeviceNetwork:
    from host_network import HostNetwork

    return HostNetwork(path)


def cuda_missing() -> str:
    from edgert import backends

    if is_fake():
        return "the fake driver runs no kernels of others"
    found = backends()
    return next((found[key] for key in ("cuda:0", "onnxruntime:cuda") if found[key] != "ok"), "")


def cuda_network(path: Path) -> DeviceNetwork:
    from edgert.engines.onnxruntime_cuda import OnnxRuntimeCudaNetwork

    return OnnxRuntimeCudaNetwork(path)


def doubled(runtime: str, version: str, capability: str) -> Callable[[Path], DeviceNetwork]:
    """TensorRT's classes over the fake driver; what they were wrongly asked fails the test."""

    def make(path: Path) -> DeviceNetwork:
        from edgert.engines.tensorrt_network import TensorRtNetwork
        from tensorrt_runtime_double import double, write_engine

        binding, world = double(runtime, version)
        world.capability = capability
        worlds.append(world)
        plan = version if runtime == "tensorrt-rtx" else version + ".30"
        buckets = [((1, most), most) for most in BATCHES]
        engine = write_engine(
            path.with_suffix(f".{runtime}.engine"), path, runtime, plan, buckets, capability
        )
        return TensorRtNetwork(engine, binding=binding)

    return make


def real_missing(runtime: str) -> Callable[[], str]:
    def missing() -> str:
        from edgert.availability import choose
        from edgert.errors import UnavailableError

        if is_fake():
            return "TensorRT itself needs a real GPU"
        try:
            choose(runtime, "cuda:0")
        except UnavailableError as error:
            return str(error)
        return ""

    return missing


def real(runtime: str) -> Callable[[Path], DeviceNetwork]:
    def make(path: Path) -> DeviceNetwork:
        import edgert
        from edgert.engines.tensorrt_network import TensorRtNetwork

        output = path.with_suffix(f".real.{runtime}.engine")
        built = edgert.build(path, runtime=runtime, max_batch=MOST, output=output, cache=False)
        return TensorRtNetwork(built)

    return make


worlds: list = []


@pytest.fixture(autouse=True)
def _nothing_that_tensorrt_forbids() -> Iterator[None]:
    worlds.clear()
    yield
    assert [world.violations for world in worlds] == [[]] * len(worlds)


MAKERS = {
    "host": Maker(host_missing, host_network),
    "tensorrt-double": Maker(host_missing, doubled("tensorrt", "10.3.0", "8.7")),
    "tensorrt-rtx-double": Maker(host_missing, doubled("tensorrt-rtx", "1.7.1.116", "8.9")),
    "tensorrt": Maker(real_missing("tensorrt"), real("tensorrt")),
    "tensorrt-rtx": Maker(real_missing("tensorrt-rtx"), real("tensorrt-rtx")),
    "onnxruntime-cuda": Maker(cuda_missing, cuda_network),
}


@pytest.fixture(params=MAKERS)
def make(request) -> Callable[[Path], DeviceNetwork]:
    maker = MAKERS[request.param]
    reason = maker.missing()
    if reason:
        pytest.skip(reason)
    return maker.make


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def stream(driver) -> Iterator[Stream]:
    made = driver.stream()
    yield made
    made.close()


@pytest.fixture
def other_stream(driver) -> Iterator[Stream]:
    made = driver.stream()
    yield made
    made.close()


def pictures(count: int, dtype=np.float32, seed: int = 0) -> np.ndarray:
    """No two alike: each is brighter than the one before."""
    rng = np.random.default_rng(seed)
    brightness = (np.arange(count) + 1).reshape(-1, 1, 1, 1) / count
    return (rng.uniform(0.2, 1, (count, 3, *SIZE)) * brightness).astype(dtype)


class Bound:
    """A network tied to poisoned memory for `MOST` items, and what it should put there."""

    def __init__(self, driver, stream, network, path, items=MOST, seed=0, wanted=None) -> None:
        spec = network.inputs[0]
        self._oracle = OnnxRuntimeNetwork(path, threads=1)
        self._names = [output.name for output in network.outputs]
        self._tolerance = 5e-3 if spec.dtype == np.float16 else 2e-3  # of TF32 and half precision
        self.items = items
        self.stream = stream
        self.given = pictures(items, spec.dtype, seed)
        self.feed: Placed = driver.place(self.given.shape, spec.dtype, self.given)
        shapes = {
            name: array.shape[1:]
            for name, array in zip(self._names, self._oracle.infer(self.given), strict=True)
        }
        self.outputs: dict[str, Placed] = {
            output.name: driver.place((items, *shapes[output.name]), output.dtype)
            for output in network.outputs
            if wanted is None or output.name in wanted
        }
        placed = [(name, output.tensor) for name, output in self.outputs.items()]
        self.run = network.bind_device(stream.address, self.feed.tensor, placed)

    def warm(self, *batches: int) -> None:
        """As the pipeline does: a runtime chooses its kernels in its first runs."""
        for batch in batches or BATCHES:
            self.run(batch)
            self.run(batch)
        self.stream.synchronize()
        self.poison()

    def poison(self) -> None:
        for output in self.outputs.values():
            output.poison()

    def write(self, seed: int) -> None:
        self.given = pictures(self.items, self.given.dtype, seed)
        self.feed.write(self.given)

    def untouched(self) -> bool:
        return all(output.untouched() for output in self.outputs.values())

    def check(self, batch: int) -> None:
        """The first `batch` items are right, and nothing is written to the others."""
        np.testing.assert_array_equal(self.feed.read(), self.given)
        wanted = dict(zip(self._names, self._oracle.infer(self.given), strict=True))
        for name, output in self.outputs.items():
            assert output.untouched(batch), f"{name}: written beyond the batch"
            found = output.read()[:batch]
            assert np.all(np.isfinite(found)), f"{name}: not wholly written"
            np.testing.assert_allclose(
                found, wanted[name][:batch], rtol=self._tolerance, atol=self._tolerance
            )


@pytest.fixture
def poses(model) -> Path:
    return model("pose", size=SIZE, offsets=(0.25, -0.5))


def test_it_is_a_device_network(make, poses):
    network = make(poses)
    assert isinstance(network, DeviceNetwork)
    assert network.device == "cuda:0"
    assert [spec.name for spec in network.inputs] == ["images"]
    assert [spec.name for spec in network.outputs] == ["heatmaps", "offsets"]
    assert network.inputs[0].shape == (None, 3, *SIZE)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("batch", BATCHES)
def test_a_run_gives_what_infer_gives(make, driver, stream, model, dtype, batch):
    path = model("pose", size=SIZE, dtype=dtype)
    network = make(path)
    assert network.inputs[0].dtype == dtype
    bound = Bound(driver, stream, network, path)
    bound.run(batch)
    stream.synchronize()
    bound.check(batch)
    inferred = network.infer(bound.given[:batch])[0]
    assert inferred.dtype == dtype
    tolerance = 5e-3 if dtype == np.float16 else 1e-3
    found = bound.outputs["heatmaps"].read()[:batch]
    np.testing.assert_allclose(found, inferred, rtol=tolerance, atol=tolerance)


def test_batches_one_after_another(make, driver, stream, poses):
    bound = Bound(driver, stream, make(poses), poses)
    for seed, batch in enumerate([4, 1, 2, 1, 4]):
        bound.poison()
        bound.write(seed)
        bound.run(batch)
        stream.synchronize()
        bound.check(batch)


def test_a_fixed_batch_runs_on_all(make, driver, stream, model):
    path = model("pose", size=SIZE, batch=3)
    network = make(path)
    assert network.inputs[0].shape[0] == 3
    bound = Bound(driver, stream, network, path, items=3)
    for batch in (3, 1):
        bound.poison()
        bound.run(batch)
        stream.synchronize()
        bound.check(3)


def test_memory_is_used_where_it_is_when_the_stream_is_that_far(make, driver, stream, poses):
    """A run enqueues and returns: nothing is read, written or waited for before its turn."""
    bound = Bound(driver, stream, make(poses), poses)
    bound.warm()
    gate = stream.gate()
    bound.run(4)
    assert bound.untouched()
    bound.write(seed=7)
    gate.open()
    stream.synchronize()
    assert not gate.gave_way, "the run waited for its stream"
    bound.check(4)


def test_two_bindings_on_two_streams_meet_nowhere(make, driver, stream, other_stream, poses):
    network = make(poses)
    one = Bound(driver, stream, network, poses, seed=1)
    other = Bound(driver, other_stream, network, poses, seed=2)
    one.warm()
    other.warm()
    gate = stream.gate()
    one.run(4)
    other.run(2)
    other_stream.synchronize()
    assert not gate.gave_way, "a run waited for the stream of another binding"
    other.check(2)
    assert one.untouched()
    gate.open()
    stream.synchronize()
    one.check(4)
    other.check(2)


def test_bindings_are_made_and_run_in_threads(make, driver, poses):
    """The lanes of a pipeline warm up side by side."""
    network = make(poses)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            driver.make_current()
            stream = driver.stream()
            bound = Bound(driver, stream, network, poses, seed=seed)
            bound.warm()
            for batch in (1, 4, 2) * 3:
                bound.poison()
                bound.run(batch)
                stream.synchronize()
                bound.check(batch)
            del bound  # a runtime lets go of its stream before the stream goes
            stream.close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_a_recorded_run_follows_what_its_memory_holds(make, driver, stream, poses):
    bound = Bound(driver, stream, make(poses), poses)
    bound.warm()
    graphs = {batch: stream.record(lambda batch=batch: bound.run(batch)) for batch in BATCHES}
    assert bound.untouched(), "recording ran the work"
    for seed, batch in enumerate([4, 1, 2, 4], start=1):
        bound.poison()
        bound.write(seed)
        graphs[batch].replay()
        stream.synchronize()
        bound.check(batch)
    bound.poison()
    bound.run(2)  # still works beside what is recorded
    stream.synchronize()
    bound.check(2)
    for graph in graphs.values():
        graph.close()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_recorded_run_outlives_runs_in_other_sizes(make, driver, stream, model, dtype):
    """A runtime that makes itself at home in another size may throw out what a graph still runs."""
    path = model("pose", size=SIZE, dtype=dtype)
    bound = Bound(driver, stream, make(path), path)
    bound.warm()
    graphs = {}
    for batch in BATCHES:
        graphs[batch] = stream.record(lambda batch=batch: bound.run(batch))
        for other in BATCHES:
            bound.run(other)
    stream.synchronize()
    for seed, batch in enumerate([1, 4, 2], start=1):
        bound.poison()
        bound.write(seed)
        graphs[batch].replay()
        stream.synchronize()
        bound.check(batch)
    for graph in graphs.values():
        graph.close()


def test_one_of_two_outputs_is_enough(make, driver, stream, poses):
    for name in ("heatmaps", "offsets"):
        bound = Bound(driver, stream, make(poses), poses, wanted=[name])
        bound.run(4)
        stream.synchronize()
        bound.check(4)


def tensors(driver, network, **changes):
    feed = driver.place((MOST, 3, *SIZE), np.float32)
    output = driver.place((MOST, 17, SIZE[0] // 4, SIZE[1] // 4), np.float32)
    given = {"name": "heatmaps", "feed": feed.tensor, "output": output.tensor, **changes}
    return given["feed"], [(given["name"], given["output"])]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "features"}, "has no output 'features'; it has heatmaps, offsets"),
        (
            {"feed": DeviceTensor(np.dtype(np.float16), (MOST, 3, *SIZE), 4096)},
            r"found memory of \(4, 3, 64, 48\) float16 for images, expected that of images "
            r"\(\?, 3, 64, 48\) float32",
        ),
        (
            {"feed": DeviceTensor(np.dtype(np.float32), (MOST, 3, 32, 48), 4096)},
            r"found memory of \(4, 3, 32, 48\)",
        ),
        (
            {"output": DeviceTensor(np.dtype(np.float32), (2, 17, 16, 12), 4096)},
            r"found memory of \(2, 17, 16, 12\) float32 for heatmaps, .* with 4 items",
        ),
        (
            {"output": DeviceTensor(np.dtype(np.float32), (MOST, 17, 16), 4096)},
            r"found memory of \(4, 17, 16\) float32 for heatmaps",
        ),
        ({"feed": DeviceTensor(np.dtype(np.float32), (MOST, 3, *SIZE))}, "no address .* images"),
    ],
)
def test_memory_that_is_not_the_models_is_refused(make, driver, stream, poses, changes, text):
    network = make(poses)
    feed, outputs = tensors(driver, network, **changes)
    with pytest.raises(ModelError, match=text) as raised:
        network.bind_device(stream.address, feed, outputs)
    assert network.path in str(raised.value)


@pytest.mark.parametrize("batch", [0, MOST + 1])
def test_a_batch_that_the_memory_does_not_hold_is_refused(make, driver, stream, poses, batch):
    network = make(poses)
    bound = Bound(driver, stream, network, poses)
    with pytest.raises(ModelError, match=f"a run on {batch} items .* holds 1 to 4") as raised:
        bound.run(batch)
    assert network.path in str(raised.value)
    stream.synchronize()
    assert bound.untouched()
