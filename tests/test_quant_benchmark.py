"""The INT8 benchmark's own arithmetic: which images, which noise, which layers, which means."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from quant_splits import people_per_image, splits, subset
from quant_table import DEFAULT, FLOAT, compared_with, markdown, summary
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


@pytest.fixture
def squares(tmp_path: Path) -> tuple[Path, dict[str, list[dict]]]:
    """24 images with squares of two classes; a detector that is wrong at random."""
    pytest.importorskip("pycocotools", reason="pip install 'edgert[eval]'")
    random = np.random.default_rng(7)
    truths, results = [], []
    for image in range(24):
        for _ in range(3):
            x, y, size = (*random.uniform(0, 200, 2), random.uniform(20, 90))
            box, kind = [x, y, size, size], int(random.integers(1, 3))
            truth = {"image_id": image, "category_id": kind, "bbox": box, "area": size * size}
            truths.append({"id": len(truths) + 1, "iscrowd": 0, **truth})
            x += random.normal(0, size / 8)
            found = {"image_id": image, "category_id": kind, "bbox": [x, y, size, size]}
            results.append({**found, "score": float(random.uniform())})
    path = tmp_path / "instances.json"
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 300, "height": 300} for i in range(24)]
    categories = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    path.write_text(json.dumps({"images": images, "annotations": truths, "categories": categories}))
    return path, results


HALVES = {"first": range(12), "second": range(12, 24)}


def by_split(results: list[dict], tests: dict[str, range]) -> dict[str, list[dict]]:
    return {
        split: [row for row in results if row["image_id"] in ids] for split, ids in tests.items()
    }


def test_pooled_ap_is_that_of_all_results_together(squares) -> None:
    from edgert.evaluation.dataset import Dataset
    from quant_pooled import DRAWS, Pooled

    path, results = squares
    whole = Dataset(path, path.parent).score("bbox", results, [1, 2])
    ap, draws = Pooled(path, "bbox", HALVES).judge(by_split(results, HALVES))
    assert ap == pytest.approx(whole.ap, abs=1e-12)
    assert 0.2 < ap < 0.8
    assert draws.shape == (DRAWS,)
    assert np.percentile(draws, 5) < ap < np.percentile(draws, 95)
    # Tested twice with the same results: every image counts twice, and still goes as one.
    twice = {**HALVES, "third": range(24)}
    again, redrawn = Pooled(path, "bbox", twice).judge(by_split(results, twice))
    assert again == pytest.approx(ap, abs=0.02)
    assert redrawn.std() == pytest.approx(draws.std(), rel=0.15)
    missed, redrawn = Pooled(path, "bbox", twice).judge({**by_split(results, HALVES), "third": []})
    assert missed < 0.8 * ap
    assert redrawn.mean() == pytest.approx(missed, abs=0.03)


def test_a_draw_is_what_pycocotools_makes_of_copied_images(squares) -> None:
    from edgert.evaluation.dataset import Dataset
    from quant_pooled import Pooled

    path, results = squares
    pooled = Pooled(path, "bbox", HALVES)
    _, draws = pooled.judge(by_split(results, HALVES))
    content = json.loads(path.read_text())
    drawn = pooled._draws[3]
    copied = {"images": [], "annotations": [], "categories": content["categories"]}
    copies = []
    for new, old in enumerate(drawn):
        copied["images"].append({**content["images"][old], "id": new})
        for row in content["annotations"]:
            if row["image_id"] == old:
                number = len(copied["annotations"]) + 1
                copied["annotations"].append({**row, "id": number, "image_id": new})
        copies += [{**row, "image_id": new} for row in results if row["image_id"] == old]
    path.write_text(json.dumps(copied))
    assert len(set(drawn)) < 24
    assert draws[3] == pytest.approx(
        Dataset(path, path.parent).score("bbox", copies, [1, 2]).ap, abs=1e-12
    )


def test_networks_are_compared_on_the_same_images(squares) -> None:
    """A network that is as good everywhere differs by nothing; one that is worse, for certain."""
    from quant_pooled import Pooled, difference

    path, results = squares
    pooled = Pooled(path, "bbox", HALVES)
    judged = pooled.judge(by_split(results, HALVES))
    assert difference(judged, judged) == {"points": 0.0, "low": 0.0, "high": 0.0}
    others = [
        pooled.judge(
            by_split([{**r, "bbox": [r["bbox"][0] + by, *r["bbox"][1:]]} for r in results], HALVES)
        )
        for by in (1, 8)
    ]
    near, far = (difference(judged, other) for other in others)
    assert near["low"] < 0 < near["high"]
    assert 0 < far["low"] < far["points"] < far["high"]
    # On draws of its own either would be lucky without the other.
    apart = difference(judged, (others[0][0], others[0][1][::-1]))
    assert near["high"] - near["low"] < 0.8 * (apart["high"] - apart["low"])
    nothing = pooled.judge({"first": [], "second": []})
    assert nothing[0] == 0
    assert difference(judged, nothing)["points"] == pytest.approx(100 * judged[0])
    half = {**by_split(results, HALVES), "second": []}
    assert 0 < pooled.judge(half)[0] < judged[0]


def test_the_table_says_which_differences_are_real() -> None:
    def figures(ap: float, **more: float) -> dict[str, float]:
        return {"AP": ap, "SQNR boxes": 20.0, "float convolutions": 5, "convolutions": 64, **more}

    row = ("edgert", "portable, keep-list", "mse")
    assert compared_with(row) == {
        "lost": FLOAT, "behind": DEFAULT, "by keeping": ("edgert", "portable", "mse"),
    }  # fmt: skip
    assert "by keeping" not in compared_with(DEFAULT)
    found = {
        FLOAT: {"a": figures(0.40), "b": figures(0.50)},
        row: {"a": figures(0.39, kept=3), "b": figures(0.495, kept=2)},
    }
    none = {"points": 0.0, "low": 0.0, "high": 0.0}
    pooled = {
        FLOAT: {"AP": 0.46, "lost": none},
        row: {
            "AP": 0.44,
            "lost": {"points": 2.04, "low": 0.26, "high": 3.1},
            "behind": {"points": -0.3, "low": -1.0, "high": 0.4},
            "by keeping": {"points": -1.66, "low": -3.14, "high": -0.49},
        },
    }
    *_, of_float, last = markdown(found, pooled).splitlines()
    cells = [cell.strip() for cell in last.strip("|").split("|")]
    assert cells[3:8] == [
        "0.4425 (0.3900 .. 0.4950)",
        "0.4400",
        "**2.0** [0.3, 3.1]",
        "-0.3 [-1.0, 0.4]",
        "**-1.7** [-3.1, -0.5]",
    ]
    assert cells[9:11] == ["5", "4.7 %"]
    assert [cell.strip() for cell in of_float.strip("|").split("|")][5:8] == ["", "", ""]
    header, _, short = summary(found, pooled).splitlines()
    assert "AP points lost of 46.0" in header
    assert "**2.0** [0.3, 3.1]" in short


def test_the_solving_benchmark_agrees_with_its_own_formulas() -> None:
    """It checks that both sides find the same thresholds, and stops where they do not."""
    import bench_quant_solve

    tensors = dict(list(bench_quant_solve.network().items())[:4])
    rows = bench_quant_solve.comparisons(tensors, 0.01)
    assert all(row.ratio > 0 for row in rows)
