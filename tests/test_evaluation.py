"""`edgert.evaluation`: known answers, class mapping, and errors that say what to do."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from edgert.errors import Error, SourceError
from edgert.evaluation import coco

pytest.importorskip(
    "pycocotools", reason="pycocotools is not installed: pip install 'edgert[eval]'"
)

SIZE = (240, 320)
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 7, "name": "train"}]
PERSON_BOXES = [[30, 20, 80, 200], [150, 40, 60, 150]]
TRAIN_BOX = [10, 10, 200, 100]


def annotation(identity, image, category, box, keypoints=None):
    row = {
        "id": identity,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": 0,
    }
    if keypoints is not None:
        flat = np.column_stack([keypoints, np.full(len(keypoints), 2)]).ravel()
        row |= {"keypoints": flat.tolist(), "num_keypoints": len(keypoints)}
    return row


def true_keypoints(n):
    x, y, w, h = PERSON_BOXES[n]
    return np.random.default_rng(n).uniform((x, y), (x + w, y + h), (17, 2))


@pytest.fixture
def dataset(tmp_path):
    """Two images: two people on the first, a train on the second."""
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / name)
    entries = [
        {"id": i, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
        for i, name in enumerate(("a.png", "b.png"), start=1)
    ]
    people = [annotation(i, 1, 1, PERSON_BOXES[i], true_keypoints(i)) for i in range(2)]
    train = [annotation(2, 2, 7, TRAIN_BOX)]

    def write(name, annotations):
        content = {"images": entries, "annotations": annotations, "categories": CATEGORIES}
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    return SimpleNamespace(
        folder=tmp_path,
        instances=write("instances.json", people + train),
        keypoints=write("keypoints.json", people),
    )


def result(rows, keypoints=None, keypoint_scores=None):
    """A result of (class, xywh box, score) rows."""
    boxes = np.array([box for _, box, _ in rows], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return SimpleNamespace(
        boxes=boxes,
        scores=np.array([score for *_, score in rows], np.float32),
        class_ids=np.array([class_id for class_id, *_ in rows], np.int32),
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
    )


def in_turn(*results):
    """A pipeline that gives these results, one a call."""
    left = list(results)
    return lambda frame: left.pop(0)


def test_perfect_boxes_have_an_ap_of_one(dataset):
    pipeline = in_turn(
        result([(0, PERSON_BOXES[0], 0.9), (0, PERSON_BOXES[1], 0.8)]),
        result([(1, TRAIN_BOX, 0.7)]),
    )
    report = coco(pipeline, dataset.folder, dataset.instances)
    assert (report.images, report.boxes.truths, report.boxes.results) == (2, 3, 3)
    assert report.boxes.ap == pytest.approx(1)
    assert report.person.ap == pytest.approx(1)
    assert report.keypoints is None


def test_a_missed_class_halves_the_mean_over_two(dataset):
    people = result([(0, PERSON_BOXES[0], 0.9), (0, PERSON_BOXES[1], 0.8)])
    report = coco(in_turn(people, result([])), dataset.folder, dataset.instances)
    assert report.boxes.ap == pytest.approx(0.5)
    assert report.person.ap == pytest.approx(1)


def test_classes_are_mapped_by_name(dataset):
    pipeline = in_turn(
        result([(2, PERSON_BOXES[0], 0.9), (2, PERSON_BOXES[1], 0.8), (1, TRAIN_BOX, 0.9)]),
        result([(0, TRAIN_BOX, 0.7)]),
    )
    names = ["train", "unicorn", "person"]
    report = coco(pipeline, dataset.folder, dataset.instances, class_names=names)
    assert report.boxes.ap == pytest.approx(1)
    assert report.boxes.results == 3


def keypoint_result(shift, classes=(0, 0)):
    points = np.stack([true_keypoints(0), true_keypoints(1)]) + shift
    rows = [(c, box, 0.9) for c, box in zip(classes, PERSON_BOXES, strict=True)]
    return result(rows, points.astype(np.float32), np.full((2, 17), 0.8, np.float32))


NOBODY = result([], np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32))


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 1.0), (200.0, 0.0)])
def test_keypoints(dataset, shift, expected):
    pipeline = in_turn(keypoint_result(shift), NOBODY)
    report = coco(pipeline, dataset.folder, keypoints_json=dataset.keypoints)
    assert report.keypoints.ap == pytest.approx(expected)
    assert report.keypoint_boxes == "detector"


def test_only_people_count_for_keypoints(dataset):
    pipeline = in_turn(keypoint_result(0.0, classes=(0, 1)), NOBODY)
    report = coco(pipeline, dataset.folder, keypoints_json=dataset.keypoints)
    assert report.keypoints.results == 1


def test_annotated_boxes_are_handed_over(dataset):
    seen = []

    def estimate(frame, boxes):
        seen.append((frame.shape, boxes.tolist()))
        points = np.stack([true_keypoints(0), true_keypoints(1)])
        return points.astype(np.float32), np.ones((2, 17), np.float32)

    report = coco(estimate, dataset.folder, keypoints_json=dataset.keypoints, boxes="annotated")
    assert seen == [((*SIZE, 3), [[30, 20, 110, 220], [150, 40, 210, 190]])]
    assert report.keypoints.ap == pytest.approx(1)
    assert report.keypoint_boxes == "annotated"


def test_the_person_score_is_hrnets(dataset):
    from edgert.evaluation.rows import keypoint_rows

    points = np.zeros((2, 3, 2), np.float32)
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.0]], np.float32)
    rows = keypoint_rows(1, 1, np.array([0.5, 0.5], np.float32), points, scores)
    assert [row["score"] for row in rows] == pytest.approx([0.5 * 0.4, 0.0])


def test_both_tasks_come_in_one_report(dataset):
    nobody = result([], NOBODY.keypoints, NOBODY.keypoint_scores)
    pipeline = in_turn(nobody, nobody, keypoint_result(0.0), nobody)
    report = coco(pipeline, dataset.folder, dataset.instances, dataset.keypoints)
    assert report.boxes.ap == 0
    assert report.keypoints.ap == pytest.approx(1)
    assert set(report.milliseconds) == {"boxes", "keypoints"}
    assert json.loads(json.dumps(report.to_dict()))["keypoints"]["ap"] == report.keypoints.ap
    assert report.table().row_count == 3


def test_bgr_pixels_of_the_file_are_what_the_pipeline_sees(dataset):
    red = np.zeros((*SIZE, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(dataset.folder / "a.png")
    seen = []
    coco(lambda frame: seen.append(frame) or NOBODY, dataset.folder, dataset.instances)
    assert seen[0][0, 0].tolist() == [0, 0, 200]
    assert seen[0].flags.c_contiguous


def test_a_pipeline_without_pose_is_named(dataset):
    with pytest.raises(Error, match="pose network"):
        coco(lambda frame: result([]), dataset.folder, keypoints_json=dataset.keypoints)


def test_a_model_without_people_is_named(dataset):
    with pytest.raises(Error, match=r"unicorn.*no 'person'"):
        coco(
            lambda frame: NOBODY,
            dataset.folder,
            keypoints_json=dataset.keypoints,
            class_names=["unicorn"],
        )


def test_no_class_in_common_is_named(dataset):
    with pytest.raises(Error, match=r"unicorn.*person.*no name in common"):
        coco(lambda frame: NOBODY, dataset.folder, dataset.instances, class_names=["unicorn"])


def test_a_missing_image_is_named(dataset):
    (dataset.folder / "b.png").unlink()
    with pytest.raises(SourceError, match=r"b\.png"):
        coco(lambda frame: NOBODY, dataset.folder, dataset.instances)


def test_an_image_of_another_size_is_named(dataset):
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(dataset.folder / "b.png")
    with pytest.raises(SourceError, match=r"b\.png is 20x10.*320x240"):
        coco(lambda frame: NOBODY, dataset.folder, dataset.instances)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "cannot read the annotations"),
        ("[]", "not a COCO annotation file"),
        ('{"images": [], "annotations": [], "categories": []}', "lists no images"),
    ],
)
def test_bad_annotations_are_named(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(SourceError, match=rf"bad\.json.*{message}|{message}.*bad\.json"):
        coco(lambda frame: NOBODY, tmp_path, path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "instances_json"),
        ({"instances_json": "x", "boxes": "guessed"}, "guessed"),
        ({"instances_json": "x", "boxes": "annotated"}, "keypoints_json"),
    ],
)
def test_wrong_use_is_a_value_error(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        coco(lambda frame: NOBODY, tmp_path, **arguments)


def test_missing_pycocotools_names_the_command(dataset, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(Error, match=r"pip install 'edgert\[eval\]'"):
        coco(lambda frame: NOBODY, dataset.folder, dataset.instances)
