"""edgert.ops on a GPU gives what it gives on the host: on a real one, else on tests/fake."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import edgert
from edgert import ops
from fake_gpu import needs_gpu

from cases import how_many

pytestmark = needs_gpu

SIZES = [(120, 160), (1, 1), (37, 501), (64, 64)]


def some(cases, step):
    """The cases, or every `step`-th of them, from the first on."""
    return list(cases)[:: how_many(1, step)]


def to_gpu(array):
    from edgert.devices import context

    gpu = context(0)
    array = np.ascontiguousarray(array)
    made = gpu.empty(array.shape, array.dtype)
    gpu.copy_from(made, array)
    return made


def poisoned(shape, dtype):
    """Memory that holds no number of any result."""
    return to_gpu(np.full(shape, np.nan, dtype))


class ArrayAt:
    """An array of uint8 somewhere in the memory of another."""

    dtype = np.dtype(np.uint8)

    def __init__(self, memory, offset, shape):
        self._memory, self.shape = memory, shape
        base = memory.__cuda_array_interface__
        self.__cuda_array_interface__ = {
            **base,
            "shape": shape,
            "typestr": "|u1",
            "strides": None,
            "data": (base["data"][0] + offset, False),
        }


def picture(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("size", SIZES)
def test_letterbox_to_the_bit(size, dtype):
    image = picture(size)
    for target in ((64, 64), (50, 33), (32, 160)):
        wanted, matrix = ops.letterbox(image, target, out=np.empty((1, 3, *target), dtype))
        found, same = ops.letterbox(to_gpu(image), target, out=poisoned((1, 3, *target), dtype))
        np.testing.assert_array_equal(found.numpy(), wanted)
        np.testing.assert_array_equal(same, matrix)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("size", SIZES)
def test_crops_to_the_bit(size, dtype):
    image = picture(size, 1)
    rng = np.random.default_rng(2)
    corners = rng.uniform(-40, max(size) + 40, (9, 4)).astype(np.float32)
    boxes = np.hstack([np.minimum(corners[:, :2], corners[:, 2:]), corners[:, 2:]])
    boxes[0] = [5, 5, 5, 5]
    target = (96, 72)
    wanted, matrices = ops.crop_people(image, boxes, target, out=np.empty((9, 3, *target), dtype))
    out = poisoned((9, 3, *target), dtype)
    found, same = ops.crop_people(to_gpu(image), boxes, target, out=out)
    np.testing.assert_array_equal(found.numpy(), wanted)
    np.testing.assert_array_equal(same, matrices)


def head(rng, anchors, classes, share, dtype):
    """A detector's output in which about `share` of the anchors are over 0.25."""
    output = rng.uniform(0, 0.25, (1, 4 + classes, anchors))
    output[0, :2] = rng.uniform(0, 640, (2, anchors))
    output[0, 2:4] = rng.uniform(1, 120, (2, anchors))
    strong = np.flatnonzero(rng.uniform(size=anchors) < share)
    # Few values, so that there are ties.
    output[0, 4 + rng.integers(0, classes, len(strong)), strong] = rng.choice(
        [0.3, 0.5, 0.7, 0.9], len(strong)
    )
    return output.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("share", [0, 0.02, 0.3, 1])
def test_boxes_to_the_bit(share, dtype):
    rng = np.random.default_rng(3)
    matrix = np.array([[1.7, 0, -3.0], [0, 1.7, 11.0]])
    outputs = [head(rng, *shape, share, dtype) for shape in ((8400, 80), (130, 1), (1, 3))]
    choices = ((0.7, 300, None), (0.3, 5, [0]), (1.0, 9000, None))
    # Every fourth of three by three: each output and each choice once.
    for output, (nms, most, wanted) in some(itertools.product(outputs, choices), 4):
        options = {"nms_threshold": nms, "max_detections": most, "classes": wanted}
        expected = ops.decode_yolo(output, matrix, **options)
        found = ops.decode_yolo(to_gpu(output), matrix, **options)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("count", [255, 256, 257, 1023, 1024, 1025, 4096, 4097])
