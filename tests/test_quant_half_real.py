"""`quant.half` on real networks: what FP16 costs them."""

from __future__ import annotations

import platform
import warnings

import numpy as np
import onnx
import pytest
from PIL import Image

from edgert.quant.model.graph import Graph
from edgert.quant.model.half import to_half
from edgert.quant.model.opset import raise_opset

from half_rounding import checked, run, sqnr_db, with_rounding
from reference.media import assets

MODELS = assets() / "models"
NAMES = ("yolov8n", "pose_heatmap_384x288")


@pytest.fixture(params=NAMES)
def asset(request):
    path = MODELS / f"{request.param}.onnx"
    if not path.exists():
        pytest.skip(f"no {path.name} in {MODELS}; set EDGERT_ASSETS")
    return onnx.load(path)


def image_for(model):
    (value,) = model.graph.input
    shape = [size.dim_value or 1 for size in value.type.tensor_type.shape.dim]
    return np.random.default_rng(1).random(shape, np.float32)


def test_real_models_keep_their_answers_inputs_and_notes(asset):
    made = checked(asset)
    image = image_for(asset)
    (exact,), (found,), (rounded,) = (
        run(model, image) for model in (asset, made, with_rounding(made))
    )
    assert found.dtype == np.float32
    # On Arm ONNX Runtime adds FP16 products in FP16: 53 dB for YOLOv8n, 21 for the pose network.
    assert sqnr_db(exact, found) > (20 if platform.machine() == "aarch64" else 60)
    assert sqnr_db(exact, rounded) > 40
    last, size = {"yolov8n": (6, 0.52), "movenet-thunder": (2, 0.51)}[asset.graph.name]
    assert made.ByteSize() < size * asset.ByteSize()
    assert made.metadata_props == asset.metadata_props
    assert [v.name for v in made.graph.output] == [v.name for v in asset.graph.output]
    assert [o.version for o in made.opset_import] == [o.version for o in asset.opset_import]
    casts = [n for n in made.graph.node if n.op_type == "Cast"]
    assert len(casts) == 1 + last, "one at the input, and one before each of the last layers"


def test_boxes_that_are_found_hardly_move():
    """In FP16 up to the boxes, the root of the mean square was 0.043 px."""
    path = MODELS / "yolov8n.onnx"
    if not path.exists():
        pytest.skip(f"no {path.name} in {MODELS}; set EDGERT_ASSETS")
    model = onnx.load(path)
    with Image.open(assets() / "images" / "bus.jpg") as picture:
        pixels = np.asarray(picture.resize((640, 640)), np.float32) / 255
    image = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
    (exact,), (rounded,) = (run(m, image) for m in (model, with_rounding(to_half(model))))
    found = exact[0, 4:].max(0) > 0.25
    assert found.sum() > 20
    assert np.sqrt(((exact - rounded)[0, :4, found] ** 2).mean()) < 0.03


def test_real_models_are_as_near_as_those_of_onnxconverter_common(asset):
    float16 = pytest.importorskip("onnxconverter_common.float16")
    image = image_for(asset)
    (exact,) = run(asset, image)
    made = checked(asset)
    Graph(asset)  # names the nodes: without names, the oracle's Casts share one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = float16.convert_float_to_float16(asset, keep_io_types=True)
    assert sqnr_db(exact, run(made, image)[0]) > sqnr_db(exact, run(oracle, image)[0]) - 1


def test_raising_the_opset_changes_no_bit(asset):
    made = raise_opset(asset, 19)
    onnx.checker.check_model(made, full_check=True)
    assert made.opset_import[0].version == 19
    assert made.metadata_props == asset.metadata_props
    image = image_for(asset)
    np.testing.assert_array_equal(run(asset, image)[0], run(made, image)[0])
    assert raise_opset(made, 17) is made
