"""The public contract of quantization, line by line, as a user would type it."""

import numpy as np
import pytest

import edgert

import flow_models

pytestmark = pytest.mark.filterwarnings("ignore::edgert.errors.CalibrationWarning")


def test_from_images_to_an_int8_model(tmp_path) -> None:
    random = np.random.default_rng(0)
    data = [random.integers(0, 256, (40, 40, 3), dtype=np.uint8) for _ in range(8)]
    model = flow_models.detector(tmp_path / "model.onnx")

    stats = edgert.quant.collect(model, data, batch=1)
    stats.save(tmp_path / "stats.npz")
    again = edgert.quant.CalibrationStats.load(tmp_path / "stats.npz")
    assert again == stats
    halves = [edgert.quant.collect(model, part, batch=2) for part in (data[:3], data[3:])]
    assert halves[1].merge(halves[0]) == stats
    scales = edgert.quant.solve(stats, method="percentile", percentile=99.99)
    rows = edgert.quant.sensitivity(model, scales, data, metric="sqnr")
    plan = edgert.quant.search(model, scales, data, rows, max_drop=0.005, max_keep=0.05)
    edgert.quant.write(model, scales, plan, tmp_path / "model.int8.onnx")

    assert [row.rank for row in rows] == list(range(1, len(rows) + 1))
    assert {row.layer for row in rows} == {layer.name for layer in plan.candidates}
    engine = edgert.Engine(tmp_path / "model.int8.onnx")
    assert engine.metadata["edgert.precision"] == "int8+fp16"


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile", "mse", "auto"])
def test_every_method_of_the_contract(method: str, tmp_path) -> None:
    random = np.random.default_rng(1)
    data = [random.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(4)]
    model = flow_models.detector(tmp_path / "model.onnx")
    stats = edgert.quant.collect(model, data)
    trial = edgert.quant.Trial(model, data)
    scales = edgert.quant.solve(
        stats, method=method, evaluate=lambda scales: trial.measure("sqnr", scales)[0]
    )
    assert scales.method.startswith(method)
    assert set(scales.thresholds) == set(trial.plan.tensors)
    assert trial.measure("sqnr", scales)[0] > 15
