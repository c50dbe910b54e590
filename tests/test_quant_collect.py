"""Collection: exact counts, the same whatever the order, batch, threads or interruptions."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgert import _core, num_threads, set_num_threads
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import CalibrationError, CalibrationWarning, DamagedInputWarning, ModelError
from edgert.quant.images.data import CalibrationData
from edgert.quant.rewrite.plan import Plan
from edgert.quant.statistics.collect import collect as collect_planned
from edgert.quant.statistics.stats import CalibrationStats
from edgert.quant.statistics.tensorrt_cache import read_tensorrt_cache, write_tensorrt_cache

from cases import how_many
from same_counts import same_counts

pytestmark = pytest.mark.filterwarnings("ignore::edgert.errors.CalibrationWarning")


def counted(values: np.ndarray) -> tuple[np.ndarray, float, float, int]:
    """The same by NumPy alone."""
    with np.errstate(invalid="ignore"):  # Arm says so of a signalling NaN that is widened
        flat = np.asarray(values, np.float32).ravel()
    finite = flat[np.isfinite(flat)]
    bins = (finite.view(np.uint32) & 0x7FFFFFFF) >> 16
    low = float(finite.min()) if finite.size else np.inf
    high = float(finite.max()) if finite.size else -np.inf
    return np.bincount(bins, minlength=32768), low, high, flat.size - finite.size


def check(tallies: _core.Histograms, index: int, values: np.ndarray) -> None:
    counts, low, high, nonfinite = counted(values)
    np.testing.assert_array_equal(tallies.counts[index], counts)
    found = (tallies.minima[index], tallies.maxima[index], tallies.nonfinite[index])
    assert found == (np.float32(low), np.float32(high), nonfinite)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    hnp.arrays(
        np.uint32, st.integers(0, 5000), elements=st.integers(0, 2**32 - 1), fill=st.nothing()
    )
)
def test_every_bit_pattern_is_counted(bits: np.ndarray) -> None:
    tallies = _core.Histograms(2)
    halves = bits.astype(np.uint16).view(np.float16)
    tallies.add([bits.view(np.float32), halves])
    check(tallies, 0, bits.view(np.float32))
    check(tallies, 1, halves)


@pytest.mark.parametrize("size", [0, 1, 3, 2047, 2048, 2049, 100_000])
@pytest.mark.parametrize("kind", ["normal", "zeros", "rectified", "sprinkled"])
def test_counts_are_exact_for_any_length(size: int, kind: str) -> None:
    random = np.random.default_rng(size)
    values = random.standard_normal(size).astype(np.float32)
    if kind == "zeros":
        values[:] = 0
    if kind == "rectified":
        values = np.maximum(values, 0)
    if kind == "sprinkled":
        values[::97] = np.nan
        values[1::89] = np.inf
        values[2::83] = -np.inf
    tallies = _core.Histograms(1)
    tallies.add([values])
    tallies.add([values[: size // 3].copy()])
    check(tallies, 0, np.concatenate([values, values[: size // 3]]))


@pytest.mark.parametrize("first", [0.0, -0.0])
def test_zero_has_no_sign_in_the_extremes(first: float) -> None:
    tallies = _core.Histograms(1)
    tallies.add([np.array([first, -first], np.float32)])
    assert not np.signbit(tallies.minima[0])
    assert not np.signbit(tallies.maxima[0])


def test_threads_change_nothing() -> None:
    random = np.random.default_rng(3)
    tensors = [random.standard_normal(n).astype(np.float32) for n in (5, 70_000, 3000, 1, 200_000)]
    before = num_threads()
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            tallies = _core.Histograms(len(tensors))
            tallies.add(tensors)
            for index, tensor in enumerate(tensors):
                check(tallies, index, tensor)
    finally:
        set_num_threads(before)


def test_what_cannot_be_counted_is_refused() -> None:
    tallies = _core.Histograms(1)
    with pytest.raises(ValueError, match="expected C-contiguous float32 or float16"):
        tallies.add([np.zeros(4)])
    with pytest.raises(ValueError, match="expected C-contiguous"):
        tallies.add([np.zeros((4, 4), np.float32)[:, ::2]])
    with pytest.raises(ValueError, match="expected a tally for each tensor"):
        tallies.add([])


@pytest.fixture
def images() -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [random.integers(0, 255, (40, 60, 3)).astype(np.uint8) for _ in range(7)]


@pytest.fixture
def folder(images, tmp_path: Path) -> Path:
    from PIL import Image

    place = tmp_path / "images"
    place.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(place / f"{index}.png")
    return place


def inner(path: Path) -> list[str]:
    graph = onnx.load(str(path)).graph
    return [n.output[0] for n in graph.node if n.op_type in ("Conv", "AveragePool")] + ["images"]


def collect(path: Path, data: object, **options: object) -> CalibrationStats:
    """The small models have no layer that a plan would quantize: name the tensors."""
    options.setdefault("tensors", inner(path))
    return collect_planned(path, data, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("batch", ["batch", 2])
def test_what_is_counted_is_what_the_network_holds(model, images, dtype, batch) -> None:
    path = model("detector", dtype=dtype, batch=batch)
    names = inner(path)
    stats = collect(path, images, tensors=names)
    assert list(stats.tensors) == sorted(names)
    graph = OnnxRuntimeGraph(path, outputs=names[:-1])
    held: dict[str, list[np.ndarray]] = {name: [] for name in names}
    copies = 1 if batch == "batch" else batch
    for item in CalibrationData(path, images):
        feed = np.repeat(item.tensor, copies, axis=0)
        for name, value in zip(names, [*graph.run({"images": feed}), feed], strict=True):
            held[name].append(value)
    for name, values in held.items():
        counts, low, high, nonfinite = counted(np.stack(values))
        found = stats.tensors[name]
        np.testing.assert_array_equal(found.counts, counts)
        assert (found.minimum, found.maximum, found.nonfinite) == (low, high, nonfinite)
        assert found.counts.sum() > 0


@pytest.mark.parametrize(
    "name", ["yolov8n.onnx", "pose_heatmap_384x288.onnx"], ids=["yolov8n", "pose"]
)
def test_order_batch_and_threads_change_nothing_in_real_networks(asset, name, monkeypatch) -> None:
    path = asset(f"models/{name}")
    people = asset("coco/person_keypoints_train2017.json") if "pose" in name else None
    files = sorted(asset("coco/images").iterdir())[: how_many(3, 2)]
    if people:
        truth = json.loads(people.read_text())
        ids = [row["image_id"] for row in truth["annotations"] if row["num_keypoints"]]
        ids = ids[: how_many(3, 2)]
        named = {row["id"]: row["file_name"] for row in truth["images"]}
        files = [asset("coco/images") / named[i] for i in dict.fromkeys(ids)]
    results = []
    for order, options in (
        (files, {"threads": 1}),
        (files[::-1], {"threads": 2, "batch": 3}),
        (files, {"threads": 3}),
    ):
        data = CalibrationData(path, order, annotations=people)
        results.append(collect_planned(path, data, **options))
    # Too little memory for two at a time: one network on several threads.
    monkeypatch.setattr("edgert.quant.statistics.crew._TENSORS_BYTES", 0)
    data = CalibrationData(path, files, annotations=people)
    results.append(collect_planned(path, data, threads=2))
    assert tuple(results[0].tensors) == Plan.default(path).tensors
    for other in results[1:]:
        assert same_counts(other, results[0])


def test_equal_images_count_once(model, images) -> None:
    path = model("detector")
    assert collect(path, images) == collect(path, [*images, images[2].copy()])


def test_a_file_holds_everything_and_equal_statistics_are_equal_files(
    model, images, tmp_path
) -> None:
    stats = collect(model("detector"), images, tensors=inner(model("detector")))
    stats.save(tmp_path / "a.npz")
    loaded = CalibrationStats.load(tmp_path / "a.npz")
    assert loaded == stats
    loaded.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]
    assert (tmp_path / "a.npz").stat().st_size < 64_000


def test_parts_merge_to_the_whole(model, images) -> None:
    path = model("detector")
    whole = collect(path, images)
    one, other = collect(path, images[:3]), collect(path, images[3:])
    assert one.merge(other) == whole == other.merge(one)
    shared = min(one.items)
    with pytest.raises(CalibrationError, match=f"3 of 7 items are in both.*{shared}"):
        one.merge(whole)


def test_statistics_of_something_else_are_refused_with_both_values(model, images, tmp_path) -> None:
    path, cache = model("detector"), tmp_path / "c.npz"
    stats = collect(path, images, cache=cache)
    other = model("detector", classes=5)
    with pytest.raises(CalibrationError, match=stats.model_digest) as caught:
        collect(other, images, cache=cache)
    assert collect(other, images).model_digest in str(caught.value)
    again = model("detector", metadata=(("edgert.pad_value", "[0]"),))
    with pytest.raises(CalibrationError, match=r"preprocessing.*114|preprocessing.*0\.447"):
        collect(again, images, cache=cache)
    with pytest.raises(CalibrationError, match=r"expected 1: it has beyond these .*Collect anew"):
        collect(path, images, cache=cache, tensors=["images"])
    with pytest.raises(CalibrationError, match=r"holds 4 images that are not in the data"):
        collect(path, images[:3], cache=cache)
    with pytest.raises(CalibrationError, match=r"holds 4 images that are not in the data"):
        collect(path, iter(images[:3]), cache=cache)
    assert CalibrationStats.load(cache) == stats
    with pytest.raises(CalibrationError, match="expected 'x'"):
        stats.require("it", model_digest="x")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_damaged_file_is_refused(model, images, tmp_path, share) -> None:
    cache = tmp_path / "c.npz"
    collect(model("detector"), images, cache=cache)
    cache.write_bytes(cache.read_bytes()[: int(share * cache.stat().st_size)])
    with pytest.raises(CalibrationError, match=r"c\.npz: not calibration statistics"):
        CalibrationStats.load(cache)


def test_tampered_items_are_noticed(model, images, tmp_path) -> None:
    cache = tmp_path / "c.npz"
    collect(model("detector"), images, cache=cache)
    with np.load(cache) as archive:
        parts = dict(archive)
    manifest = json.loads(parts["manifest"].tobytes())
    manifest["items"].pop()
    parts["manifest"] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    np.savez(cache, **parts)
    with pytest.raises(CalibrationError, match="its items have the digest"):
        CalibrationStats.load(cache)


def test_a_finished_cache_is_all_that_is_needed(model, folder, tmp_path, monkeypatch) -> None:
    path, cache = model("detector"), tmp_path / "c.npz"
    stats = collect(path, folder, cache=cache)
    content = cache.read_bytes()

    def never(*arguments: object) -> None:
        raise AssertionError("an image was decoded")

    monkeypatch.setattr("edgert.quant.images.picture.read_image", never)
    assert collect(path, folder, cache=cache) == stats
    assert cache.read_bytes() == content


def test_people_of_finished_images_are_not_looked_for_again(
    model, picture, tmp_path, monkeypatch
) -> None:
    path, cache = model("pose"), tmp_path / "c.npz"
    data = CalibrationData(path, [picture], detector=model("detector"))
    stats = collect(path, data, cache=cache)
    assert len(stats.items) >= 2

    def never(*arguments: object) -> None:
        raise AssertionError("the detector ran")

    monkeypatch.setattr("edgert.quant.images.people.Detected.look", never)
    assert collect(path, data, cache=cache) == stats


@pytest.mark.parametrize("after", [0, 1, 4, 6])
def test_a_collection_goes_on_where_ctrl_c_ended_it(model, folder, tmp_path, after) -> None:
    path, cache = model("detector"), tmp_path / "c.npz"
    taken = []

    def interrupt(item) -> None:
        taken.append(item)
        if len(taken) > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(path, folder, cache=cache, on_item=interrupt, threads=2)
    rest = []
    stats = collect(path, folder, cache=cache, on_item=rest.append)
    whole = collect(path, folder, cache=tmp_path / "whole.npz")
    assert stats == whole
    assert cache.read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert 7 - len(taken) <= len(rest) <= 7


@pytest.mark.parametrize("batch", [1, 50])
def test_crops_of_a_half_done_image_are_counted_once(
    model, folder, tmp_path, monkeypatch, batch
) -> None:
    bind = OnnxRuntimeGraph.bind

    def slow(self, feeds):
        run = bind(self, feeds)
        return lambda: (time.sleep(0.05), run())[1]

    monkeypatch.setattr(OnnxRuntimeGraph, "bind", slow)
    boxes = [(5, 5, 20, 30), (15, 5, 30, 30), (25, 5, 45, 35)]
    rows = [
        {"image_id": n, "category_id": 1, "bbox": [a, b, c - a, d - b]}
        for n in range(7)
        for a, b, c, d in boxes
    ]
    entries = [{"id": n, "file_name": f"{n}.png", "width": 60, "height": 40} for n in range(7)]
    people = tmp_path / "people.json"
    categories = [{"id": 1, "name": "person"}]
    people.write_text(
        json.dumps({"images": entries, "annotations": rows, "categories": categories})
    )
    path, cache = model("pose"), tmp_path / "c.npz"
    data = CalibrationData(path, folder, annotations=people)
    taken = []

    def interrupt(item) -> None:
        taken.append(item)
        if len(taken) == 1:
            time.sleep(0.3)  # one is counted; with room for 50, the next seven will be waiting
        if len(taken) == 8:  # the second person of the third image
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(path, data, cache=cache, on_item=interrupt, threads=1, batch=batch)
    half = CalibrationStats.load(cache)
    assert half.images < 3
    stats = collect(path, data, cache=cache)
    assert stats == collect(path, data)
    assert len(stats.items) == 21


KILLED = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
import edgert.quant
module = sys.modules["edgert.quant.statistics.collect"]
module._SAVE_EVERY_S = 0.0
count = 0
def on_item(item):
    global count
    count += 1
    if count == 5:
        os.kill(os.getpid(), signal.SIGKILL)
module.collect(
    sys.argv[1], sys.argv[2], tensors=sys.argv[4:], cache=sys.argv[3], on_item=on_item, threads=1
)
"""


