"""Real models, built ahead of time by the real builder: in the precision that was planned."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import edgert
from edgert.builds.manifest import Manifest
from edgert.builds.source import read
from edgert.errors import ModelError
from edgert.quant.builds.planned import planned_precision
from edgert.quant.model.graph import Graph
from edgert.quant.model.half import to_half
from edgert.quant.model.opset import skeleton
from edgert.quant.model.precision import element_types
from edgert.quant.rewrite.plan import Plan
from edgert.quant.rewrite.write import write
from edgert.quant.thresholds.scales import Scales

from tensorrt_models import needs_builder, small

MODELS = ("yolov8n", "pose_heatmap_256x192")
# Kernels that multiply matrices; generated code beside them does the bias or the padding.
PRODUCTS = ("correlation", "gemm", "deconv", "runtime_fusion")

pytestmark = needs_builder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def quantized(asset, tmp_path_factory):
    """`quantized("yolov8n")`: the model with QuantizeLinear pairs, the rest in FP16."""
    folder = tmp_path_factory.mktemp("quantized")

    def make(name: str) -> Path:
        path, written = asset(f"models/{name}.onnx"), folder / f"{name}.int8.onnx"
        if not written.exists():
            plan = Plan.default(path, "tensorrt")
            scales = Scales(dict.fromkeys(plan.tensors, 4.0), dict.fromkeys(plan.tensors, "m"), "m")
            write(path, scales, plan, written)
        return written

    return make


def planned(model: onnx.ModelProto) -> dict[str, str]:
    """By convolution, what a file says that it is computed in; named as TensorRT names it."""
    unnamed = {
        node.output[0]: f"node_of_{node.output[0]}" for node in model.graph.node if not node.name
    }
    graph = Graph(model)
    types = element_types(skeleton(graph.model))
    return {
        unnamed.get(node.output[0], node.name): planned_precision(graph, types, node)
        for node in graph.nodes
        if node.op_type == "Conv"
    }


def built(manifest: Manifest, names: set[str]) -> dict[str, set[str]]:
    """By convolution, what its kernels compute in: one in each profile."""
    found = {}
    for name in names:
        rows = [layer for layer in manifest.layers if name in layer.nodes]
        found[name] = {row.precision for row in rows if row.kind in PRODUCTS} or {
            row.precision for row in rows
        }
    return found


@pytest.mark.parametrize("capability", ["8.6", "8.9"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("name", MODELS)
def test_layers_are_built_as_planned(name, precision, capability, asset, quantized, cache):
    path = quantized(name) if precision == "int8" else asset(f"models/{name}.onnx")
    made = edgert.build(
        path, precision=precision, compute_capability=capability, cache=cache, max_batch=1
    )
    assert not made.cached
    manifest = Manifest.load(made)
    assert manifest == made.manifest
    assert Path(made).stat().st_size == manifest.engine_bytes
    assert manifest.precision == precision
    assert manifest.batches == (1,)
    assert manifest.key.environment["compute_capability"] == capability
    assert manifest.warnings == () or precision == "int8"

    model = onnx.load(path)
    wanted = planned(to_half(model) if precision == "fp16" else model)
    assert len(wanted) == {"yolov8n": 64, "pose_heatmap_256x192": 68}[name]
    # A detector's distribution is read in FP32; without INT8 the last layers are in FP32 too.
    dfl, last = {"yolov8n": (1, 6), "pose_heatmap_256x192": (0, 2)}[name]
    in_fp32 = {"fp32": len(wanted), "fp16": dfl + last, "int8": dfl}[precision]
    assert sum(kind == "fp32" for kind in wanted.values()) == in_fp32
    rest = {"fp32": set(), "fp16": {"fp16"}, "int8": {"int8", "fp16"}}[precision]
    assert set(wanted.values()) - {"fp32"} == rest
    found = built(manifest, set(wanted))
    assert found == {layer: {kind} for layer, kind in wanted.items()}

    again = edgert.build(
        path, precision=precision, compute_capability=capability, cache=cache, max_batch=1
    )
    assert again.cached
    assert again.path == made.path


def test_an_open_batch_has_a_profile_for_each_bucket(tmp_path, cache):
    path = small(tmp_path / "pose.onnx", batch="batch")
    made = edgert.build(path, compute_capability="8.6", cache=cache)
    assert made.manifest.batches == (1, 2, 4, 8, 16)
    rows = [layer for layer in made.manifest.layers if "/a/Conv" in layer.nodes]
    # One kernel a profile: that of the first is for exactly one item, those of the others for some.
    assert [row.outputs[0].shape[0] for row in rows] == [1, 2, -1, -1, -1]
    fewer = edgert.build(path, compute_capability="8.6", cache=cache, max_batch=3)
    assert fewer.manifest.batches == (1, 2, 3)
    fixed = edgert.build(
        small(tmp_path / "fixed.onnx", batch=4), compute_capability="8.6", cache=cache
    )
    assert fixed.manifest.batches == (4,)


def test_open_sizes_come_from_the_notes_or_are_asked_for(tmp_path, cache):
    noted = small(tmp_path / "noted.onnx", size=None, imgsz="[24, 32]")
    made = edgert.build(noted, compute_capability="8.6", cache=cache)
    assert made.manifest.key.request["shapes"] == {"images": [1, 3, 24, 32]}
    assert made.manifest.metadata == {"imgsz": "[24, 32]"}
    open_sizes = small(tmp_path / "open.onnx", size=None)
    with pytest.raises(ModelError, match=r"open.onnx: input images is \(1, 3, -1, -1\), with open"):
        edgert.build(open_sizes, compute_capability="8.6", cache=cache)
    shapes = {"images": (1, 3, 8, 8)}
    told = edgert.build(open_sizes, compute_capability="8.6", cache=cache, shapes=shapes)
    assert told.manifest.layers[-1].outputs[0].shape == (1, 8, 8, 8)


def test_precisions_that_a_model_is_not_of(tmp_path, asset, quantized, cache):
    path = small(tmp_path / "float.onnx")
    with pytest.raises(ModelError, match=r"is fp32, without .*: edgert quantize .*float.onnx"):
        edgert.build(path, precision="int8", compute_capability="8.6", cache=cache)
    half = tmp_path / "half.onnx"
    onnx.save(to_half(onnx.load(path)), str(half))
    with pytest.raises(ModelError, match=r"'fp32' was asked for, but the model is fp16"):
        edgert.build(half, precision="fp32", compute_capability="8.6", cache=cache)
    with pytest.raises(ModelError, match=r"'fp16' was asked for, but the model is int8"):
        edgert.build(quantized("yolov8n"), precision="fp16", compute_capability="8.6", cache=cache)
    assert (
        edgert.build(
            half, precision="fp16", compute_capability="8.6", cache=cache
        ).manifest.key.request["half"]
        is None
    )


def test_weights_beside_the_model_are_part_of_it(tmp_path):
    from edgert.quant.model.files import save

    path = tmp_path / "large.onnx"
    save(onnx.load(small(tmp_path / "small.onnx")), path, largest=0)
    weights = Path(f"{path}.data")
    before = read(path)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert read(path).digest != before.digest
    weights.unlink()
    with pytest.raises(ModelError, match=r"large.onnx: its weights are in .*large.onnx.data"):
        read(path)


def test_what_is_no_model(tmp_path):
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"text.onnx: "):
        read(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match="no such file"):
        read(tmp_path / "missing.onnx")
