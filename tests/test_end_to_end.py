"""Heads that choose their detections themselves: rows of x1, y1, x2, y2, score, class."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgert
from edgert import ops
from edgert.errors import DamagedInputWarning, ModelError
from edgert.models import DetectorModel
from fake_gpu import needs_fake_gpu

import models
from reference import decode_end_to_end as reference

seeds = st.integers(0, 2**32 - 1)
TO_FRAME = np.array([[1.7, 0, -31.0], [0, 1.6, 12.5]])


@st.composite
def outputs(draw):
    """(1, N, 6 + 3 K) with ties, boxes without area, broken and padded rows."""
    count, joints = draw(st.integers(0, 320)), draw(st.sampled_from([0, 0, 1, 17]))
    rng = np.random.default_rng(draw(seeds))
    rows = np.zeros((count, 6 + 3 * joints), np.float32)
    rows[:, :2] = rng.uniform(-50, 600, (count, 2))
    rows[:, 2:4] = rows[:, :2] + rng.choice([-3, 0, 10, 200], (count, 2), p=[0.1, 0.1, 0.4, 0.4])
    rows[:, 4] = rng.random(count) ** 2
    if draw(st.booleans()):
        rows[:, 4] = np.round(rows[:, 4] * 8) / 8
    rows[:, 5] = rng.integers(-1, 80, count) + rng.choice([0, 0, 0.4, -0.4], count)
    rows[:, 6:] = rng.uniform(0, 600, (count, 3 * joints))
    broken = np.flatnonzero(rng.random(count) < draw(st.sampled_from([0.0, 0.1])))
    columns = rng.integers(0, rows.shape[1], len(broken))
    rows[broken, columns] = rng.choice([np.nan, np.inf, -np.inf], len(broken))
    rows[count - draw(st.integers(0, 9)) :] = 0
    return rows[None]


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    outputs(),
    st.sampled_from([0.0, 0.125, 0.25, 0.9]),
    st.one_of(st.none(), st.sets(st.integers(0, 81), max_size=5)),
    st.sampled_from([1, 7, 300]),
    st.sampled_from([np.float32, np.float16]),
)
def test_decode_as_the_oracle(output, score_threshold, classes, max_detections, dtype):
    output = output.astype(dtype)
    given_classes = None if classes is None else sorted(classes)
    arguments = (score_threshold, given_classes, max_detections)
    boxes, scores, class_ids = ops.decode_end_to_end(output, TO_FRAME, *arguments)
    wanted = reference(output, TO_FRAME, *arguments)
    np.testing.assert_array_equal(boxes, wanted[0])
    np.testing.assert_array_equal(scores, wanted[1])
    np.testing.assert_array_equal(class_ids, wanted[2])
    assert (boxes.dtype, scores.dtype, class_ids.dtype) == (np.float32, np.float32, np.int32)


def test_decode_by_hand():
    rows = np.array(
        [
            [0, 0, 10, 10, 0.5, 2],
            [10, 20, 30, 60, 0.9, 0],
            [10, 20, 30, 60, 0.9, 1],  # the same box: nothing is suppressed, the upper row first
            [5, 5, 5, 9, 0.9, 0],  # no area
            [0, 0, 9, 9, 0.2, 0],  # below the threshold
        ],
        np.float32,
    )
    boxes, scores, class_ids = ops.decode_end_to_end(rows, [[2, 0, 1], [0, 3, -1]])
    assert class_ids.tolist() == [0, 1, 2]
    assert scores.tolist() == pytest.approx([0.9, 0.9, 0.5])
    assert boxes[0].tolist() == [21, 59, 61, 179]
    assert boxes[2].tolist() == [1, -1, 21, 29]


def test_a_class_that_is_no_number_of_one():
    rows = np.array([[0, 0, 9, 9, 0.9, 3e9], [0, 0, 9, 9, 0.9, 16777215]], np.float32)
    _, _, class_ids = ops.decode_end_to_end(rows, TO_FRAME)
    assert class_ids.tolist() == [16777215]


@pytest.mark.parametrize(
    ("output", "options", "said"),
    [
        (np.zeros((1, 5, 5), np.float32), {}, r"found shape \(1, 5, 5\)"),
        (np.zeros((2, 5, 6), np.float32), {}, "of one image"),
        (np.zeros((5, 7), np.float32), {}, r"found shape \(1, 5, 7\)"),
        (np.zeros((5, 6)), {}, "float64, expected float32 or float16"),
        (np.zeros((5, 6), np.float32), {"classes": [-1]}, "found -1, expected 0 or more"),
        (np.zeros((5, 6), np.float32), {"score_threshold": 2}, "score_threshold is 2"),
        (np.zeros((5, 6), np.float32), {"max_detections": 0}, "max_detections is 0"),
    ],
)
def test_wrong_use(output, options, said):
    with pytest.raises(ValueError, match=said):
        ops.decode_end_to_end(output, TO_FRAME, **options)


# ---- which head a model has


def understood(model, shape, **metadata):
    engine = edgert.Engine(
        model("constant_output", shape=shape, metadata=tuple(metadata.items())), device="cpu"
    )
    return DetectorModel(engine)


@pytest.mark.parametrize(
    ("shape", "metadata", "joints", "classes"),
    [
        ((1, 300, 6), {}, 0, 80),
        ((1, 6, 6), {}, 0, 80),
        ((1, 100, 6), {"names": "['person', 'car']"}, 0, 2),
        ((1, 300, 57), {}, 17, 1),
        ((1, 300, 57), {"kpt_shape": "[17, 3]", "names": "{0: 'person'}"}, 17, 1),
        ((1, 300, 21), {"kpt_shape": "[5, 3]"}, 5, 1),
        ((1, 300, 21), {"end2end": "True"}, 5, 1),
        # As many rows as anchors, and yet detections: Ultralytics says so.
        ((1, 84, 6), {"args": "{'batch': 1, 'nms': True}"}, 0, 80),
    ],
)
def test_recognised(model, shape, metadata, joints, classes):
    found = understood(model, shape, **metadata)
    assert found.end_to_end
    assert (found.joints, len(found.names)) == (joints, classes)


@pytest.mark.parametrize(
    ("shape", "metadata"),
    [
        ((1, 84, 84), {}),
        ((1, 5, 84), {}),
        ((1, 6, 84), {"end2end": "False", "args": "{'nms': None}"}),
        ((1, 20, 21), {}),
        ((1, 56, 84), {"kpt_shape": "[17, 3]", "names": "['person']"}),
    ],
)
def test_the_yolo_head_is_still_one(model, shape, metadata):
    assert not understood(model, shape, **metadata).end_to_end


@pytest.mark.parametrize(
    ("shape", "metadata", "said"),
    [
        ((1, 300, 7), {}, "without NMS, or with rows of 6 values"),
        ((1, 300, 7), {"end2end": "True"}, "rotated boxes or masks"),
        ((1, 300, 38), {"args": "{'nms': True}"}, "rotated boxes or masks"),
        ((1, 0, 6), {}, "their number depends on the picture"),
        ((1, 84, 6), {}, "anchors come first; transpose"),
        ((1, 300, 21), {"kpt_shape": "[4, 3]", "end2end": "True"}, r"kpt_shape is \[4, 3\]"),
    ],
)
def test_refused_with_what_was_found(model, shape, metadata, said):
    with pytest.raises(ModelError, match=said) as raised:
        understood(model, shape, **metadata)
    assert f"output0 {shape}" in str(raised.value)


# ---- through the pipeline


def pictures():
    for i in range(6):
        image = np.full((120, 160, 3), 40, np.uint8)
        image[30:90, 30 + i : 50 + i] = 220
        image[20:100, 100:130] = 200
        yield image


def results_of(detector, **options):
    with edgert.Pipeline(detector, classes=None, **options) as pipe:
        return list(pipe.run(pictures())), pipe.stats()


def assert_same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        assert len(other) > 0
        np.testing.assert_array_equal(one.ids, other.ids)
        for name in ("boxes", "scores", "keypoints", "keypoint_scores"):
            a, b = getattr(one, name), getattr(other, name)
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_allclose(a, b, atol=1e-4)


def test_nothing_is_suppressed(model):
    """The same anchors from both heads, the YOLOv8 head's without suppression."""
    options = {"tracker": None, "device": "cpu", "score_threshold": 0.5}
    found, _ = results_of(model("end_to_end"), nms_threshold=0.0, **options)
    wanted, _ = results_of(model("detector", classes=1), nms_threshold=1.0, **options)
    assert_same(found, wanted)
    suppressed, _ = results_of(model("detector", classes=1), nms_threshold=0.0, **options)
    assert len(suppressed[0]) < len(found[0])


