"""A result: its checks, and what other programs read from it."""

import json
import math
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import Error
from edgert.result import Result


def make(n=2, k=17, seed=0, **changes):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 300, (n, 2))
    fields = {
        "boxes": np.hstack([corner, corner + rng.uniform(5, 200, (n, 2))]).astype(np.float32),
        "scores": rng.random(n).astype(np.float32),
        "class_ids": np.zeros(n, np.int32),
        "ids": np.arange(1, n + 1, dtype=np.int64),
        "keypoints": rng.uniform(0, 500, (n, k, 2)).astype(np.float32),
        "keypoint_scores": rng.random((n, k)).astype(np.float32),
        "frame_index": 7,
        "time_s": 0.28,
        "size": (576, 768),
        "source": "street.mp4",
    }
    return Result(**{**fields, **changes})


BOXES_ONLY = {"keypoints": None, "keypoint_scores": None}


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("boxes", np.zeros((2, 4)), "float64"),
        ("boxes", np.zeros((2, 5), np.float32), r"\(2, 5\)"),
        ("scores", np.zeros(3, np.float32), r"\(3,\)"),
        ("class_ids", np.zeros(2, np.int64), "int64"),
        ("ids", np.zeros(2, np.int32), "int32"),
        ("keypoints", np.zeros((2, 17, 3), np.float32), r"\(2, 17, 3\)"),
        ("keypoints", np.zeros((2, 34), np.float32), r"\(2, 34\)"),
        ("keypoint_scores", np.zeros((2, 16), np.float32), r"\(2, 16\)"),
    ],
)
def test_an_array_of_wrong_kind_is_named(field, value, found):
    with pytest.raises(ValueError, match=rf"^{field} is .*{found}.*expected"):
        make(**{field: value})


def test_keypoints_come_with_scores():
    with pytest.raises(ValueError, match="both"):
        make(keypoints=None)


def test_people_one_at_a_time_are_views_of_the_rows():
    result = make(3)
    people = list(result)
    assert len(result) == len(people) == 3
    for i, person in enumerate(people):
        assert (person.id, person.score) == (i + 1, float(result.scores[i]))
        np.testing.assert_array_equal(person.keypoints, result.keypoints[i])
        assert np.shares_memory(person.box, result.boxes)
    assert next(iter(make(1, **BOXES_ONLY))).keypoints is None


def test_a_json_line_has_the_shape_of_the_contract():
    result = make(
        1,
        k=1,
        boxes=np.array([[10.126, 20.0, 30.5, 40.25]], np.float32),
        scores=np.array([0.9], np.float32),
        keypoints=np.array([[[-0.001, 12.3]]], np.float32),
        keypoint_scores=np.array([[0.123456]], np.float32),
        frame_index=0,
        time_s=1 / 3,
    )
    assert result.to_json() == (
        '{"frame": 0, "time": 0.333333, "source": "street.mp4", "people": [{"id": 1, '
        '"box": [10.13, 20.0, 30.5, 40.25], "score": 0.9, "class": 0, '
        '"keypoints": [[0.0, 12.3, 0.1235]]}]}'
    )


def test_json_without_a_pose_network_has_no_keypoints():
    assert [set(p) for p in json.loads(make(2, **BOXES_ONLY).to_json())["people"]] == [
        {"id", "box", "score", "class"}
    ] * 2


