"""The INT8 benchmark's own arithmetic: which images, which noise, which layers, which means."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from quant_splits import people_per_image, splits, subset
from quant_table import markdown
from quant_tasks import Noise, float_convolutions


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    """40 images; image i has i // 8 people, and one crowd and one without keypoints."""
    people = [
        {"image_id": i, "num_keypoints": 5, "iscrowd": 0} for i in range(40) for _ in range(i // 8)
    ]
    ignored = [{"image_id": i, "num_keypoints": 0, "iscrowd": i % 2} for i in range(40)]
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in range(40)]
    path = tmp_path / "person_keypoints.json"
    path.write_text(json.dumps({"images": images, "annotations": people + ignored}))
    return path


def test_splits_are_disjoint_and_cover_every_image(annotations: Path) -> None:
    first, second, other, _ = splits(annotations, 4)
    for split in (first, second, other):
        assert sorted({*split.calibration, *split.test}) == list(range(40))
        assert not set(split.calibration) & set(split.test)
        assert set(split.tune) < set(split.calibration)
        assert len(split.calibration) == len(split.test) == 20
    assert first.calibration == second.test
    assert first.test == second.calibration
    assert first.calibration != other.calibration
    assert splits(annotations, 4)[2] == other


def test_every_part_of_a_split_has_its_share_of_people(annotations: Path) -> None:
    people = people_per_image(annotations)
    assert [people[i] for i in (0, 7, 8, 39)] == [0, 0, 1, 4]
    for split in splits(annotations, 6):
        means = [
            np.mean([people[i] for i in ids]) for ids in (split.calibration, split.tune, split.test)
        ]
        assert np.allclose(means, 2.0, atol=0.35)


def test_a_subset_has_its_images_and_their_annotations_only(
    annotations: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "part"
    folder.mkdir()
    data = json.loads(subset(annotations, (8, 39), folder).read_text())
    assert [row["id"] for row in data["images"]] == [8, 39]
    assert sum(row["num_keypoints"] > 0 for row in data["annotations"]) == 1 + 4
    with pytest.raises(ValueError, match=r"\[40\]"):
        subset(annotations, (39, 40), folder)


def test_noise_is_summed_over_images_before_the_ratio() -> None:
    noise = Noise()
    noise.add("y", np.float32([3.0, 4.0]), np.float32([3.0, 4.5]))
    noise.add("y", np.float32([0.0, 5.0]), np.float32([0.5, 5.0]))
    noise.add("same", np.float32([1.0]), np.float32([1.0]))
    found = noise.decibels()
    assert found["y"] == pytest.approx(10 * np.log10((25 + 25) / (0.25 + 0.25)))
    assert found["same"] == np.inf


def test_convolutions_count_as_float_unless_their_input_is_dequantized(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), "w")
    scale = numpy_helper.from_array(np.float32(0.1), "s")
    zero = numpy_helper.from_array(np.int8(0), "z")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Conv", ["d", "w"], ["a"]),
        helper.make_node("Conv", ["a", "w"], ["b"]),
        helper.make_node("Conv", ["x", "w"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [], [], [weight, scale, zero])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph), path)
    assert float_convolutions(path) == (2, 3)


def test_the_table_pairs_each_split_with_its_own_float_figures() -> None:
    def figures(ap: float, **more: float) -> dict[str, float]:
        return {"AP": ap, "SQNR boxes": 20.0, "float convolutions": 5, "convolutions": 64, **more}

    found = {
        ("FP32", "", ""): {"a": figures(0.40), "b": figures(0.50)},
        ("edgert", "portable", "mse"): {"a": figures(0.39, kept=3), "b": figures(0.495, kept=2)},
    }
    *_, row = markdown(found).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[3] == "0.4425 (0.3900 .. 0.4950)"
    assert cells[4] == "0.75 (0.50 .. 1.00)"
    assert cells[6:8] == ["5", "4.7 %"]
