"""`quant.audit`: what TensorRT-RTX's builder makes of a model, against what its file plans."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgert.cli import main
from edgert.engines.tensorrt import binding
from edgert.errors import ModelError, UnavailableError
from edgert.quant.builds.audit import audit
from edgert.quant.builds.kernels import Kernel, Value, kernel_of, precision, read_table
from edgert.quant.model.half import to_half
from edgert.quant.rewrite.plan import Plan
from edgert.quant.rewrite.write import write
from edgert.quant.thresholds.scales import Scales

from audit_models import every_layer, network, quantized
from reference.media import assets

MODELS = assets() / "models"
NAMES = ("yolov8n", "pose_heatmap_384x288")
RECORDED = Path(__file__).parent / "golden" / "rtx_kernels_int8_fp16.txt"
HAVE_BUILDER = find_spec("tensorrt_rtx_bindings") is not None
needs_builder = pytest.mark.skipif(not HAVE_BUILDER, reason="pip install 'edgert[audit]'")


@pytest.mark.skipif(not os.environ.get("EDGERT_REQUIRE_AUDIT"), reason="set in CI only")
def test_ci_audits():
    """Where EDGERT_REQUIRE_AUDIT is set, a missing builder is no reason to skip."""
    assert HAVE_BUILDER


def saved(model, folder) -> str:
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return str(path)


def precisions(rows) -> dict[str, tuple[str, str]]:
    return {row.name.split("/")[1]: (row.planned, row.built) for row in rows}


# Reading the table: no builder needed.


def recorded() -> str:
    return RECORDED.read_text()


def test_recorded_table():
    """Of `every_layer`, quantized and in FP16, as TensorRT-RTX 1.7.1.116 logged it."""
    kernels = read_table(recorded())
    assert "signal" not in {kernel.kind for kernel in kernels}
    nodes = {
        "stem": ("edgert_node_4", 32 * 3 * 3 * 3),
        "depth": ("edgert_node_10", 32 * 3 * 3),
        "up": ("edgert_node_20", 32 * 16 * 4 * 4),
        "product": ("edgert_node_36", 48 * 24),
        "attention": ("edgert_node_39", 0),
    }
    found = {name: kernel_of(kernels, *node) for name, node in nodes.items()}
    assert {name: kernel.kind for name, kernel in found.items()} == {
        "stem": "correlation",
        "depth": "correlation",
        "up": "deconv",
        "product": "gemm",
        "attention": "gemm",
    }
    assert {name: precision(found[name], size) for name, (_, size) in nodes.items()} == {
        "stem": "int8",
        "depth": "int8",
        "up": "fp16",
        "product": "int8",
        "attention": "fp16",
    }
    stem = found["stem"]
    assert stem.inputs == (Value((1, 4, 32, 32), "Int8"),), "three channels and one of padding"
    assert kernel_of(kernels, "edgert_node_999", 1) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Layers:\n",
        "Layers:\nName: a, LayerType: b, Inputs: []",
        recorded().replace("Dimensions: [1,4,32,32]", "Dimensions: [1x4x32x32]"),
    ],
)
def test_a_table_of_another_form_is_refused(text):
    with pytest.raises(ModelError, match="table of kernels"):
        read_table(text)


def test_open_sizes_are_read():
    """A dynamic batch is -1; a value that were passed over would be a precision made up."""
    kernels = read_table(recorded().replace("Dimensions: [1,4,32,32]", "Dimensions: [-1,4,32,32]"))
    stem = kernel_of(kernels, "edgert_node_4", 32 * 3 * 3 * 3)
    assert stem.inputs == (Value((-1, 4, 32, 32), "Int8"),)
    assert stem.inputs[0].size == 4 * 32 * 32
    assert precision(kernel("m", "gemm", ("m",)), 0) == "unknown"


def kernel(name, kind, nodes, inputs=(), constants=()):
    def values(entries):
        return tuple(Value(shape, dtype) for dtype, *shape_ in entries for shape in shape_)

    return Kernel(name, kind, values(inputs), values(constants), (), nodes)


WEIGHT = (32, 16, 3, 3)
SIZE = 32 * 16 * 9
IMAGE = (1, 16, 80, 80)


def test_the_kernel_with_the_weights_is_the_layers():
    """Its padding, its bias and the activation after it are done by kernels that name it too."""
    kernels = [
        kernel("pad", "kgen", ("c", "q"), [("Float", IMAGE)], [("Int8", (1, 1, 640, 640))]),
        kernel("conv", "correlation", ("c",), [("Int8", IMAGE)], [("Int8", WEIGHT)]),
        kernel("bias", "kgen", ("c", "act"), [("Float", (1, 32, 80, 80))], [("Half", (1, 32))]),
    ]
    for order in (kernels, kernels[::-1]):
        assert kernel_of(order, "c", SIZE).name == "conv"


def test_weights_in_int8_alone_are_not_int8():
    one = kernel("conv", "correlation", ("c",), [("Half", IMAGE)], [("Int8", WEIGHT)])
    assert precision(one, SIZE) == "fp16"


def test_weights_that_are_dequantized_at_run_time_are_an_input():
    kernels = [
        kernel("weights", "kgen", ("dq",), [], [("Int8", WEIGHT)]),
        kernel("conv", "correlation", ("c",), [("Float", IMAGE), ("Float", WEIGHT)]),
    ]
    assert kernel_of(kernels, "c", SIZE).name == "conv"
    assert precision(kernels[1], SIZE) == "fp32"


def test_a_residual_in_another_type_does_not_count():
    inputs = [("Int8", IMAGE), ("Half", (1, 32, 80, 80))]
    one = kernel("conv", "correlation", ("c", "add"), inputs, [("Int8", (32, 32, 3, 3))])
    assert precision(one, SIZE) == "int8"
    one = kernel("conv", "runtime_fusion", ("c",), [("Float", IMAGE)], [("Half", WEIGHT)])
    assert precision(one, SIZE) == "fp16"


def test_two_tensors_multiply_in_the_wider_type():
    both = [("Int8", (1, 4, 6)), ("Int8", (1, 6, 4))]
    assert precision(kernel("m", "gemm", ("m",), both), 0) == "int8"
    assert precision(kernel("m", "gemm", ("m",), [both[0], ("Half", (1, 6, 4))]), 0) == "fp16"


# Building.


@needs_builder
@pytest.mark.parametrize("capability", ["8.6", "8.9"])
def test_float_models_are_built_as_they_are(tmp_path, capability):
    # The last layer of an FP16 model stays FP32.
    for model, in_fp32 in ((every_layer(), 8), (to_half(every_layer()), 1)):
        done = audit(saved(model, tmp_path), capability)
        wanted = ["fp16"] * (8 - in_fp32) + ["fp32"] * in_fp32
        assert list(precisions(done).values()) == [(kind, kind) for kind in wanted]
        assert done.mismatches == ()
        assert len(done.float32) == in_fp32
        assert done.compute_capability == capability
        assert done.builder.startswith("TensorRT-RTX 1.")
        assert done.engine_bytes > 10_000
        assert done.kernels >= 8


@needs_builder
@pytest.mark.parametrize("batch", [1, 8])
def test_int8_with_layers_kept_in_fp16(tmp_path, batch):
    model = to_half(quantized(every_layer(), keep=("/up/ConvTranspose", "/point/Conv")))
    done = audit(saved(model, tmp_path), batch=batch)
    assert done.mismatches == ()
    assert precisions(done) == {
        **dict.fromkeys(("stem", "depth", "group", "dense", "product"), ("int8", "int8")),
        **dict.fromkeys(("point", "up", "attention"), ("fp16", "fp16")),
    }
    notes = {row.name: row.note for row in done if row.note}
    if batch == 1:
        assert "padded: 4 times its weights" in notes["/depth/Conv"]


@needs_builder
def test_pairs_that_build_and_run_in_float_are_caught(tmp_path):
    """The point of the audit: the builder says nothing, and multiplies in FP32."""
    done = audit(saved(quantized(convolutions(), per_channel=True), tmp_path))
    assert precisions(done) == {"a": ("int8", "fp32"), "b": ("int8", "fp32")}
    assert [row.matches for row in done] == [False, False]
    assert "a scale a channel" in done[0].note
    assert done.warnings == ()
    done = audit(saved(quantized(every_layer()), tmp_path))
    assert [row.name for row in done.mismatches] == ["/up/ConvTranspose"]
    assert "transposed" in done.mismatches[0].note


@needs_builder
def test_half_a_pair_is_no_int8(tmp_path):
    done = audit(saved(quantized(convolutions(), weights=False), tmp_path))
    assert precisions(done) == {"a": ("fp32", "fp32"), "b": ("fp32", "fp32")}
    assert done[0].note == "only its input is quantized: it runs in float"
    assert done.conversions >= 2, "quantized and dequantized again for nothing"


@needs_builder
def test_unsigned_numbers_are_caught(tmp_path):
    model = quantized(convolutions(), zero=np.uint8(0))
    done = audit(saved(model, tmp_path))
    assert precisions(done)["a"] == ("uint8", "int8")
    assert "unsigned" in done[0].note
    assert any("UINT8" in text for text in done.warnings)


def convolutions(*names: str):
    random = np.random.default_rng(5)
    first, second = names or ("/a/Conv", "/b/Conv")
    return network(
        [
            helper.make_node("Conv", ["x", "v", "c"], ["h"], first, pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Conv", ["r", "w"], ["y"], second),
        ],
        {
            "v": random.standard_normal((32, 32, 3, 3)).astype(np.float32) / 10,
            "c": random.standard_normal(32).astype(np.float32),
            "w": random.standard_normal((32, 32, 1, 1)).astype(np.float32) / 10,
        },
        {"x": ["n", 32, 16, 16]},
        {"y": ["n", 32, 16, 16]},
    )


@needs_builder
@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("", ""), ["Conv_h", "Conv_y"]),
        (("twin", "twin"), ["twin", "twin_2"]),
        (("a]\x1f[ONNX Layer: b", "b"), ["a]\x1f[ONNX Layer: b", "b"]),
        (("a + b", "edgert_node_0"), ["a + b", "edgert_node_0"]),
    ],
)
def test_layers_of_any_name(tmp_path, names, wanted):
    done = audit(saved(quantized(convolutions(*names), keep=(names[1],)), tmp_path))
    assert [row.name for row in done] == wanted
    built = [row.built for row in done]
    assert built == (["fp32", "fp32"] if names[0] == names[1] else ["int8", "fp32"])


def changed(model, name: str, array):
    (tensor,) = [t for t in model.graph.initializer if t.name == name]
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(array), name))
    return model


def with_quantized_bias():
    model = quantized(convolutions())
    for name, array in (("b", np.ones(32, np.int32)), ("s", np.float32(0.01)), ("z", np.int32(0))):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["b", "s", "z"], ["d"], "bias"))
    model.graph.node[-3].input[2] = "d"
    return model


def with_unknown_operator():
    model = convolutions()
    model.graph.node.append(helper.make_node("Unique", ["y"], ["u"], "unique"))
    model.graph.output[0].name = "u"
    return model


@needs_builder
@pytest.mark.parametrize(
    ("model", "node", "fix"),
    [
        (lambda: quantized(convolutions(), zero=5), "q/x", "quantize symmetrically"),
        (
            lambda: changed(quantized(convolutions()), "v_scale", np.zeros(32, np.float32)),
            "dq/v",
            "dead channel",
        ),
        (with_quantized_bias, "bias", "leave biases in float"),
        (
            lambda: changed(convolutions(), "v", np.ones((32, 32, 3, 3), np.float16)),
            "/a/Conv",
            "add a Cast",
        ),
        (with_unknown_operator, "unique", "no such operator"),
    ],
)
def test_what_the_builder_refuses_is_named_with_the_fix(tmp_path, model, node, fix):
    path = saved(model(), tmp_path)
    with pytest.raises(ModelError) as caught:
        audit(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: TensorRT-RTX")
    assert f"{node!r}" in text
    assert fix in text
    assert "Its words: " in text
    assert "edgert_node" not in text


@needs_builder
def test_open_sizes_want_a_shape(tmp_path):
    model = convolutions()
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"size{axis}"
    path = saved(model, tmp_path)
    with pytest.raises(ModelError, match=r"input x is \(-1, 32, -1, -1\), with open sizes") as why:
        audit(path)
    assert str(why.value).startswith(path)
    assert audit(path, shapes={"x": (1, 32, 16, 16)}).mismatches == ()
    with pytest.raises(ValueError, match=r"shapes names 'image'; the model has x"):
        audit(path, shapes={"image": (1, 32, 16, 16)})


@needs_builder
def test_unknown_capability_and_unreadable_files(tmp_path):
    with pytest.raises(ValueError, match=r"'8.7'; TensorRT-RTX .* 8.6 for a Jetson Orin's 8.7"):
        audit(saved(convolutions(), tmp_path), "8.7")
    with pytest.raises(ModelError, match="no such file"):
        audit(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"text.onnx"):
        audit(tmp_path / "text.onnx")


def test_without_the_builder_the_error_has_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)
    with pytest.raises(UnavailableError, match=r"pip install tensorrt-rtx-cu13-bindings .*-libs"):
        audit(saved(convolutions(), tmp_path))


@needs_builder
def test_backends_do_not_take_the_builder_for_a_runtime():
    """The ahead-of-time builder runs nothing: an engine needs the card and the runtime."""
    probe = "import edgert, json; print(json.dumps(edgert.backends()))"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env={**os.environ, "EDGERT_LIBCUDA": "libnone.so"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert "libnone.so not found" in found["tensorrt-rtx"]
    assert found["tensorrt"] != "ok"


PROBE = """
import sys
from edgert.errors import ModelError
from edgert.quant.builds.audit import audit
try:
    audit(sys.argv[1])