@settings(max_examples=50, derandomize=True, deadline=None)
@given(n=st.integers(0, 5), k=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_json_gives_the_values_back(n, k, seed):
    result = make(n, k, seed, source='a "b"\n\udcff.mp4')
    line = result.to_json()
    assert "\n" not in line
    back = json.loads(line)
    assert back == result.to_dict()
    assert (back["frame"], back["source"]) == (7, 'a "b"\n\udcff.mp4')
    assert len(back["people"]) == n
    for person, row in zip(back["people"], result, strict=True):
        assert person["id"] == row.id
        np.testing.assert_allclose(person["box"], row.box, atol=0.0051)
        np.testing.assert_allclose(person["score"], row.score, atol=0.000051)
        joints = np.array(person["keypoints"])
        np.testing.assert_allclose(joints[:, :2], row.keypoints, atol=0.0051)
        np.testing.assert_allclose(joints[:, 2], row.keypoint_scores, atol=0.000051)


def test_json_is_json_even_with_numbers_that_are_not_finite():
    result = make(2, time_s=math.nan)
    result.keypoints[0, 3] = np.nan
    result.boxes[1, 2] = np.inf

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    back = json.loads(result.to_json(), parse_constant=refuse)
    assert back["time"] is None
    assert back["people"][0]["keypoints"][3][:2] == [None, None]
    assert back["people"][1]["box"][2] is None
    assert result.to_mot()[:, 1].tolist() == [1]
    (person,) = result.to_coco(1)
    assert person["keypoints"][9:12] == [0, 0, 0]


def test_mot_rows():
    result = make(3, ids=np.array([5, -1, 2**40 + 1], np.int64))
    rows = result.to_mot()
    assert rows.shape == (2, 10)
    assert rows[:, 0].tolist() == [8, 8]
    assert [int(i) for i in rows[:, 1]] == [5, 2**40 + 1]
    box = result.boxes[2].astype(float)
    np.testing.assert_allclose(rows[1, 2:6], [box[0], box[1], box[2] - box[0], box[3] - box[1]])
    np.testing.assert_allclose(rows[:, 6], result.scores[[0, 2]])
    assert (rows[:, 7:] == -1).all()
    assert make(0, k=3).to_mot().shape == (0, 10)


# The ids of COCO's own category list for the first, 12th, 27th, 68th and 80th class.
@pytest.mark.parametrize(
    ("class_id", "category"), [(0, 1), (11, 13), (26, 31), (67, 77), (79, 90), (80, 81)]
)
def test_coco_categories_of_coco_models(class_id, category):
    result = make(1, class_ids=np.array([class_id], np.int32))
    assert result.to_coco(1)[0]["category_id"] == category


def test_coco_categories_of_other_models_are_counted_from_one():
    names = ("helmet", *(str(i) for i in range(78)), "vest")
    result = make(1, class_ids=np.array([26], np.int32), class_names=names)
    assert result.to_coco(1)[0]["category_id"] == 27
    result.class_names = ("person", *names[1:-1], "toothbrush")
    assert result.to_coco(1)[0]["category_id"] == 31


def test_coco_rescoring_is_that_of_hrnet():
    result = make(
        2,
        k=3,
        scores=np.array([0.8, 0.5], np.float32),
        keypoint_scores=np.array([[0.9, 0.5, 0.2], [0.1, 0.0, 0.05]], np.float32),
    )
    assert [p["score"] for p in result.to_coco(1)] == [0.8, 0.5]
    rescored = [p["score"] for p in result.to_coco(1, keypoint_score="rescored")]
    # float32 keeps 0.2 a little over the threshold of 0.2, and so does HRNet's own.
    assert rescored == [pytest.approx(0.8 * (0.9 + 0.5 + 0.2) / 3, abs=1e-6), 0.0]
    with pytest.raises(ValueError, match="needs keypoints"):
        make(1, **BOXES_ONLY).to_coco(1, keypoint_score="rescored")
    with pytest.raises(ValueError, match="'mean'"):
        result.to_coco(1, keypoint_score="mean")


@pytest.mark.parametrize("iou_type", ["bbox", "keypoints"])
def test_pycocotools_finds_the_truth_in_the_results(iou_type, capsys):
    coco_module = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    result = make(4, seed=3)
    truth = coco_module.COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": 790, "height": 576, "width": 768}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {
                "id": i + 1,
                "image_id": 790,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [float(v) for v in (*p.box[:2], *(p.box[2:] - p.box[:2]))],
                "area": float(np.prod(p.box[2:] - p.box[:2])),
                "num_keypoints": 17,
                "keypoints": np.column_stack([p.keypoints, np.full(17, 2)]).ravel().tolist(),
            }
            for i, p in enumerate(result)
        ],
    }
    truth.createIndex()
    run = evaluation.COCOeval(truth, truth.loadRes(result.to_coco(790)), iou_type)
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert run.stats[0] == pytest.approx(1.0)


def test_supervision_gets_the_arrays(monkeypatch):
    fake = types.ModuleType("supervision")
    fake.Detections = lambda **fields: types.SimpleNamespace(**fields)
    monkeypatch.setitem(sys.modules, "supervision", fake)
    result = make(2, class_names=("person",))
    detections = result.to_supervision()
    assert detections.xyxy is result.boxes
    assert detections.tracker_id is result.ids
    assert detections.data["class_name"].tolist() == ["person", "person"]
    assert detections.data["keypoints"] is result.keypoints
    assert make(2, ids=np.full(2, -1, np.int64)).to_supervision().tracker_id is None


def test_supervision_itself_takes_the_result():
    supervision = pytest.importorskip("supervision")
    for n in (0, 3):
        detections = make(n, class_names=("person",)).to_supervision()
        assert isinstance(detections, supervision.Detections)
        assert len(detections[detections.confidence > 2]) == 0
        assert len(detections) == n


def test_supervision_missing_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(Error, match="pip install supervision"):
        make().to_supervision()