def test_a_true_detector_with_suppression_in_its_graph(asset, tmp_path):
    """ONNX's own NonMaxSuppression behind YOLOv8n finds what edgert finds with the plain head."""
    import av

    plain = asset("models/yolov8n.onnx")
    models.with_suppression(tmp_path / "suppressed.onnx", plain)
    with av.open(str(asset("videos/vtest.avi"))) as container:
        frames = [f.to_ndarray(format="bgr24") for f in islice(container.decode(video=0), 4)]
    options = {"tracker": None, "device": "cpu", "classes": None, "score_threshold": 0.25}
    with (
        edgert.Pipeline(tmp_path / "suppressed.onnx", **options) as one,
        edgert.Pipeline(plain, **options) as other,
    ):
        for frame in frames:
            found, wanted = one(frame), other(frame)
            assert len(wanted) > 3
            # Scores of two boxes may be equal: neither order is wrong.
            orders = [np.lexsort((*r.boxes.T, -r.scores)) for r in (found, wanted)]
            for name in ("boxes", "scores", "class_ids"):
                a, b = (getattr(r, name)[o] for r, o in zip((found, wanted), orders, strict=True))
                np.testing.assert_allclose(a, b, atol=1e-3)


def test_joints_come_with_the_boxes(model):
    options = {"tracker": None, "device": "cpu", "score_threshold": 0.5}
    found, _ = results_of(model("end_to_end", joints=17), **options)
    yolo = model("detector", classes=1, joints=17)
    wanted, _ = results_of(yolo, nms_threshold=1.0, **options)
    assert found[0].keypoints.shape == (len(found[0]), 17, 2)
    assert_same(found, wanted)


