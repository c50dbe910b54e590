"""Calibration data: the bits that the pipeline feeds, from any source, in any state."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgert
from edgert import ops
from edgert.errors import DamagedInputWarning, ModelError, SourceError
from edgert.io.picture import read_image
from edgert.models import DetectorModel, PoseModel
from edgert.quant.images.check import Survey
from edgert.quant.images.data import CalibrationData
from edgert.quant.images.picture import Picture

from media_files import cut, make_video


def save(path: Path, image: np.ndarray) -> Path:
    Image.fromarray(image[..., ::-1]).save(path)
    return path


@pytest.fixture
def pictures(picture, tmp_path: Path) -> Path:
    """Six different images with two people each."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(6):
        image = picture.copy()
        image[0, 0] = index
        save(folder / f"{index}.png", image)
    return folder


def annotate(folder: Path, boxes: dict[str, list], **extra: object) -> Path:
    images, rows = [], []
    for number, (name, people) in enumerate(boxes.items()):
        with Image.open(folder / name) as opened:
            width, height = opened.size
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for x1, y1, x2, y2 in people:
            box = [x1, y1, x2 - x1, y2 - y1]
            rows.append({"image_id": number, "category_id": 1, "bbox": box, "iscrowd": 0, **extra})
    path = folder / "people.json"
    categories = [{"id": 1, "name": "person"}]
    text = {"images": images, "annotations": rows, "categories": categories}
    path.write_text(json.dumps(text))
    return path


def fed(monkeypatch: pytest.MonkeyPatch, kind: type) -> list[np.ndarray]:
    """What pipelines made from now on feed to networks of a kind, run by run."""
    inputs: list[np.ndarray] = []
    bind = kind.bind

    def spy(self):
        bound = bind(self)

        def run(count):
            inputs.append(bound.input[:count].copy())
            bound.run(count)

        return type(bound)(run, bound.input, bound.outputs)

    monkeypatch.setattr(kind, "bind", spy)
    return inputs


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(
    "notes",
    [
        {},
        {
            "edgert.mean": "[0.3, 0.4, 0.5]",
            "edgert.std": "[0.2, 0.3, 0.4]",
            "edgert.pad_value": "[7]",
        },
    ],
    ids=["plain", "normalised"],
)
def test_a_detector_sees_the_bits_of_the_pipeline(
    model, pictures, monkeypatch, dtype, notes
) -> None:
    path = model("detector", dtype=dtype, metadata=tuple(notes.items()))
    inputs = fed(monkeypatch, DetectorModel)
    with edgert.Pipeline(path, tracker=None) as pipe:
        found = list(pipe.run(str(pictures)))
    assert len(found) == 6
    for item, tensor, result in zip(CalibrationData(path, pictures), inputs, found, strict=True):
        assert item.tensor.dtype == dtype
        np.testing.assert_array_equal(item.tensor, tensor)
        assert (item.size, item.source, item.box) == (result.size, result.source, None)


@pytest.mark.parametrize("notes", [(), (("edgert.padding", "[1.5]"),)], ids=["usual", "padding"])
def test_a_pose_network_sees_the_crops_of_the_pipeline(model, pictures, monkeypatch, notes) -> None:
    detector, path = model("detector"), model("pose", metadata=notes)
    inputs = fed(monkeypatch, PoseModel)
    with edgert.Pipeline(detector, path, tracker=None) as pipe:
        found = list(pipe.run(str(pictures)))
    expected = np.concatenate(inputs)
    items = list(CalibrationData(path, pictures, detector=detector))
    assert len(items) == len(expected) >= 12
    np.testing.assert_array_equal(np.concatenate([item.tensor for item in items]), expected)
    boxes = np.concatenate([result.boxes for result in found])
    np.testing.assert_array_equal(np.array([item.box for item in items], np.float32), boxes)


def test_real_images_are_letterboxed_as_ops_does(asset) -> None:
    data = CalibrationData(asset("models/yolov8n.onnx"), asset("coco/images"), limit=4)
    for item in data:
        tensor, to_frame = ops.letterbox(read_image(Path(item.source)), (640, 640))
        np.testing.assert_array_equal(item.tensor, tensor)
        np.testing.assert_array_equal(item.to_frame, to_frame)


