"""`edgert.ops` against the independent reference, on random sizes, boxes and tensors.

Tolerances. The native stages keep sample coordinates in float32, the reference in float64: at a
frame coordinate c they part by up to two roundings, c * 2**-23, and on noise one pixel of distance
is the whole range of values. Everything else agrees to a few float32 roundings.
"""

import numpy as np
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from edgert import ops

from reference import IMAGENET_MEAN, IMAGENET_STD
from reference import crop_people as reference_crop
from reference import decode_heatmaps as reference_heatmaps
from reference import decode_yolo as reference_yolo
from reference import letterbox as reference_letterbox
from reference.detect import box_iou, candidates

repeatable = settings(derandomize=True, deadline=None, max_examples=150)

seeds = st.integers(0, 2**32 - 1)
sides = st.one_of(st.integers(1, 9), st.integers(1, 97), st.integers(1, 2000))
targets = st.sampled_from([(64, 64), (96, 160), (160, 96), (33, 47), (256, 192)])


@st.composite
def frame_sizes(draw):
    h, w = draw(sides), draw(sides)
    return (h, w) if h * w <= 400_000 else (h, max(1, 400_000 // h))


def coordinate_tolerance(extent):
    """In units of the pixel range, for samples at frame coordinates up to `extent`."""
    return 2e-6 + extent * 2**-23


def noise(size, seed):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


VIEWS = {
    "plain": lambda image: image,
    "flipped": lambda image: image[::-1],
    "mirrored": lambda image: image[:, ::-1],
    "rgb": lambda image: image[:, :, ::-1],
    "every other": lambda image: image[::2, ::2],
    "transposed": lambda image: image.transpose(1, 0, 2),
}


@repeatable
@given(frame_sizes(), targets, st.sampled_from(sorted(VIEWS)), st.integers(0, 255), seeds)
@example((1, 1), (640, 640), "plain", 114, 0)
@example((20, 20_000), (640, 640), "plain", 114, 0)
@example((20_000, 20), (640, 640), "plain", 114, 0)
@example((576, 768), (640, 640), "plain", 114, 0)
@example((1080, 1920), (640, 640), "plain", 114, 0)
def test_letterbox(size, target, view, pad_value, seed):
    image = VIEWS[view](noise(size, seed))
    tensor, to_frame = ops.letterbox(image, size=target, pad_value=pad_value)
    expected, expected_map = reference_letterbox(image, target, pad_value)
    assert (tensor.shape, tensor.dtype) == (expected.shape, np.float32)
    assert to_frame.dtype == np.float64
    np.testing.assert_allclose(to_frame, expected_map, rtol=1e-12, atol=1e-9)
    assert np.abs(tensor - expected).max() <= coordinate_tolerance(max(image.shape))


@st.composite
def heads(draw):
    """A (1, 4 + C, A) output whose boxes crowd together and whose scores tie."""
    classes, anchors = draw(st.integers(1, 80)), draw(st.integers(1, 250))
    rng = np.random.default_rng(draw(seeds))
    output = np.zeros((1, 4 + classes, anchors), dtype=np.float32)
    centres = rng.uniform(-50, 700, (2, draw(st.integers(1, 8))))
    output[0, :2] = centres[:, rng.integers(0, centres.shape[1], anchors)]
    output[0, :2] += rng.normal(0, 8, (2, anchors))
    output[0, 2:4] = rng.uniform(20, draw(st.sampled_from([25, 90, 2000])), (2, anchors))
    flat = rng.random(anchors) < 0.05
    output[0, rng.integers(2, 4), flat] = rng.choice([0, -5])
    output[0, 4:] = rng.random((classes, anchors)) ** 3
    if draw(st.booleans()):
        output[0, 4:] = np.round(output[0, 4:] * 8) / 8
    broken = rng.random(anchors) < draw(st.sampled_from([0.0, 0.1, 1.0]))
    rows = rng.integers(0, 4 + classes, anchors)
    values = rng.choice([np.nan, np.inf, -np.inf], anchors)
    output[0, rows[broken], np.flatnonzero(broken)] = values[broken]
    return output


def nms_is_decided(output, score_threshold, nms_threshold, classes):
    """No pair overlaps by so nearly the threshold that a float32 rounding could tip it."""
    boxes, _, class_ids = candidates(output, score_threshold, classes)
    for i in range(len(boxes)):
        same = np.flatnonzero(class_ids[i + 1 :] == class_ids[i]) + i + 1
        if np.any(np.abs(box_iou(boxes[i], boxes[same]) - nms_threshold) < 1e-5):
            return False
    return True


@repeatable
@given(
    heads(),
    st.sampled_from([0.0, 0.001, 0.125, 0.25, 0.7]),
    st.sampled_from([0.0, 0.45, 0.7, 1.0]),
    st.one_of(st.none(), st.sets(st.integers(0, 79), min_size=1, max_size=5)),
    st.sampled_from([1, 7, 300]),
)
def test_decode_yolo(output, score_threshold, nms_threshold, classes, max_detections):
    if classes is not None:
        classes = sorted({index % (output.shape[1] - 4) for index in classes})
    assume(
        nms_threshold in (0.0, 1.0)
        or nms_is_decided(output, score_threshold, nms_threshold, classes)
    )
    to_frame = np.array([[1.7, 0, -31.0], [0, 1.6, 12.5]])
    arguments = (score_threshold, nms_threshold, classes, max_detections)
    boxes, scores, class_ids = ops.decode_yolo(
        output,
        to_frame,
        score_threshold=score_threshold,
        nms_threshold=nms_threshold,
        classes=classes,
        max_detections=max_detections,
    )
    expected, expected_scores, expected_ids = reference_yolo(output, to_frame, *arguments)
    assert (boxes.dtype, scores.dtype, class_ids.dtype) == (np.float32, np.float32, np.int32)
    np.testing.assert_array_equal(class_ids, expected_ids)
    np.testing.assert_array_equal(scores, expected_scores)
    np.testing.assert_allclose(boxes, expected, rtol=1e-6, atol=1e-3)


@st.composite
def person_boxes(draw, size):
    """Up to 5 boxes: inside the frame, across its border, outside, tiny, huge."""
    h, w = size
    rng = np.random.default_rng(draw(seeds))
    count = draw(st.integers(0, 5))
    spread = draw(st.sampled_from([0.5, 1.5, 4.0]))
    centre = np.array([w, h]) * (0.5 + rng.uniform(-spread, spread, (count, 2)))
    extent = draw(st.sampled_from([0.05, 2.0, 60.0, 3000.0])) * rng.uniform(0.1, 1, (count, 2))
    return np.hstack([centre - extent / 2, centre + extent / 2]).astype(np.float32)


@repeatable
@given(st.data(), frame_sizes(), targets, st.sampled_from([1.0, 1.25, 2.0]))
def test_crop_people(data, size, target, padding):
    image = VIEWS[data.draw(st.sampled_from(sorted(VIEWS)))](noise(size, data.draw(seeds)))
    boxes = data.draw(person_boxes(image.shape[:2]))
    assume(np.all(boxes[:, 2:] - boxes[:, :2] > 1e-3))
    tensor, to_frame = ops.crop_people(
        image, boxes, size=target, mean=IMAGENET_MEAN, std=IMAGENET_STD, padding=padding
    )
    expected, expected_maps = reference_crop(image, boxes, target, padding=padding)
    assert (tensor.shape, tensor.dtype) == (expected.shape, np.float32)
    assert (to_frame.shape, to_frame.dtype) == (expected_maps.shape, np.float64)
    np.testing.assert_allclose(to_frame, expected_maps, rtol=1e-9, atol=1e-6)
    if len(boxes):
        th, tw = target
        corners = expected_maps @ np.array([[0, 0, 1], [tw, th, 1]]).T
        # Normalisation divides by the std: its smallest is what one unit of range can become.
        limit = coordinate_tolerance(np.abs(corners).max()) / min(IMAGENET_STD)
        assert np.abs(tensor - expected).max() <= limit


MAPS = np.array([[[0.8, 0, 100.0], [0, 0.9, -20.0]]])


@st.composite
def heatmap_sizes(draw):
    return (
        draw(st.integers(1, 4)),
        draw(st.integers(1, 17)),
        draw(st.integers(1, 40)),
        draw(st.integers(1, 40)),
    )


@repeatable
@given(
    heatmap_sizes(),
    seeds,
    st.sampled_from(["none", "quarter"]),
    st.sampled_from(["corner", "center"]),
    st.sampled_from([None, 4, 1]),
)
def test_decode_heatmaps_of_any_values(shape, seed, refine, cells, levels):
    heatmaps = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    if levels is not None:  # plateaus and equal peaks
        heatmaps = np.round(heatmaps * levels) / levels
    maps = np.repeat(MAPS, len(heatmaps), axis=0)
    keypoints, scores = ops.decode_heatmaps(heatmaps, maps, refine=refine, cells=cells)
    expected, expected_scores = reference_heatmaps(heatmaps, maps, refine, cells)
    assert (keypoints.dtype, scores.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(scores, expected_scores)
    np.testing.assert_allclose(keypoints, expected, rtol=1e-6, atol=1e-4)


@repeatable
@given(seeds, st.sampled_from(["corner", "center"]), st.floats(0.01, 1))
def test_dark(seed, cells, height):
    rng = np.random.default_rng(seed)
    people, joints, h, w = 2, 5, 64, 48
    # Peaks anywhere, border included, under noise that leaves the Newton step well conditioned.
    x, y = rng.uniform(0, w, (people, joints, 1, 1)), rng.uniform(0, h, (people, joints, 1, 1))
    row, column = np.mgrid[0:h, 0:w]
    heatmaps = height * np.exp(-((column - x) ** 2 + (row - y) ** 2) / 8)
    heatmaps = (heatmaps * rng.uniform(0.95, 1.05, heatmaps.shape)).astype(np.float32)
    maps = np.repeat(MAPS, people, axis=0)
    keypoints, scores = ops.decode_heatmaps(heatmaps, maps, refine="dark", cells=cells)
    expected, expected_scores = reference_heatmaps(heatmaps, maps, "dark", cells)
    np.testing.assert_array_equal(scores, expected_scores)
    np.testing.assert_allclose(keypoints, expected, atol=5e-3)


@repeatable
@given(seeds, st.sampled_from(["none", "quarter", "dark"]), st.sampled_from([np.nan, np.inf]))
def test_a_broken_joint_leaves_the_others_alone(seed, refine, value):
    rng = np.random.default_rng(seed)
    heatmaps = rng.random((1, 3, 16, 12)).astype(np.float32)
    sound, _ = ops.decode_heatmaps(heatmaps, MAPS, refine=refine)
    heatmaps[0, 1, rng.integers(16), rng.integers(12)] = value
    keypoints, scores = ops.decode_heatmaps(heatmaps, MAPS, refine=refine)
    np.testing.assert_array_equal(keypoints[0, [0, 2]], sound[0, [0, 2]])
    assert scores[0, 1] == 0
    assert np.isfinite(keypoints).all()