except ModelError:
    pass
"""


@needs_builder
@pytest.mark.parametrize("zero", [0, 5])
def test_nothing_is_printed(tmp_path, zero):
    """Neither by Python nor by the library beneath it, of a good model or a bad one."""
    path = saved(quantized(convolutions(), zero=zero), tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, path], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr == ""


@needs_builder
def test_weights_beside_the_model(tmp_path):
    from edgert.quant.model.files import save

    save(to_half(quantized(convolutions())), tmp_path / "model.onnx", largest=0)
    assert (tmp_path / "model.onnx.data").exists()
    assert set(precisions(audit(tmp_path / "model.onnx")).values()) == {("int8", "int8")}


@needs_builder
@pytest.mark.parametrize("capability", ["8.6", "8.9"])
@pytest.mark.parametrize("name", NAMES)
def test_real_models_are_built_as_planned(tmp_path, name, capability):
    path = MODELS / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"no {path.name} in {MODELS}; set EDGERT_ASSETS")
    model = onnx.load(path)
    layers = sum(node.op_type == "Conv" for node in model.graph.node)
    half = audit(saved(to_half(model), tmp_path), capability)
    # Last layers, and what reads a distribution.
    in_fp32 = {"yolov8n": 7, "pose_heatmap_384x288": 2}[name]
    assert Counter((row.planned, row.built) for row in half) == {
        ("fp16", "fp16"): layers - in_fp32,
        ("fp32", "fp32"): in_fp32,
    }
    for profile, rest in (("tensorrt", "fp16"), ("portable", "fp32")):
        plan = Plan.default(path, profile)
        scales = Scales(dict.fromkeys(plan.tensors, 4.0), dict.fromkeys(plan.tensors, "m"), "m")
        written = tmp_path / f"{profile}.onnx"
        write(path, scales, plan, written)
        done = audit(written, capability, batch=8)
        assert done.mismatches == ()
        means = [layer.name for layer in plan.layers if "distribution" in layer.reason]
        assert len(means) == (name == "yolov8n")
        assert {row.name: row.built for row in done} == {
            **dict.fromkeys((layer.name for layer in plan.layers), rest),
            **dict.fromkeys((layer.name for layer in plan.quantized), "int8"),
            **dict.fromkeys(means, "fp32"),
        }


# The command.


@needs_builder
def test_command(tmp_path, capfd):
    good = saved(to_half(quantized(convolutions())), tmp_path)
    report = tmp_path / "audit.json"
    arguments = ["--compute-capability", "8.6", "8.9", "--json-report", str(report)]
    assert main(["audit", good, *arguments]) == 0
    shown = capfd.readouterr()
    assert "2 layers built as 2 int8; 0 not as planned" in shown.out
    assert shown.err == ""
    found = json.loads(report.read_text())["audits"]
    assert [entry["compute_capability"] for entry in found] == ["8.6", "8.9"]
    assert found[0]["rows"][0] == {
        "name": "/a/Conv",
        "op": "Conv",
        "planned": "int8",
        "built": "int8",
        "note": "",
        "matches": True,
    }
    bad = saved(quantized(convolutions(), per_channel=True), tmp_path)
    assert main(["audit", bad, "--json-report", "-"]) == 1
    shown = capfd.readouterr()
    assert json.loads(shown.out)["audits"][0]["mismatches"] == 2
    assert "2 of 2 layers are not built as planned for 8.6" in shown.err


def test_command_says_how_to_use_it(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["audit", "--help"])
    assert stop.value.code == 0
    assert "edgert audit yolov8s.int8.onnx" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(["audit", "m.onnx", "--shape", "1x3"])
    assert stop.value.code == 2
    assert "expected NAME=NxCxHxW" in capsys.readouterr().err


@needs_builder
def test_the_builder_says_what_it_builds_for():
    assert {"8.6", "8.9"} <= set(binding("tensorrt-rtx").capabilities)
