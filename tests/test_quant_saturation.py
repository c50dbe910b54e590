"""Tensors that reach the end of their own Clip: no loss, and the same whatever comes first."""

from __future__ import annotations

import itertools
import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import quant_models
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import CalibrationError
from edgert.quant.images.data import CalibrationData
from edgert.quant.model.graph import Graph
from edgert.quant.statistics import collect as collection
from edgert.quant.statistics import crew
from edgert.quant.statistics.collect import collect as collect_planned
from edgert.quant.statistics.saturation import clip_ends
from edgert.quant.statistics.stats import CalibrationStats, TensorStats
from edgert.quant.thresholds.solve import candidates, solve

import flow_models
import solver_oracle as oracle
from cases import how_many
from same_counts import same_tensor

pytestmark = pytest.mark.filterwarnings("ignore::edgert.errors.CalibrationWarning")

END = 0.75
TENSORS = ("images", "r0", "r1", "r2")


def collect(path: Path, images: list, **options) -> CalibrationStats:
    """Of `r2` too, which only the head reads: no plan wants it."""
    return collect_planned(path, images, tensors=TENSORS, **options)


@pytest.fixture
def clipped(tmp_path: Path) -> Path:
    """A detector with Clip(0, 0.75) between its convolutions; `r2` reaches its end in no image."""
    made = onnx.load(str(flow_models.detector(tmp_path / "relu.onnx", relu=True)))
    ends = {"r0": END, "r1": END, "r2": 100.0}
    for node in made.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Clip"
            node.input.extend(["low", f"{node.output[0]}.high"])
    values = {"low": 0.0, **{f"{name}.high": end for name, end in ends.items()}}
    made.graph.initializer.extend(
        numpy_helper.from_array(np.float32(value), name) for name, value in values.items()
    )
    path = tmp_path / "clipped.onnx"
    onnx.save(made, str(path))
    return path


@pytest.fixture
def pictures() -> list[np.ndarray]:
    """Dark ones, and a bright one that saturates."""
    random = np.random.default_rng(3)
    tops = (2, 3, 255, 4, 2)
    return [random.integers(0, top, (64, 64, 3)).astype(np.uint8) for top in tops]


def counted(path: Path, images, monkeypatch, **options) -> CalibrationStats:
    """With a histogram of every tensor, saturated or not."""
    with monkeypatch.context() as patched:
        patched.setattr(collection, "clip_ends", lambda graph, tensors: {})
        return collect_planned(path, images, **options)


def share_at_end(path: Path, image: np.ndarray, tensor: str, end: float) -> float:
    (item,) = CalibrationData(path, [image])
    (values,) = OnnxRuntimeGraph(path, outputs=[tensor]).run({"images": item.tensor})
    return float(np.mean(values >= end))


def test_one_image_is_enough_and_it_may_be_any_of_them(clipped, pictures, monkeypatch) -> None:
    shares = [share_at_end(clipped, image, "r0", END) for image in pictures]
    assert [share > 1e-4 for share in shares] == [False, False, True, False, False]
    everything = counted(clipped, pictures, monkeypatch, tensors=TENSORS)
    results = []
    for order, threads in itertools.product(
        ([0, 1, 2, 3, 4], [2, 0, 1, 3, 4], [4, 3, 1, 0, 2]), (1, 2)
    ):
        results.append(collect(clipped, [pictures[i] for i in order], threads=threads))
    first = results[0]
    assert all(other == first for other in results)
    saturated = {name for name, tensor in first.tensors.items() if tensor.saturated}
    assert saturated == {"r0", "r1"}
    for name, tensor in first.tensors.items():
        if name in saturated:
            assert (tensor.minimum, tensor.maximum, tensor.nonfinite) == (0.0, END, 0)
            assert everything.tensors[name].maximum == END
        else:
            assert tensor == everything.tensors[name]
            assert tensor.counts.sum() > 0


def test_dark_images_alone_are_counted_like_any(clipped, pictures, monkeypatch) -> None:
    dark = pictures[:2] + pictures[3:]
    assert collect(clipped, dark) == counted(clipped, dark, monkeypatch, tensors=TENSORS)


def test_a_value_in_ten_thousand_is_what_it_takes(clipped, pictures, monkeypatch) -> None:
    another = np.ascontiguousarray(pictures[2][::-1])
    share = max(share_at_end(clipped, each, "r0", END) for each in (pictures[2], another))
    # Of one image: two that have not enough each have not enough together.
    for limit, expected in ((0.99 * share, True), (share, False)):
        monkeypatch.setattr("edgert.quant.statistics.saturation._SHARE", limit)
        stats = collect(clipped, [*pictures, another], threads=1)
        assert stats.tensors["r0"].saturated == expected


def test_what_is_saturated_is_read_no_more(clipped, pictures, monkeypatch) -> None:
    opened = []

    class Spied(OnnxRuntimeGraph):
        def __init__(self, model, *, outputs, **options) -> None:
            opened.append(set(outputs))
            super().__init__(model, outputs=outputs, **options)

    monkeypatch.setattr(crew, "OnnxRuntimeGraph", Spied)
    images = [pictures[i] for i in (2, 0, 1)]
    narrowed = collect_planned(clipped, images, threads=1, tensors=TENSORS[1:])
    assert opened == [{"r0", "r1", "r2"}, {"r2"}]
    # Where they are less than half of what is read, a new session is not worth its time.
    opened.clear()
    whole = collect(clipped, images, threads=1)
    assert opened == [{"r0", "r1", "r2"}]
    assert all(narrowed.tensors[name] == whole.tensors[name] for name in TENSORS[1:])


