"""The task's own figure: equal to `edgert.evaluation` on the same images, and a metric."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import edgert
from edgert.engine import Engine
from edgert.errors import Error, ModelError, SourceError
from edgert.evaluation import CropPose, coco
from edgert.quant import CocoBoxes, CocoKeypoints, Fidelity, candidates, collect
from edgert.quant import search as search_layers
from edgert.quant import sensitivity as rank_layers
from edgert.quant.images.data import CalibrationData
from edgert.quant.rewrite.plan import Plan
from edgert.quant.trials.task import make_task
from edgert.quant.trials.trial import Trial

import flow_models as small
from cases import how_many

pytest.importorskip(
    "pycocotools", reason="pycocotools is not installed: pip install 'edgert[eval]'"
)

EVERY_BOX = {"score_threshold": 0.001, "nms_threshold": 0.7, "max_detections": 300}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return small.pictures(tmp_path_factory.mktemp("task") / "images")


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return small.detector(tmp_path_factory.mktemp("task") / "detector.onnx")


@pytest.fixture(scope="module")
def pose(tmp_path_factory):
    return small.pose(tmp_path_factory.mktemp("task") / "pose.onnx")


@pytest.fixture(scope="module")
def boxes_json(tmp_path_factory, detector, images):
    return small.annotate_boxes(tmp_path_factory.mktemp("task") / "b.json", detector, images)


@pytest.fixture(scope="module")
def people_json(tmp_path_factory, pose, images):
    path = tmp_path_factory.mktemp("task") / "p.json"
    return small.annotate_people(path, pose, images, missed=1.5)


def subset(annotations, names, folder):
    """A copy of an annotation file that knows of these images only."""
    data = json.loads(annotations.read_text())
    data["images"] = [row for row in data["images"] if row["file_name"] in names]
    ids = {row["id"] for row in data["images"]}
    data["annotations"] = [row for row in data["annotations"] if row["image_id"] in ids]
    path = folder / annotations.name
    path.write_text(json.dumps(data))
    return path


def report_of(task, model, items):
    return task.report(map(task.read, items, small.outputs_of(model, items)))


def same_boxes(model, folder, annotations, names, tmp_path):
    data = CalibrationData(model, [folder / name for name in names])
    found = report_of(CocoBoxes(model, annotations), model, list(data))
    with edgert.Pipeline(model, tracker=None, classes=None, **EVERY_BOX) as pipe:
        part = subset(annotations, names, tmp_path)
        expected = coco(pipe, folder, part, class_names=pipe.class_names)
    assert (found.images, found.boxes) == (len(names), expected.boxes)
    assert found.person == expected.person
    return found.boxes


def same_keypoints(model, folder, annotations, names, tmp_path):
    data = CalibrationData(model, [folder / name for name in names], annotations=annotations)
    found = report_of(CocoKeypoints(model, annotations), model, list(data))
    part = subset(annotations, names, tmp_path)
    expected = coco(CropPose(model), folder, keypoints_json=part, boxes="annotated")
    assert found.keypoints == expected.keypoints
    return found.keypoints


def test_box_ap_is_that_of_the_evaluation(detector, images, boxes_json, tmp_path):
    names = ["1.png", "4.png", "5.png", "8.png"]
    scores = same_boxes(detector, images, boxes_json, names, tmp_path)
    # Its own best detections are the truth, and those under them are false.
    assert 0.5 < scores.ap < 1
    assert scores.truths > 4


def test_keypoint_ap_is_that_of_the_evaluation(pose, images, people_json, tmp_path):
    scores = same_keypoints(pose, images, people_json, ["0.png", "3.png", "9.png"], tmp_path)
    assert 0.1 < scores.ap < 0.95
    assert scores.truths == 6


def test_real_boxes(asset, tmp_path):
    folder, annotations = asset("coco/images"), asset("coco/instances_train2017.json")
    names = [path.name for path in sorted(folder.glob("*.jpg"))[: how_many(6, 2)]]
    scores = same_boxes(asset("models/yolov8n.onnx"), folder, annotations, names, tmp_path)
    assert 0.2 < scores.ap < 0.9


def test_real_keypoints(asset, tmp_path):
    folder, annotations = asset("coco/images"), asset("coco/person_keypoints_train2017.json")
    people = {row["image_id"] for row in json.loads(annotations.read_text())["annotations"]}
    names = [f"{image:012d}.jpg" for image in sorted(people)[: how_many(6, 2)]]
    model = asset("models/pose_heatmap_256x192.onnx")
    scores = same_keypoints(model, folder, annotations, names, tmp_path)
    assert 0.2 < scores.ap < 0.95


@pytest.mark.parametrize("kind", ["boxes", "keypoints"])
def test_noise_in_the_outputs_costs(kind, request, images):
    if kind == "boxes":
        model, annotations = request.getfixturevalue("detector"), "boxes_json"
    else:
        model, annotations = request.getfixturevalue("pose"), "people_json"
    annotations = request.getfixturevalue(annotations)
    task = make_task(model, annotations)
    people = {} if kind == "boxes" else {"annotations": annotations}
    items = list(CalibrationData(model, images, **people))
    outputs = small.outputs_of(model, items)
    rng = np.random.default_rng(3)
    noisy = [[o + rng.normal(0, 0.5 * o.std(), o.shape).astype(np.float32) for o in each]
             for each in outputs]  # fmt: skip
    before = task(items, outputs)
    assert task.name == {"boxes": "box AP", "keypoints": "keypoint AP"}[kind]
    assert task(items, noisy) < before - 0.05
    agreed = Fidelity(model)
    assert agreed(items, outputs) == 1.0
    assert 0 < agreed(items, noisy) < 0.9
    # No network is needed where both results are there.
    pairs = [(agreed.read(i, a), agreed.read(i, b))
             for i, a, b in zip(items, outputs, noisy, strict=True)]  # fmt: skip
    assert agreed.share(pairs) == agreed(items, noisy)
    assert agreed.share([]) is None


def test_joints_found_where_they_are_have_an_ap_of_one(pose, images, tmp_path):
    exact = small.annotate_people(tmp_path / "exact.json", pose, images)
    items = list(CalibrationData(pose, images, annotations=exact))
    assert CocoKeypoints(pose, exact)(items, small.outputs_of(pose, items)) == pytest.approx(1)


@pytest.mark.parametrize("figure", ["ap", "agreement"])
def test_sensitivity_and_search_take_them(figure, detector, images, boxes_json):
    plan = Plan.default(detector, "portable")
    stats = collect(detector, images, tensors=plan.tensors)
    scales = candidates(stats, groups={*plan.groups.values()})["minmax"]
    task = CocoBoxes(detector, boxes_json) if figure == "ap" else Fidelity(detector)
    trial = Trial(detector, images, plan)
    rows = rank_layers(
        detector, scales, images, metric=task, screen=10, refine=10, top=None, trial=trial
    )
    reference, _ = trial.measure(task, None)
    assert reference == task(trial.items, small.outputs_of(detector, trial.items))
    for row in rows:
        score, _ = trial.measure(task, scales, {row.layer})
        assert (row.score, row.loss) == (score, reference - score)
    found = search_layers(detector, scales, images, rows, 0.0, 1.0, metric=task, trial=trial)
    assert found.steps[-1].drop == reference - found.steps[-1].score
    assert found.steps[-1].drop <= found.steps[0].drop
    assert found.steps[0].drop > 0


@pytest.mark.parametrize("luck", [1, -1], ids=["better by chance", "worse by chance"])
def test_a_figure_that_says_nothing_is_not_trusted_alone(luck, detector, images):
    plan = Plan.default(detector, "portable")
    stats = collect(detector, images, tensors=plan.tensors)
    scales = candidates(stats, groups={*plan.groups.values()})["minmax"]
    trial = Trial(detector, images, plan)
    rows = rank_layers(detector, scales, images, trial=trial)
    calls = iter(range(1000))

    def figure(items, outputs):
        return -luck * 0.01 * next(calls)  # first of the float network, then step by step

    def search(max_drop, min_sqnr):
        return search_layers(
            detector, scales, images, rows, max_drop, 0.5,
            metric=figure, min_sqnr=min_sqnr, trial=trial,
        )  # fmt: skip

    assert len(search(1.0, None).kept) == 0
    noise = [step.sqnr for step in search(1.0, 149.0).steps]
    assert len(noise) == 3
    assert noise == sorted(noise)
    # Never reached: the least noise is the best, whatever the figure says.
    assert len(search(1.0, 149.0).kept) == 2
    assert len(search(0.0, 149.0).kept) == 2
    # Reached on the way.
    assert len(search(1.0, (noise[0] + noise[1]) / 2).kept) == 1


pytestmark = pytest.mark.filterwarnings("ignore:.*under 500:edgert.errors.CalibrationWarning")


def test_images_that_are_not_annotated_are_refused(detector, images, boxes_json, tmp_path):
    task = CocoBoxes(detector, boxes_json)
    task.require(CalibrationData(detector, images))
    strange = small.pictures(tmp_path / "strange", 1)
    (strange / "0.png").rename(strange / "strange.png")
    data = CalibrationData(detector, strange)
    with pytest.raises(SourceError, match=r"strange\.png is not among the 10 images of .*b\.json"):
        task.require(data)
    items = list(data)
    with pytest.raises(SourceError, match="is not among"):
        task(items, small.outputs_of(detector, items))
    arrays = CalibrationData(detector, [np.zeros((48, 64, 3), np.uint8)])
    with pytest.raises(SourceError, match="array 0 is not among"):
        task.require(arrays)


def test_an_image_that_exif_turns_is_refused(detector, boxes_json, tmp_path):
    image = Image.new("RGB", (64, 48))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "3.png", exif=exif)
    with pytest.raises(SourceError, match=r"3\.png: its EXIF data turn or mirror it"):
        CocoBoxes(detector, boxes_json).require(CalibrationData(detector, tmp_path))


def test_keypoint_ap_wants_annotated_boxes(pose, model, images, people_json):
    data = CalibrationData(pose, images, detector=model("detector"))
    with pytest.raises(ValueError, match="annotations= instead of detector="):
        CocoKeypoints(pose, people_json).require(data)


def test_each_kind_of_network_has_its_figure(
    detector, pose, model, boxes_json, people_json, tmp_path
):
    assert isinstance(make_task(detector, boxes_json), CocoBoxes)
    assert isinstance(make_task(Engine(pose).path, people_json), CocoKeypoints)
    with pytest.raises(ModelError, match="expected a pose network"):
        CocoKeypoints(detector, people_json)
    with pytest.raises(ModelError, match="expected a detector"):
        make_task(model("classifier"), boxes_json)
    text = json.loads(boxes_json.read_text())
    text["categories"] = [{**row, "name": f"no {row['name']}"} for row in text["categories"]]
    (tmp_path / "no.json").write_text(json.dumps(text))
    with pytest.raises(Error, match="no name in common"):
        CocoBoxes(detector, tmp_path / "no.json")
    with pytest.raises(Error, match="no category 'person'"):
        CocoKeypoints(pose, tmp_path / "no.json")