def test_any_number_of_candidates(count):
    """Those around which another kernel, or another part of one, takes over."""
    rng = np.random.default_rng(count)
    output = head(rng, 8400, 2, 0, np.float32)
    chosen = rng.permutation(8400)[:count]
    output[0, 4 + rng.integers(0, 2, count), chosen] = rng.choice([0.4, 0.6, 0.8], count)
    matrix = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    for most in some((300, 9000) if count % 2 else (9000, 300), 2):
        expected = ops.decode_yolo(output, matrix, max_detections=most, nms_threshold=0.6)
        found = ops.decode_yolo(to_gpu(output), matrix, max_detections=most, nms_threshold=0.6)
        assert len(expected[0]) > 100
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def boxes_head(boxes, scores):
    """A detector's output, of one class, with these boxes (x1, y1, x2, y2)."""
    output = np.zeros((1, 5, len(boxes)), np.float32)
    output[0, :2] = (boxes[:, :2] + boxes[:, 2:]).T / 2
    output[0, 2:4] = (boxes[:, 2:] - boxes[:, :2]).T
    output[0, 4] = scores
    return output


def assert_same_boxes(output, **options):
    matrix = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    expected = ops.decode_yolo(output, matrix, **options)
    found = ops.decode_yolo(to_gpu(output), matrix, **options)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    return expected


@pytest.mark.parametrize("count", [40, 200, 700])
def test_an_overlap_of_exactly_the_threshold_suppresses_nothing(count):
    """Where a product could round to another side than the quotient does."""
    rng = np.random.default_rng(count)
    # Pairs side by side, of which the second is a part of the first: 1/3, 1/2, 3/5, 7/10...
    pairs = count // 2
    wide, narrow = rng.integers(2, 41, pairs), np.empty(pairs)
    narrow = np.array([rng.integers(1, w) for w in wide])
    x, ones = 50.0 * np.arange(pairs), np.ones(pairs)
    first = np.stack([x, 0 * ones, x + wide, ones], 1)
    second = np.stack([x, 0 * ones, x + narrow, ones], 1)
    output = boxes_head(np.vstack([first, second]), rng.uniform(0.3, 1, 2 * pairs))
    kept = set()
    for over in some(np.unique((narrow / wide).astype(np.float32))[:40], 12):
        for near in (np.nextafter(over, np.float32(0)), over, np.nextafter(over, np.float32(1))):
            found = assert_same_boxes(output, nms_threshold=float(near), max_detections=9000)
            kept.add(len(found[0]))
    assert len(kept) > how_many(5, 1)


@pytest.mark.parametrize("count", [60, 256, 1000])
def test_chains_of_overlaps(count):
    """Each box overlaps its neighbours alone: who is kept depends on all that score more."""
    x = 10.0 * np.arange(count)
    boxes = np.stack([x, 0 * x, x + 25, 0 * x + 10], 1)
    for scores in (np.linspace(0.9, 0.3, count), np.linspace(0.3, 0.9, count)):
        found = assert_same_boxes(boxes_head(boxes, scores), nms_threshold=0.3)
        assert len(found[0]) == min(300, (count + 1) // 2)


@pytest.mark.parametrize("shift", range(4))
def test_frames_at_any_address(shift):
    """Rows that begin and end where words of memory do take another kernel."""
    for height, width in ((31, 64), (31, 63), (5, 4), (2, 1)):
        image = picture((height, width), 7)
        memory = to_gpu(np.concatenate([np.zeros(shift, np.uint8), image.ravel()]))
        view = ArrayAt(memory, shift, image.shape)
        wanted, _ = ops.letterbox(image, (64, 64))
        found, _ = ops.letterbox(view, (64, 64), out=poisoned((1, 3, 64, 64), np.float32))
        np.testing.assert_array_equal(found.numpy(), wanted)
        boxes = np.array([[-3, -2, width, height + 4], [1, 1, 3, 4]], np.float32)
        wanted, _ = ops.crop_people(image, boxes, (48, 36))
        found, _ = ops.crop_people(view, boxes, (48, 36), out=poisoned((2, 3, 48, 36), np.float32))
        np.testing.assert_array_equal(found.numpy(), wanted)


def test_rows_that_are_not_finite_are_no_boxes():
    rng = np.random.default_rng(4)
    output = head(rng, 500, 3, 0.5, np.float32)
    for value in (np.nan, np.inf, -np.inf):
        output[0, rng.integers(0, 7), rng.integers(0, 500)] = value
    output[0, 2, 7] = 0
    output[0, 3, 8] = -1
    matrix = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    for one, other in zip(
        ops.decode_yolo(to_gpu(output), matrix), ops.decode_yolo(output, matrix), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("refine", "tolerance"), [("none", 0), ("quarter", 0), ("dark", 1e-3)])
def test_joints(refine, tolerance, dtype):
    rng = np.random.default_rng(5)
    maps = rng.uniform(0, 1, (5, 17, 24, 18)).astype(dtype)
    y, x = np.mgrid[:24, :18]
    for n, k in np.ndindex(5, 17):
        center = rng.uniform(-1, 25, 2)
        bump = 3 * np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / 8)
        maps[n, k] = (0.2 * maps[n, k] + bump).astype(dtype)
    maps[0, 0] = 0.5  # the first of equals
    maps[1, 3, 5, 5] = np.nan
    maps[2, 4, 0, 0] = np.inf
    matrices = np.array([[[2.0, 0, n], [0, 1.5, -n]] for n in range(5)])
    expected = ops.decode_heatmaps(maps, matrices, refine=refine)
    found = ops.decode_heatmaps(to_gpu(maps), matrices, refine=refine)
    np.testing.assert_allclose(found[0], expected[0], atol=tolerance, rtol=0)
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("size", [(96, 72), (31, 29), (131, 97), (1, 3)])
def test_the_first_of_equal_cells_is_the_joint(size, dtype):
    """Maps larger and smaller than what the threads look at in one turn, at any address."""
    cells = size[0] * size[1]
    rng = np.random.default_rng(cells)
    maps = rng.integers(-3, 0, (1, 17, *size)).astype(dtype)
    flat = maps.reshape(17, cells)
    flat[0], flat[1] = -1, 0
    flat[2, rng.integers(0, cells, 5)] = 2
    flat[3, rng.integers(0, cells, 9)] = rng.choice([0.0, -0.0], 9)
    flat[4, -1], flat[5, 0] = 7, 7
    matrices = np.array([[[1.0, 0, 0], [0, 1.0, 0]]])
    for refine in ("none", "quarter"):
        expected = ops.decode_heatmaps(maps, matrices, refine=refine)
        found = ops.decode_heatmaps(to_gpu(maps), matrices, refine=refine)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(np.signbit(one), np.signbit(other))


