"""The GPU pipeline on the driver of tests/fake: the same people as on the CPU, whatever fails."""

from __future__ import annotations

import ctypes
import os

import numpy as np
import pytest

import edgert
from fake_gpu import needs_fake_gpu

pytestmark = needs_fake_gpu


@pytest.fixture
def driver():
    """The fake, whole again after a test that broke it."""
    library = ctypes.CDLL(os.environ["EDGERT_LIBCUDA"])
    library.fake_cuda_alive.restype = ctypes.c_long
    yield library
    library.fake_cuda_heal()


def frames(count, people=2, size=(120, 160)):
    """Bright people who walk to the right."""
    made = []
    for index in range(count):
        image = np.full((*size, 3), 40, np.uint8)
        for person in range(people):
            left = 6 + (person * 37 + 2 * index) % (size[1] - 30)
            image[20 + 5 * person : 90 + 3 * person, left : left + 18] = 220 - 10 * person
        made.append(image)
    return made


def assert_same(found, wanted, tolerance=1e-3):
    assert found.ids.tolist() == wanted.ids.tolist()
    assert found.frame_index == wanted.frame_index
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=tolerance)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5)
    if wanted.keypoints is None:
        assert found.keypoints is None
    else:
        np.testing.assert_allclose(found.keypoints, wanted.keypoints, atol=tolerance)
        np.testing.assert_allclose(found.keypoint_scores, wanted.keypoint_scores, atol=1e-5)


def run_both(model, source, *, lanes=2, graphs=True, capturable=True, pose=True, **options):
    from host_network import host_engine

    detector, poses = model("detector", **options.pop("detector", {})), model("pose")
    options = {"classes": None, "lanes": lanes, **options}
    with edgert.Pipeline(detector, pose=poses if pose else None, device="cpu", **options) as pipe:
        wanted = list(pipe.run(source))
    gpu = edgert.Pipeline(
        host_engine(detector, capturable=capturable),
        pose=host_engine(poses, capturable=capturable) if pose else None,
        graphs=graphs,
        **options,
    )
    with gpu:
        found = list(gpu.run(source))
        text, stats = repr(gpu), gpu.stats()
    assert any(len(result) for result in wanted)
    for one, other in zip(found, wanted, strict=True):
        assert_same(one, other)
    return text, stats


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("graphs", [True, False])
def test_same_people_as_on_the_cpu(model, lanes, graphs):
    text, stats = run_both(model, frames(12), lanes=lanes, graphs=graphs)
    assert ("replayed as graphs" in text) == graphs
    assert stats["stages"]["upload"]["count"] == 12
    assert stats["stages"]["track"]["count"] == 12


def test_stages_on_the_device_are_timed_in_one_frame_of_sixteen(model):
    _, stats = run_both(model, frames(36), lanes=1)
    stages = stats["stages"]
    for name in ("preprocess", "detect", "boxes", "crop", "pose", "keypoints"):
        assert stages[name]["count"] == 3, name
    for name in ("upload", "track", "host", "total"):
        assert stages[name]["count"] == 36, name


def test_more_people_than_a_batch_holds(model):
    run_both(model, frames(6, people=4), untracked=True, tracker=None, score_threshold=0.2)


def test_a_network_that_cannot_be_recorded_is_enqueued_and_repr_says_so(model):
    text, _ = run_both(model, frames(6), capturable=False)
    assert "enqueued step by step, since detector: " in text
    assert "the stream cannot be waited for" in text


def test_frames_of_other_sizes_need_no_new_recording(model):
    sizes = [(120, 160), (200, 90), (64, 64), (121, 163)]
    source = [frames(1, size=sizes[i % 4])[0] for i in range(12)]
    run_both(model, source, tracker=None)


def test_views_of_any_strides(model):
    source = frames(8)
    views = [
        source[0][:, ::-1],
        source[1][::-1],
        np.dstack([source[2], source[2][..., :1]])[..., :3],
        source[3][..., ::-1],
        np.asfortranarray(source[4]),
        source[5][10:110, 20:150],
    ]
    run_both(model, views, tracker=None)


def test_detector_alone(model):
    run_both(model, frames(6), pose=False)
    run_both(model, frames(6), pose=False, detector={"classes": 1, "joints": 17})


def test_half_precision(model):
    from host_network import host_engine

    detector, poses = model("detector", dtype=np.float16), model("pose", dtype=np.float16)
    with edgert.Pipeline(detector, pose=poses, device="cpu", classes=None) as pipe:
        wanted = list(pipe.run(frames(6)))
    with edgert.Pipeline(host_engine(detector), pose=host_engine(poses), classes=None) as pipe:
        for one, other in zip(pipe.run(frames(6)), wanted, strict=True):
            assert_same(one, other)


class OnDevice:
    """An array in the fake's device memory, as a library would hand it out."""

    def __init__(self, array, *, stream=None):
        from edgert.devices import context

        gpu = context(0)
        self.array = gpu.empty(array.shape, array.dtype)
        gpu.copy_from(self.array, np.ascontiguousarray(array))
        self.shape, self.dtype = array.shape, array.dtype
        self.__cuda_array_interface__ = {**self.array.__cuda_array_interface__, "stream": stream}