def test_filters_apply(model):
    detector = model("end_to_end", metadata=(("names", "['a', 'b']"),))
    everything, _ = results_of(detector, tracker=None, device="cpu", score_threshold=0.5)
    wanted = np.flatnonzero(everything[0].class_ids == 1)
    most = len(wanted) - 1
    assert 1 <= most < len(everything[0]) - 1
    with edgert.Pipeline(
        detector,
        tracker=None,
        device="cpu",
        score_threshold=0.5,
        classes=["b"],
        max_detections=most,
    ) as pipe:
        found = pipe(next(pictures()))
    wanted = wanted[:most]
    assert len(found) == most
    np.testing.assert_array_equal(found.scores, everything[0].scores[wanted])
    np.testing.assert_array_equal(found.boxes, everything[0].boxes[wanted])


def test_classes_without_a_name_are_dropped_and_counted(model):
    detector = model("end_to_end", poison=80, metadata=(("names", "['a', 'b']"),))
    # Anchor 0 is dark: below the threshold it does not count.
    _, stats = results_of(detector, tracker=None, device="cpu", score_threshold=0.5)
    assert stats["dropped_rows"] == 0
    with pytest.warns(DamagedInputWarning, match="1 rows .* of a class without a name"):
        _, stats = results_of(detector, tracker=None, device="cpu", score_threshold=0.1)
    assert stats["dropped_rows"] == 6


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("joints", [0, 17])
@pytest.mark.parametrize("graphs", [True, False])
@needs_fake_gpu
def test_same_on_a_gpu(model, dtype, joints, graphs):
    from host_network import host_engine

    detector = model("end_to_end", dtype=dtype, joints=joints)
    wanted, _ = results_of(detector, device="cpu")
    found, stats = results_of(host_engine(detector), graphs=graphs)
    assert_same(found, wanted)
    # The first frame's of each of two lanes.
    assert stats["stages"]["boxes"]["count"] == 2


@needs_fake_gpu
def test_rows_in_a_gpus_memory_are_decoded_on_the_host():
    from edgert.devices import context

    rows = np.random.default_rng(5).uniform(0, 90, (1, 50, 6)).astype(np.float32)
    rows[..., 2:4] += 100
    rows[..., 4] /= 90
    gpu = context(0)
    there = gpu.empty(rows.shape, rows.dtype)
    gpu.copy_from(there, rows)
    for one, other in zip(
        ops.decode_end_to_end(there, TO_FRAME), ops.decode_end_to_end(rows, TO_FRAME), strict=True
    ):
        np.testing.assert_array_equal(one, other)