def test_annotated_people_are_cropped_as_ops_does(model, pictures) -> None:
    boxes = {
        "0.png": [(30, 30, 50, 90), (100, 20, 130, 100)],
        "3.png": [(5, 5, 25, 60)],
        "4.png": [],
    }
    data = CalibrationData(model("pose"), pictures, annotations=annotate(pictures, boxes))
    items = list(data)
    assert [Path(item.source).name for item in items] == ["0.png", "0.png", "3.png"]
    for item in items:
        tensor, to_frame = ops.crop_people(read_image(Path(item.source)), [item.box], (64, 48))
        np.testing.assert_array_equal(item.tensor, tensor)
        np.testing.assert_array_equal(item.to_frame, to_frame[0])
    assert len({item.digest for item in items}) == 3


def test_annotations_refer_to_the_pixels_as_stored(model, tmp_path, picture) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture).save(tmp_path / "turned.png", exif=exif)
    annotations = annotate(tmp_path, {"turned.png": [(30, 30, 50, 90)]})
    (item,) = CalibrationData(model("pose"), tmp_path, annotations=annotations)
    assert item.size == picture.shape[:2]


def test_annotations_without_keypoints_in_a_person_are_left_out(model, pictures) -> None:
    annotations = annotate(pictures, {"0.png": [(30, 30, 50, 90)]}, num_keypoints=0)
    with pytest.raises(SourceError, match="no person in any of 6 images"):
        list(CalibrationData(model("pose"), pictures, annotations=annotations))


def test_every_kind_of_source_gives_the_same_items(model, pictures) -> None:
    path = model("detector")
    expected = [item.tensor for item in CalibrationData(path, pictures)]
    files = sorted(pictures.iterdir())
    arrays = [read_image(file) for file in files]
    for source in (
        str(pictures),
        f"{pictures}/*.png",
        files,
        arrays,
        np.stack(arrays),
        iter(arrays),
    ):
        found = [item.tensor for item in CalibrationData(path, source)]
        np.testing.assert_array_equal(found, expected)


def test_a_digest_is_of_the_content_and_not_of_the_place(model, pictures, tmp_path) -> None:
    path = model("detector")
    other = shutil.copytree(pictures, tmp_path / "other")
    first, second = ([i.digest for i in CalibrationData(path, f)] for f in (pictures, other))
    assert first == second
    assert len(set(first)) == 6


def test_a_video_is_taken_with_a_stride(model, tmp_path) -> None:
    video = tmp_path / "v.mkv"
    make_video(video, frames=20)
    path = model("detector")
    every = [item.tensor for item in CalibrationData(path, video)]
    some = list(CalibrationData(path, video, stride=6))
    assert [item.source for item in some] == [f"{video}#{n}" for n in (0, 6, 12, 18)]
    np.testing.assert_array_equal([item.tensor for item in some], every[::6])


def test_limit_and_seed_choose(model, pictures) -> None:
    def names(**options: int) -> list[str]:
        data = CalibrationData(model("detector"), pictures, **options)
        return [Path(item.source).stem for item in data]

    assert names(limit=2) == ["0", "1"]
    choices = {tuple(names(limit=3, seed=seed)) for seed in range(8)}
    assert len(choices) > 2
    assert names(limit=3, seed=5) == names(limit=3, seed=5) == sorted(names(limit=3, seed=5))


@pytest.mark.parametrize("seed", range(5))
def test_halves_are_disjoint_even_where_images_are_equal(model, pictures, seed) -> None:
    for number in range(4):
        shutil.copy(pictures / "0.png", pictures / f"copy{number}.png")
    halves = CalibrationData(model("detector"), pictures).split(0.5, seed)
    one, other = ({item.digest for item in half} for half in halves)
    assert not one & other
    assert len(one | other) == 6
    assert sum(len(half) for half in halves) == 10