@pytest.mark.parametrize("protocol", ["dlpack", "interface"])
def test_frames_on_the_device_are_used_where_they_are(model, protocol):
    from host_network import host_engine

    detector, poses = model("detector"), model("pose")
    source = frames(5)
    with edgert.Pipeline(detector, pose=poses, device="cpu", classes=None) as pipe:
        wanted = list(pipe.run(source))
    held = [OnDevice(frame) for frame in source]
    given = [item.array if protocol == "dlpack" else item for item in held]
    with edgert.Pipeline(host_engine(detector), pose=host_engine(poses), classes=None) as pipe:
        for one, other in zip(pipe.run(given), wanted, strict=True):
            assert_same(one, other)
        assert "upload" not in pipe.stats()["stages"]


def test_a_frame_on_the_gpu_is_refused_by_a_cpu_pipeline(model):
    with (
        edgert.Pipeline(model("detector"), device="cpu", classes=None) as pipe,
        pytest.raises(ValueError, match="on cuda:0, but the pipeline works on the CPU"),
    ):
        pipe(OnDevice(frames(1)[0]).array)


def test_networks_on_two_devices_are_refused(model):
    from host_network import host_engine

    with pytest.raises(ValueError, match="all networks of a pipeline on one device"):
        edgert.Pipeline(host_engine(model("detector")), pose=model("pose"), device="cpu")


@pytest.mark.parametrize(
    ("function", "status", "text"),
    [
        ("cuMemAlloc_v2", 2, "CUDA_ERROR_OUT_OF_MEMORY"),
        ("cuStreamCreate", 2, "CUDA_ERROR_OUT_OF_MEMORY"),
    ],
)
def test_what_fails_while_it_is_made_is_an_error_and_leaves_nothing(
    model, driver, function, status, text
):
    from host_network import host_engine

    detector = host_engine(model("detector"))
    before = driver.fake_cuda_alive(None)
    driver.fake_cuda_fail(function.encode(), 1, status)
    with pytest.raises(RuntimeError, match=text):
        edgert.Pipeline(detector, classes=None)
    driver.fake_cuda_heal()
    assert driver.fake_cuda_alive(None) == before


@pytest.mark.parametrize(
    "function", ["cuGraphLaunch", "cuMemcpyHtoDAsync_v2", "cuEventRecordWithFlags"]
)
def test_a_failed_launch_fails_its_frame_only(model, driver, function):
    from host_network import host_engine

    source = frames(4)
    pipe = edgert.Pipeline(
        host_engine(model("detector")), pose=host_engine(model("pose")), classes=None, lanes=1
    )
    with pipe:
        pipe(source[0])
        driver.fake_cuda_fail(function.encode(), 1, 1)
        with pytest.raises(RuntimeError, match="CUDA_ERROR_INVALID_VALUE"):
            pipe(source[1])
        driver.fake_cuda_heal()
        assert len(pipe(source[2])) > 0


def test_a_lost_device_fails_every_frame_and_close_works(model, driver):
    from host_network import host_engine

    pipe = edgert.Pipeline(host_engine(model("detector")), classes=None)
    pipe(frames(1)[0])
    driver.fake_cuda_fail(b"execute", 1, 719)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="CUDA_ERROR_LAUNCH_FAILED"):
            pipe(frames(1)[0])
    driver.fake_cuda_heal()
    pipe.close()


def test_a_runtime_that_raises_while_it_is_recorded_is_an_error_of_its_frame(model):
    from host_network import host_engine

    engine = host_engine(model("detector"))
    with edgert.Pipeline(engine, classes=None) as pipe:
        engine.network.failing = RuntimeError("the runtime broke")
        with pytest.raises(RuntimeError, match="the runtime broke"):
            pipe(frames(1)[0])
        engine.network.failing = None
        assert len(pipe(frames(1)[0])) > 0


def test_nothing_is_left_on_the_device(model, driver):
    from host_network import host_engine

    before = driver.fake_cuda_alive(None)
    pipe = edgert.Pipeline(
        host_engine(model("detector")), pose=host_engine(model("pose")), classes=None, lanes=4
    )
    list(pipe.run(frames(9)))
    assert driver.fake_cuda_alive(None) > before
    pipe.close()
    assert driver.fake_cuda_alive(None) == before


@pytest.mark.parametrize(("precision", "tf32"), [("auto", "1"), ("fp32", "0")])
def test_fp32_that_is_asked_for_is_not_tf32(model, monkeypatch, precision, tf32):
    from edgert.availability import Choice
    from edgert.engines import load, onnxruntime_cuda

    asked = []

    def open_session(path, threads, providers):
        asked.append(providers[0][1]["use_tf32"])
        raise edgert.UnavailableError("enough")

    monkeypatch.setattr(load, "choose", lambda runtime, device: Choice("onnxruntime", device, ""))
    monkeypatch.setattr(onnxruntime_cuda, "preload_cuda", lambda: None)
    monkeypatch.setattr(
        onnxruntime_cuda,
        "OnnxRuntimeNetwork",
        lambda path, threads, providers: open_session(path, threads, providers),
    )
    with pytest.raises(edgert.UnavailableError, match="enough"):
        edgert.Engine(model("detector"), device="cuda:0", precision=precision)
    assert asked == [tf32]
