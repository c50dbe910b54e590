"""`edgert eval`: what it refuses, what it writes."""

import json

import pytest

from edgert.cli import main

from cases import how_many
from reference.media import assets

COCO = assets() / "coco"
MODELS = assets() / "models"
POSE = str(MODELS / "pose_heatmap_256x192.onnx")
IMAGES = ["--images", str(COCO / "images")]
HOW_MANY = how_many(6, few=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--instances"),
        (["--instances", "x.json"], "--detector"),
        (["--keypoints", "x.json", "--detector", "d.onnx"], "--pose"),
        (["--keypoints", "x.json", "--pose", "p.onnx"], "--detector"),
        (["--instances", "x.json", "--detector", "d.onnx", "--boxes", "annotated"], "--keypoints"),
    ],
)
def test_wrong_use_names_the_missing_option(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["eval", "--images", ".", *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["eval", "--help"])
    assert stop.value.code == 0
    assert "edgert eval --detector yolov8n.onnx" in capsys.readouterr().out


def test_an_unwritable_report_is_refused_before_any_work(tmp_path, capsys):
    arguments = ["--instances", "missing.json", "--detector", "missing.onnx"]
    path = tmp_path / "nowhere" / "report.json"
    status = main(["eval", *IMAGES, *arguments, "--json-report", str(path)])
    assert status == 1
    assert str(path) in capsys.readouterr().err


@pytest.fixture
def few_people(tmp_path):
    """The keypoint annotations of the first images."""
    if not COCO.exists() or not MODELS.exists():
        pytest.skip(f"no COCO images or no models in {assets()}; set EDGERT_ASSETS")
    pytest.importorskip("pycocotools", reason="pip install 'edgert[eval]'")
    content = json.loads((COCO / "person_keypoints_train2017.json").read_text())
    content["images"] = sorted(content["images"], key=lambda entry: entry["id"])[:HOW_MANY]
    kept = {entry["id"] for entry in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    path = tmp_path / "people.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_annotated_boxes_need_no_detector(few_people, tmp_path, capsys):
    path = tmp_path / "report.json"
    options = ["--boxes", "annotated", "--pose", POSE, "--json-report", str(path)]
    assert main(["eval", *IMAGES, "--keypoints", few_people, *options]) == 0
    report = json.loads(path.read_text())
    assert report["images"] == HOW_MANY
    assert report["keypoints"]["results"] == report["keypoints"]["truths"] > 0
    assert report["keypoints"]["ap"] > 0.1
    assert report["keypoint_boxes"] == "annotated"
    captured = capsys.readouterr()
    assert f"{report['keypoints']['ap']:.4f}" in captured.out
    assert captured.err == ""  # no progress in a pipe


def test_both_tasks(few_people, capfd):
    instances = ["--instances", few_people, "--detector", str(MODELS / "yolov8n.onnx")]
    options = ["--keypoints", few_people, "--pose", POSE, "--json-report", "-"]
    assert main(["eval", *IMAGES, *instances, *options]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["person"]["ap"] > 0.2
    assert report["keypoints"]["ap"] > 0.1
    assert set(report["milliseconds"]) == {"boxes", "keypoints"}