def test_joints_with_offsets_to_the_bit():
    rng = np.random.default_rng(6)
    maps = rng.uniform(0, 1, (3, 4, 16, 12)).astype(np.float32)
    offsets = rng.uniform(-2, 2, (3, 8, 16, 12)).astype(np.float32)
    matrices = np.array([[[2.0, 0, 1], [0, 1.5, -1]]] * 3)
    expected = ops.decode_heatmaps(maps, matrices, offsets=offsets)
    found = ops.decode_heatmaps(to_gpu(maps), matrices, offsets=to_gpu(offsets))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_cosine_distances():
    rng = np.random.default_rng(7)
    for rows, columns, width in ((1, 1, 1), (7, 33, 128), (64, 5, 511)):
        a = rng.normal(size=(rows, width)).astype(np.float32)
        b = rng.normal(size=(columns, width)).astype(np.float32)
        a[0] = 0
        lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
        safe = np.where(lengths > 0, lengths, 1)
        wanted = 1 - a.astype(np.float64) @ b.T.astype(np.float64) / safe
        out = poisoned((rows, columns), np.float32)
        found = ops.cosine_distances(to_gpu(a), to_gpu(b), out=out)
        np.testing.assert_allclose(found.numpy(), wanted, atol=2e-6)


def test_arrays_of_the_host_and_of_other_shapes_are_refused():
    image = to_gpu(picture((20, 20)))
    with pytest.raises(ValueError, match=r"out: found \(1, 3, 8, 8\) on cpu"):
        ops.letterbox(image, (8, 8), out=np.empty((1, 3, 8, 8), np.float32))
    with pytest.raises(ValueError, match="expected arrays in a GPU's memory"):
        ops.cosine_distances(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match=r"found shape \(20, 20, 3\) float32 on cuda:0"):
        ops.letterbox(to_gpu(np.zeros((20, 20, 3), np.float32)), (8, 8))


def test_arrays_are_exchanged_without_a_copy():
    image = to_gpu(picture((20, 30)))
    interface = image.__cuda_array_interface__
    assert interface["shape"] == (20, 30, 3)
    assert interface["typestr"] == "|u1"
    assert image.__dlpack_device__() == (2, 0)
    from edgert.devices import context

    again = context(0).from_dlpack(image.__dlpack__(stream=-1))
    assert again.__cuda_array_interface__["data"] == interface["data"]
    np.testing.assert_array_equal(again.numpy(), image.numpy())
    assert edgert.backends()["cuda:0"] == "ok"


def test_devices_are_listed_without_opening_one():
    from edgert import _core
    from edgert.devices import context

    gpu = context(0)
    name, capability, shared, size = _core.cuda_devices()[0]
    assert (name, capability, shared) == (gpu.name, gpu.compute_capability, gpu.integrated)
    assert size == gpu.memory[1]
    major, minor = _core.cuda_driver_version().split(".")
    assert (int(major), int(minor)) >= (12, 6)