def test_a_broken_image_is_skipped_and_named_once(model, pictures) -> None:
    cut(pictures / "2.png", 0.5)
    data = CalibrationData(model("detector"), pictures)
    with pytest.warns(DamagedInputWarning, match=r"2\.png: broken image.*skipped") as caught:
        assert len(list(data)) == 5
    assert len(caught) == 1 == len(data.skipped)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(data)) == 5


def test_no_usable_image_is_an_error(model, tmp_path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff nothing")
    data = CalibrationData(model("detector"), tmp_path)
    with (
        pytest.warns(DamagedInputWarning),
        pytest.raises(SourceError, match=r"no image can be used.*1 are broken.*a\.jpg"),
    ):
        list(data)


def test_what_does_not_go_together_is_refused(model, pictures) -> None:
    pose, detector = model("pose"), model("detector")
    with pytest.raises(ValueError, match="give either detector="):
        CalibrationData(pose, pictures)
    with pytest.raises(ValueError, match="sees whole images"):
        CalibrationData(detector, pictures, detector=detector)
    with pytest.raises(ModelError, match="expected a pose network"):
        CalibrationData(model("classifier"), pictures)
    with pytest.raises(SourceError, match="not a COCO annotation file"):
        CalibrationData(pose, pictures, annotations=pictures / "0.png")
    data = CalibrationData(detector, iter([np.zeros((9, 9, 3), np.uint8)]))
    assert len(list(data)) == 1
    with pytest.raises(ValueError, match="an iterator can be gone through once"):
        list(data)


def test_preprocessing_tells_models_apart(model, pictures) -> None:
    def text(kind: str, **options: object) -> str:
        annotations = annotate(pictures, {"0.png": []}) if kind == "pose" else None
        return CalibrationData(
            model(kind, **options), pictures, annotations=annotations
        ).preprocessing

    texts = [
        text("detector"),
        text("detector", size=(32, 64)),
        text("detector", dtype=np.float16),
        text("detector", metadata=(("edgert.pad_value", "[0]"),)),
        text("pose"),
        text("pose", metadata=(("edgert.padding", "[1.4]"),)),
    ]
    assert len(set(texts)) == len(texts)
    assert text("detector", classes=3) == texts[0]


def survey(images: list[np.ndarray], people: int | None = None) -> str:
    found = Survey()
    for index, image in enumerate(images):
        found.add(Picture(f"i{index}", "", lambda: None), image, people)  # type: ignore[arg-type]
    return "\n".join(found.findings())


def noise(count: int, light: int = 128, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    cells = random.integers(max(0, light - 100), light + 100, (count, 8, 9, 1))
    return [np.repeat(np.kron(c[..., 0], np.ones((10, 10)))[..., None], 3, 2) for c in cells]


def test_a_good_set_is_left_in_peace() -> None:
    assert survey(noise(600)) == ""
    assert survey(noise(300), people=2) == ""


def test_warnings_name_figure_and_advice() -> None:
    assert "20 images, under 500" in survey(noise(20))
    assert "1001 images, over 1000" in survey(noise(1001))
    assert "500 of 500 images have a mean brightness under 40" in survey(
        [image * 0.1 for image in noise(500)]
    )
    assert "100 people in 50 images, under 500" in survey(noise(50), people=2)
    scenes = noise(250)
    jitter = [image + np.random.default_rng(7).normal(0, 1, image.shape) for image in scenes]
    text = survey([image for pair in zip(scenes, jitter, strict=True) for image in pair])
    assert "250 of 500 images are nearly the same" in text
    assert "such as i1 and i0" in text


def test_real_images_are_no_duplicates_but_video_frames_are(asset) -> None:
    images = [read_image(path) for path in sorted(asset("coco/images").iterdir())[:40]]
    assert "nearly the same" not in survey(images)
    from edgert.io import open_source

    with open_source(asset("videos/vtest.avi")) as source:
        frames = [frame.image for frame, _ in zip(source, range(20), strict=False)]
    assert "19 of 20 images are nearly the same" in survey(frames)