def test_a_collection_goes_on_where_it_was_killed(model, folder, tmp_path) -> None:
    path, cache = model("detector"), tmp_path / "c.npz"
    command = [sys.executable, "-c", KILLED, str(path), str(folder), str(cache), *inner(path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    done = len(CalibrationStats.load(cache).items)
    assert 1 <= done <= 5
    rest = []
    stats = collect(path, folder, cache=cache, on_item=rest.append)
    assert len(rest) == 7 - done
    assert stats == collect(path, folder)


def test_a_broken_image_costs_only_itself(model, folder) -> None:
    path = model("detector")
    expected = collect(path, [p for p in sorted(folder.iterdir()) if p.stem != "3"])
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:60])
    with pytest.warns(DamagedInputWarning, match=r"3\.png"):
        assert collect(path, folder) == expected


def test_a_small_set_is_warned_of(model, images) -> None:
    with pytest.warns(CalibrationWarning, match="7 images, under 500"):
        collect(model("detector"), images)


def test_wrong_use_is_told(model, images) -> None:
    path = model("detector")
    with pytest.raises(ModelError, match="no node computes the tensor 'nothing'"):
        collect(path, images, tensors=["nothing"])
    with pytest.raises(ValueError, match="expected at least 1"):
        collect(path, images, batch=0)


