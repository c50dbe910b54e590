"""What users bring that is no model or no image: refused with reasons, or got along with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgert.cli import main
from edgert.work import Work

import flow_models as small

PROFILES = ["tensorrt", "portable", "onnxruntime"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return small.pictures(tmp_path_factory.mktemp("inputs") / "images")


@pytest.fixture
def network(tmp_path):
    return small.detector(tmp_path / "network.onnx")


@pytest.fixture
def quantize(tmp_path):
    """Runs `edgert quantize` without a search; its status, and the report or None."""

    def run(model, images, *more):
        report = tmp_path / "report.json"
        report.unlink(missing_ok=True)
        arguments = ["quantize", model, "--data", images, "-o", tmp_path / "out.onnx", "--quiet"]
        arguments += ["--keep", "none", "--json-report", report, *more]
        status = main([str(each) for each in arguments])
        return status, json.loads(report.read_text()) if status == 0 else None

    return run


@pytest.mark.parametrize("profile", PROFILES)
def test_a_quantized_model_is_refused(profile, quantize, network, images, tmp_path, capfd):
    assert quantize(network, images, "--profile", profile)[0] == 0
    quantized = tmp_path / "int8.onnx"
    (tmp_path / "out.onnx").rename(quantized)
    capfd.readouterr()
    for command in (["quantize", "-o", str(tmp_path / "o.onnx")], ["sensitivity"]):
        data = [str(quantized), "--data", str(images), "--profile", profile]
        assert main([command[0], *data, *command[1:]]) == 1
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(f"edgert: error: {quantized}: the model is quantized already")
    assert not (tmp_path / "o.onnx").exists()


def test_external_data_is_read_and_written_within(quantize, network, images, tmp_path):
    folder = tmp_path / "external"
    folder.mkdir()
    apart = small.detector(
        folder / "network.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=1024,
    )
    assert (folder / "weights.bin").stat().st_size > 8000
    assert quantize(network, images, "--profile", "portable")[0] == 0
    whole = (tmp_path / "out.onnx").read_bytes()
    assert quantize(apart, images, "--profile", "portable")[0] == 0
    assert (tmp_path / "out.onnx").read_bytes() == whole


def test_external_data_that_is_missing_is_named(quantize, images, tmp_path, capfd):
    apart = small.detector(
        tmp_path / "apart.onnx",
        save_as_external_data=True,
        location="gone.bin",
        size_threshold=1024,
    )
    (tmp_path / "gone.bin").unlink()
    assert quantize(apart, images)[0] == 1
    assert "gone.bin" in capfd.readouterr().err


@pytest.mark.parametrize("profile", PROFILES)
def test_unsupported_operators_stay_in_float_and_are_named(profile, quantize, images, tmp_path):
    model = small.detector(tmp_path / "up.onnx", unsupported=True)
    status, report = quantize(model, images, "--profile", profile)
    assert status == 0
    (row,) = [row for row in report["layers"] if row["layer"] == "up"]
    assert (row["op"], row["action"], row["kept"]) == ("ConvTranspose", "float", False)
    assert "ConvTranspose" in row["reason"] or "transposed" in row["reason"]
    assert [r["layer"] for r in report["layers"] if r["action"] == "int8"] == [
        "conv0", "conv1", "conv2",
    ]  # fmt: skip
    assert min(report["outputs"].values()) > 15


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("dead", [(3, 7), tuple(range(small.CHANNELS))], ids=["some", "all"])
def test_dead_channels(profile, dead, quantize, images, tmp_path, capfd):
    model = small.detector(tmp_path / "dead.onnx", relu=True, dead=dead)
    status, report = quantize(model, images, "--profile", profile)
    assert status == 0
    assert min(report["outputs"].values()) > 15
    made = onnx.load(str(tmp_path / "out.onnx"))
    values = {t.name: onnx.numpy_helper.to_array(t) for t in made.graph.initializer}
    scales = [
        values[node.input[1]]
        for node in made.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    ]
    assert len(scales) > 5
    assert all(np.all(scale > 0) and np.all(np.isfinite(scale)) for scale in scales)


def test_a_corrupt_image_is_skipped_and_named(quantize, network, tmp_path, capfd):
    folder = small.pictures(tmp_path / "pictures")
    for name in ("2.png", "5.png", "7.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:200])
    status, report = quantize(network, folder, "--profile", "portable")
    assert status == 0
    skipped = report["calibration"]["skipped"]
    assert sorted(text.split(":")[0].rsplit("/", 1)[-1] for text in skipped) == [
        "2.png", "5.png", "7.png",
    ]  # fmt: skip
    warned = [line for line in capfd.readouterr().err.splitlines() if "broken image" in line]
    assert len(warned) == len(set(warned)) == 3


@pytest.mark.parametrize("relu", [False, True], ids=["as it is", "equalized"])
def test_ctrl_c_while_collecting_and_going_on(relu, quantize, images, tmp_path, monkeypatch):
    model = small.detector(tmp_path / "network.onnx", relu=relu)
    update, stopped, rest = Work.update, [], []

    def stop(work, part, done, total):
        update(work, part, done, total)
        if part == "calibration":
            stopped.append(done)
            if done == 4:
                raise KeyboardInterrupt

    more = ["--profile", "portable", "--cache", tmp_path / "cache.npz"]
    monkeypatch.setattr(Work, "update", stop)
    assert quantize(model, images, *more)[0] == 130
    assert not (tmp_path / "out.onnx").exists()
    assert (tmp_path / "cache.npz").exists()
    monkeypatch.setattr(Work, "update", lambda work, *what: rest.append(what))
    status, report = quantize(model, images, *more)
    assert status == 0
    assert report["calibration"]["images"] == 6
    # At most four were counted before; what was under way may be run again.
    assert 2 <= sum(part == "calibration" and done > 0 for part, done, _ in rest) < 6
    resumed = (tmp_path / "out.onnx").read_bytes()
    assert quantize(model, images, *more[:2])[0] == 0
    assert (tmp_path / "out.onnx").read_bytes() == resumed


@pytest.mark.parametrize("relu", [False, True], ids=["as it is", "equalized"])
def test_the_cache_of_another_model_is_refused(relu, quantize, network, images, tmp_path, capfd):
    cache = tmp_path / "cache.npz"
    more = ["--profile", "portable", "--cache", cache]
    assert quantize(network, images, *more)[0] == 0
    before = cache.read_bytes()
    other = small.detector(tmp_path / "other.onnx", relu=relu, dead=(1,))
    capfd.readouterr()
    assert quantize(other, images, *more)[0] == 1
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith(f"edgert: error: {cache}: ")
    digests = {word.strip(".,;:()\"'") for word in line.split()}
    assert len({word for word in digests if len(word) == 64 and int(word, 16)}) == 2
    assert cache.read_bytes() == before


def test_data_that_can_be_gone_through_once_is_refused(network, tmp_path):
    from edgert.quant import quantize

    arrays = iter([np.zeros((48, 64, 3), np.uint8)] * 5)
    with pytest.raises(ValueError, match="goes through the images several times"):
        quantize(network, arrays, tmp_path / "o.onnx")


def test_few_images_are_used_for_everything_and_that_is_said(quantize, network, tmp_path, capfd):
    folder = small.pictures(tmp_path / "few", 3)
    status, report = quantize(network, folder, "--profile", "portable")
    assert status == 0
    found = report["calibration"]
    assert (found["images"], found["tuned"], found["measured"]) == (3, 3, 3)
    assert any("too few to hold some out" in text for text in found["warnings"])
    assert "too few to hold some out" in capfd.readouterr().err


@pytest.mark.parametrize("count", [4, 5, 10, 23])
def test_the_parts_are_disjoint_and_complete(count, network, tmp_path):
    from edgert.quant import CalibrationData
    from edgert.quant.images.parts import split

    folder = small.pictures(tmp_path / "all", count)
    data = CalibrationData(network, folder)
    made = split(data, by_accuracy=False)
    parts = [{item.source for item in part} for part in (made.calibrate, made.tune, made.measure)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == count
    held_out = max(count // 5, 1)
    assert [len(part) for part in parts] == [count - 2 * held_out, held_out, held_out]
    again = split(data, by_accuracy=False)
    assert parts[1] == {item.source for item in again.tune}
    assert made.notes == ()


def test_a_held_out_image_that_is_broken_is_made_up_for(quantize, network, tmp_path):
    from edgert.quant import CalibrationData
    from edgert.quant.images.parts import split

    folder = small.pictures(tmp_path / "all", 5)
    made = split(CalibrationData(network, folder), by_accuracy=False)
    (tuned,) = made.tune
    Path(tuned.source).write_bytes(b"\x89PNG\r\n\x1a\n broken")
    status, report = quantize(network, folder, "--profile", "portable")
    assert status == 0
    found = report["calibration"]
    assert found["tuned"] == 3
    assert any("chosen on the images of calibration" in text for text in found["warnings"])
    assert len(found["skipped"]) == 1