def test_parts_merge_to_the_whole(clipped, pictures) -> None:
    whole = collect(clipped, pictures)
    dark, bright = collect(clipped, pictures[:2]), collect(clipped, pictures[2:])
    assert dark.merge(bright) == whole == bright.merge(dark)


def test_a_cache_remembers_it(clipped, pictures, tmp_path, monkeypatch) -> None:
    cache = tmp_path / "c.npz"
    part = collect(clipped, pictures[:3], cache=cache)
    assert CalibrationStats.load(cache) == part
    opened = []
    open_graph = crew.Crew._graph
    monkeypatch.setattr(
        crew.Crew, "_graph", lambda *given: opened.append(set(given[1])) or open_graph(*given)
    )
    assert collect(clipped, pictures, cache=cache) == collect(clipped, pictures)
    assert opened[0].isdisjoint({"r0", "r1"})
    content = cache.read_bytes()
    monkeypatch.setattr("edgert.quant.statistics.stats._VERSION", 1)
    with pytest.raises(CalibrationError, match=r"found .* 2\), expected .* 1\)"):
        CalibrationStats.load(cache)
    assert cache.read_bytes() == content


def test_which_clips_end_where(tmp_path) -> None:
    for opset in (8, 17):
        graph = Graph(quant_models.depthwise(opset))
        assert clip_ends(graph, ["a", "b", "images", "output"]) == {"b": (0.0, 6.0)}
        assert clip_ends(graph, ["a"]) == {}


@pytest.mark.parametrize(
    ("limits", "more"),
    [
        ((-1.0, 6.0), None),
        ((0.0, np.inf), None),
        ((None, 6.0), None),
        ((0.0, None), None),
        ((0.0, 6.0), "output"),
        ((0.0, 6.0), "Sigmoid"),
        ((0.0, 6.0), "measured limit"),
    ],
)
def test_other_clips_are_counted(limits, more) -> None:
    """Negative or open ends, and where another operator could be joined with the Clip."""
    net = quant_models.Net()
    x = net.conv("images", 3, 16, to="stem")
    ends = ["" if limit is None else net.constant(limit) for limit in limits]
    if more == "measured limit":
        ends[1] = net.add("ReduceMax", x, keepdims=0)
    x = net.add("Clip", x, *ends, to="b")
    y = net.relu(net.conv(x, 16, 16, to="after"), to="c")
    if more == "Sigmoid":
        y = net.add("Mul", y, net.add("Sigmoid", x))
    net.head(y, 16)
    made = net.model()
    if more == "output":
        made.graph.output.append(helper.make_tensor_value_info("b", 1, [1, 16, 16, 16]))
    assert clip_ends(Graph(made), ["b"]) == {}


def statistics(**tensors: TensorStats) -> CalibrationStats:
    return replace(CalibrationStats.empty([], "m", "p"), tensors=tensors)


def test_its_threshold_is_its_end_by_every_method() -> None:
    values = oracle.draw("long tail")
    stats = statistics(clip=TensorStats.of_clip(0.0, 6.0), x=oracle.histogram(values))
    for scales in candidates(stats, unsigned=["clip"]).values():
        assert (scales.thresholds["clip"], scales.methods["clip"]) == (6.0, "clip")
        assert scales.methods["x"] == scales.method
    alone = solve(statistics(x=oracle.histogram(values)), "entropy")
    assert solve(stats, "entropy").thresholds["x"] == alone.thresholds["x"]
    named = solve(stats, "mse", overrides={"clip": 5.0})
    assert (named.thresholds["clip"], named.methods["clip"]) == (5.0, "fixed 5")
    asked = solve(stats, "mse", overrides={"clip": "minmax"})
    assert asked.thresholds["clip"] == 6.0


@pytest.mark.parametrize("largest", [2.0, 40.0])
def test_a_group_reaches_as_far_as_the_clip_at_least(largest: float) -> None:
    values = np.linspace(0, largest, 1000)
    stats = statistics(clip=TensorStats.of_clip(0.0, 6.0), x=oracle.histogram(values))
    scales = solve(stats, "minmax", groups=[("clip", "x")])
    assert {*scales.thresholds.values()} == {max(6.0, largest)}
    assert {*scales.methods.values()} == {"clip" if largest < 6 else "minmax"}


def test_real_clips_lose_nothing(asset, monkeypatch) -> None:
    """By the default method the thresholds of a pose network are those of all values."""
    path = asset("models/pose_heatmap_384x288.onnx")
    people = asset("coco/person_keypoints_train2017.json")
    files = sorted(asset("coco/images").iterdir())[: how_many(6, 2)]
    data = CalibrationData(path, files, annotations=people)
    everything, found = counted(path, data, monkeypatch), collect_planned(path, data)
    saturated = {name for name, tensor in found.tensors.items() if tensor.saturated}
    assert len(saturated) == 35
    for name in set(found.tensors) - saturated:
        assert same_tensor(found.tensors[name], everything.tensors[name])
    # On Arm a value or two of a hundred thousand is counted in the bin beside, 1/128 of an octave.
    near = 0.01 if platform.machine() == "aarch64" else 1e-12
    assert solve(found).thresholds == pytest.approx(solve(everything).thresholds, rel=near)