def test_thresholds_pass_through_tensorrts_text_to_the_float32(tmp_path) -> None:
    random = np.random.default_rng(9)
    thresholds = {f"/m.{n}/x:0": float(v) for n, v in enumerate(10 ** random.uniform(-6, 6, 40))}
    write_tensorrt_cache(tmp_path / "c", thresholds, header="TRT-8601-MinMaxCalibration")
    header, found = read_tensorrt_cache(tmp_path / "c")
    assert header == "TRT-8601-MinMaxCalibration"
    assert list(found) == list(thresholds)
    for name, value in thresholds.items():
        assert np.float32(found[name] / 127) == np.float32(value / 127)


def test_tensorrts_text_is_as_tensorrt_writes_it(tmp_path) -> None:
    write_tensorrt_cache(tmp_path / "c", {"images": 127.0, "(Unnamed Layer* 3)": 127 / 128})
    text = "TRT-100300-EntropyCalibration2\nimages: 3f800000\n(Unnamed Layer* 3): 3c000000\n"
    assert (tmp_path / "c").read_text() == text


@pytest.mark.parametrize(
    "text", ["", "images: 3f800000\n", "TRT-8601-X\nimages 3f800000\n", "TRT-8601-X\na: 3fz\n"]
)
def test_what_is_no_calibration_cache_is_refused(tmp_path, text) -> None:
    (tmp_path / "c").write_text(text)
    with pytest.raises(CalibrationError, match="c: "):
        read_tensorrt_cache(tmp_path / "c")


@pytest.mark.parametrize("threshold", [0.0, -1.0, np.inf, np.nan])
def test_a_threshold_that_is_no_scale_is_not_written(tmp_path, threshold) -> None:
    with pytest.raises(ValueError, match="expected a finite number over 0"):
        write_tensorrt_cache(tmp_path / "c", {"x": threshold})
