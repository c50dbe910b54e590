"""Loading and running engines of TensorRT's: what fits, what does not, and what it takes."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np
import pytest

import edgert
from device_driver import Driver
from edgert.engines.base import DeviceTensor
from edgert.engines.tensorrt_network import TensorRtNetwork
from edgert.errors import EngineMismatchError, ModelError
from fake_gpu import needs_fake_gpu
from tensorrt_runtime_double import double, write_engine

pytestmark = needs_fake_gpu

HEAT = (17, 16, 12)
SIZE = (3, 64, 48)
BUCKETS = [((1, most), most) for most in (1, 2, 4)]


@pytest.fixture
def driver():
    library = ctypes.CDLL(os.environ["EDGERT_LIBCUDA"])
    library.fake_cuda_alive.restype = ctypes.c_long
    yield library
    library.fake_cuda_heal()


@pytest.fixture
def load(model, tmp_path):
    """`load(profiles=...)`: an engine of the pose model, loaded; its world is `.world`."""
    worlds = []

    def make(kind="pose", options=None, broken="", **engine) -> TensorRtNetwork:
        binding, world = double("tensorrt", "10.3.0")
        worlds.append(world)
        world.broken_plan = broken
        path = tmp_path / f"{kind}.engine"
        engine = {"profiles": BUCKETS, **engine}
        network = TensorRtNetwork(
            write_engine(path, model(kind, **(options or {})), **engine), binding=binding
        )
        network.world = world
        return network

    yield make
    assert [world.violations for world in worlds] == [[]] * len(worlds)


def bound(network, driver: Driver, stream, items=4):
    feed = driver.place((items, *SIZE), np.float32, np.zeros((items, *SIZE)))
    output = driver.place((items, *HEAT), np.float32)
    run = network.bind_device(stream.address, feed.tensor, [("heatmaps", output.tensor)])
    return run, feed, output


@pytest.mark.parametrize(
    ("engine", "built", "found"),
    [
        ({"version": "10.13.0.35"}, "TensorRT 10.13.0.35", "TensorRT 10.3.0 on "),
        ({"version": "8.6.2.3"}, "TensorRT 8.6.2.3", "compute capability 8.7"),
        ({"capability": "7.5"}, "TensorRT 10.3.0.30 for compute capability 7.5", "capability 8.7"),
        (
            {"broken": "Serialization (Platform specific tag mismatch detected. TensorRT plan "},
            "TensorRT for another operating system or CPU",
            "TensorRT 10.3.0 on ",
        ),
        (
            {"version": "10.2.0.1", "broken": "Serialization (assertion x == y failed.)"},
            "TensorRT 10.2.0.1",
            "TensorRT 10.3.0 on ",
        ),
    ],
)
def test_an_engine_from_elsewhere(load, engine, built, found):
    with pytest.raises(EngineMismatchError, match=r"pose\.engine: built with .*edgert build") as e:
        load(**engine)
    assert e.value.built_with == built
    assert found in e.value.found


@pytest.mark.parametrize(
    ("engine", "built"),
    [
        ({"version": "1.6.0.9"}, "TensorRT-RTX 1.6.0.9 for compute capability 8.9"),
        ({"capability": "12.0"}, "TensorRT-RTX 1.7.1.116 for compute capability 12.0"),
    ],
)
def test_an_engine_of_rtx_from_elsewhere(model, tmp_path, engine, built):
    """It tells from the first bytes, before anything is loaded."""
    binding, world = double("tensorrt-rtx", "1.7.1.116")
    world.capability = "8.9"
    engine = {"version": "1.7.1.116", "capability": "8.9", **engine}
    path = write_engine(tmp_path / "a.engine", model("pose"), "tensorrt-rtx", **engine)
    world.broken_plan = "deserialised"
    with pytest.raises(EngineMismatchError) as raised:
        TensorRtNetwork(path, binding=binding)
    assert raised.value.built_with == built


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Cuda Runtime (cudaError 2: out of memory)", r"out of memory while loading .* were free"),
        ("Assertion !weights.empty() failed", "Assertion !weights.*may be damaged: build it anew"),
    ],
)
def test_what_tensorrt_says_is_passed_on(load, said, text):
    with pytest.raises(ModelError, match=text) as raised:
        load(broken=said)
    assert not isinstance(raised.value, EngineMismatchError)


def test_the_true_tensorrt_rtx_has_its_say(model, tmp_path):
    """A real engine; the driver is the fake, in which the true runtime finds no CUDA."""
    rtx = pytest.importorskip("tensorrt_rtx_bindings", reason="pip install 'edgert[audit]'")
    built = edgert.build(
        model("pose"), runtime="tensorrt-rtx", compute_capability="8.6", cache=tmp_path
    )
    with pytest.raises(ModelError, match="CUDA driver version is insufficient") as raised:
        TensorRtNetwork(built)
    assert f"TensorRT-RTX {rtx.__version__}" in str(raised.value)


def test_inputs_and_outputs(load):
    network = load()
    assert [str(spec) for spec in network.inputs] == ["images (?, 3, 64, 48) float32"]
    assert [str(spec) for spec in network.outputs] == ["heatmaps (?, 17, 16, 12) float32"]
    assert (network.runtime, network.device) == ("tensorrt", "cuda:0")
    assert network.max_batch == 4


def test_shapes_on_the_host_are_refused(load):
    with pytest.raises(ModelError, match="images is in the host's memory"):
        load(changes={"location": "HOST"})


def test_other_layouts_are_refused(load):
    network = load(changes={"format": "HWC8"})
    with pytest.raises(ModelError, match=r"images \(1, 3, 64, 48\) is laid out with strides"):
        network.infer(np.zeros((1, *SIZE), np.float32))


def test_each_batch_has_the_profile_that_is_at_its_best_there(load):
    network = load(profiles=[((1, 4), 4), ((1, 4), 2), ((1, 4), 1), ((2, 8), 8)])
    driver, stream = Driver(), Driver().stream()
    run, *_ = bound(network, driver, stream, items=8)
    for batch in range(1, 9):
        run(batch)
        run(batch)
    stream.synchronize()
    chosen = [context._profile for context in network.world.contexts]
    assert chosen == [2, 1, 0, 0, 3, 3, 3, 3]
    assert network.max_batch == 8
    del run
    stream.close()


def test_batches_that_it_was_not_built_for(load):
    network = load(profiles=[((2, 4), 4)])
    driver, stream = Driver(), Driver().stream()
    run, *_ = bound(network, driver, stream, items=6)
    for batch in (1, 5):
        with pytest.raises(ModelError, match=rf"a run on {batch} items of 3 x 64 x 48 .*2 x 3 x"):
            run(batch)
    del run
    stream.close()


def test_memory_is_known_before_and_taken_once(load, driver):
    network = load(memory_bytes=100_000)
    assert network.context_bytes == 400_000
    gpu, stream = Driver(), Driver().stream()
    feed = gpu.place((4, *SIZE), np.float32, np.zeros((4, *SIZE)))
    output = gpu.place((4, *HEAT), np.float32)
    before = driver.fake_cuda_alive(b"memory")
    network.infer(np.zeros((4, *SIZE), np.float32))  # what that takes is given back
    network.world.contexts.clear()
    run = network.bind_device(stream.address, feed.tensor, [("heatmaps", output.tensor)])
    for batch in (1, 2, 4):
        run(batch)
    stream.synchronize()
    assert driver.fake_cuda_alive(b"memory") == before + 1
    assert len(network.world.contexts) == 3
    del run
    stream.close()
    assert driver.fake_cuda_alive(b"memory") == before


def test_outputs_that_nobody_wants_have_memory_for_the_largest_batch(load):
    from edgert.engines.tensorrt_contexts import Contexts

    driver, stream = Driver(), Driver().stream()
    feed = driver.place((4, *SIZE), np.float32, np.zeros((4, *SIZE)))
    contexts = Contexts(load()._loaded, stream.address, feed.tensor, {})
    contexts.enqueue(1)
    stream.synchronize()
    assert contexts.own["heatmaps"].shape == (4, *HEAT)
    del contexts
    stream.close()


def test_small_bindings_take_the_memory_of_small_profiles(load):
    from edgert.engines.tensorrt_engine import Loaded

    loaded: Loaded = load(memory_bytes=1000, profiles=[((1, 1), 1), ((2, 8), 8)])._loaded
    assert loaded.memory_bytes((1, *SIZE)) == 1000
    assert loaded.memory_bytes((2, *SIZE)) == 8000


def test_engines_on_one_stream_share_memory_and_others_do_not(load, driver):
    gpu, stream, other = Driver(), Driver().stream(), Driver().stream()
    small, large = load(memory_bytes=1000), load(memory_bytes=5000)
    small.reserve(large.context_bytes)
    made = [bound(network, gpu, stream) for network in (small, large)]
    made.append(bound(small, gpu, other))
    for run, *_ in made:
        run(4)
    stream.synchronize()
    other.synchronize()
    first, elsewhere = (context._memory[0] for context in small.world.contexts)
    (second,) = (context._memory[0] for context in large.world.contexts)
    assert first == second != elsewhere
    for network in (small, large):
        network.world.contexts.clear()
    before = driver.fake_cuda_alive(b"memory")
    del made, run, _
    assert driver.fake_cuda_alive(b"memory") == before - 2 - 3 * 2
    stream.close()
    other.close()


def test_a_larger_engine_on_a_stream_leaves_the_smaller_its_memory(load):
    """What was recorded of the smaller one holds the address."""
    gpu, stream = Driver(), Driver().stream()
    small, large = load(memory_bytes=1000), load(memory_bytes=5000)
    made = [bound(network, gpu, stream) for network in (small, large, small)]
    for run, *_ in made:
        run(4)
    stream.synchronize()
    first, third = (context._memory[0] for context in small.world.contexts)
    (second,) = (context._memory[0] for context in large.world.contexts)
    assert first != second == third
    del made, run, _
    stream.close()


def test_a_device_without_the_memory(load, driver):
    network = load(memory_bytes=5_000_000)
    tensor = DeviceTensor(np.dtype(np.float32), (4, *SIZE), 4096)
    heat = DeviceTensor(np.dtype(np.float32), (4, *HEAT), 4096)
    driver.fake_cuda_fail(b"cuMemAlloc_v2", 1, 2)
    with pytest.raises(ModelError, match=r"needs 20\.0 MB of cuda:0 .*fewer lanes, or build"):
        network.bind_device(1, tensor, [("heatmaps", heat)])


def test_a_run_that_fails_names_the_model_the_batch_and_tensorrts_words(load):
    network = load()
    driver, stream = Driver(), Driver().stream()
    run, *_ = bound(network, driver, stream)
    run(2)
    network.world.failing = "Error Code 1: Cuda Runtime (an illegal address)"
    with pytest.raises(ModelError, match=r"pose\.engine: failed on 2 items: .*an illegal address"):
        run(2)
    network.world.failing = ""
    run(2)
    stream.synchronize()
    del run
    stream.close()


def test_from_host_to_host(load, model):
    network = load()
    feed = np.random.default_rng(0).uniform(0, 1, (3, *SIZE)).astype(np.float32)
    wanted = edgert.Engine(model("pose"), device="cpu")(feed)[0]
    np.testing.assert_allclose(network.infer(feed)[0], wanted, atol=1e-6)
    np.testing.assert_allclose(network.infer(feed[::-1])[0], wanted[::-1], atol=1e-6)
    np.testing.assert_allclose(network.infer(feed[:1])[0], wanted[:1], atol=1e-6)
    output = np.full((3, *HEAT), np.nan, np.float32)
    run = network.bind(feed, {"heatmaps": output})
    run(2)
    np.testing.assert_allclose(output[:2], wanted[:2], atol=1e-6)
    assert np.all(np.isnan(output[2]))
    with pytest.raises(ModelError, match="found float64, expected images"):
        network.infer(feed.astype(np.float64))


def test_a_check_runs_it_once(load, model):
    load().check()
    broken = load(options={"poison": np.nan})
    with pytest.raises(ModelError, match="heatmaps of a grey picture is not finite"):
        broken.check()


def test_notes_of_ultralytics_header_reach_the_model(load):
    network = load(header={"names": {"0": "person", "1": "dog"}, "imgsz": [64, 48]})
    assert network.metadata["names"] == "{0: 'person', 1: 'dog'}"
    assert network.manifest is None


def test_nothing_is_left_of_a_network(load, driver):
    before = driver.fake_cuda_alive(None)
    network = load()
    network.infer(np.zeros((2, *SIZE), np.float32))
    assert driver.fake_cuda_alive(None) > before
    network.world.contexts.clear()
    del network
    assert driver.fake_cuda_alive(None) == before


def test_files_that_are_no_engines(tmp_path):
    (tmp_path / "a.engine").write_bytes(b"no engine at all")
    for path in (tmp_path / "a.engine", Path("missing.engine")):
        with pytest.raises(ModelError, match=str(path)):
            TensorRtNetwork(path)


def test_engines_of_rtx_are_built_to_take_no_memory_of_their_own():
    rtx = pytest.importorskip("tensorrt_rtx_bindings", reason="pip install 'edgert[audit]'")
    from edgert.builds.configure import configure
    from edgert.builds.options import BuildOptions
    from edgert.engines.tensorrt import binding

    bound = binding("tensorrt-rtx")
    builder = rtx.Builder(bound.log.sink)
    config = configure(bound, builder, BuildOptions(compute_capability="8.6"), "fp32", None)
    assert config.get_flag(rtx.BuilderFlag.REQUIRE_USER_ALLOCATION)
