"""YOLOv8 and HRNet: their published sizes, their ONNX files, and what training relies on."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import onnxruntime
import pytest

import edgert
from edgert.architectures.catalogue import ARCHITECTURES, HRNetShape, Yolov8Shape
from edgert.cli import main

torch = pytest.importorskip("torch", reason="pip install 'edgert[export]'")
onnx = pytest.importorskip("onnx", reason="pip install 'edgert[export]'")

from edgert.architectures.cost import cost_of  # noqa: E402
from edgert.architectures.export import export  # noqa: E402
from edgert.architectures.hrnet import HRNet  # noqa: E402
from edgert.architectures.weights import load, make  # noqa: E402
from edgert.architectures.yolov8 import Yolov8  # noqa: E402

from tensorrt_models import needs_builder  # noqa: E402

torch.set_num_threads(1)


def on_paper(name):
    shape = ARCHITECTURES[name]
    with torch.device("meta"):
        return Yolov8(shape) if isinstance(shape, Yolov8Shape) else HRNet(shape)


# Millions of parameters and GFLOPs of the YOLOv8 model table: two FLOPs a multiply-add.
@pytest.mark.parametrize(
    ("name", "millions", "gflops"),
    [
        ("yolov8n", 3.2, 8.7),
        ("yolov8s", 11.2, 28.6),
        ("yolov8m", 25.9, 78.9),
        ("yolov8l", 43.7, 165.2),
        ("yolov8x", 68.2, 257.8),
    ],
)
def test_yolov8_has_its_published_cost(name, millions, gflops):
    cost = cost_of(on_paper(name), (640, 640))
    assert round(cost.parameters / 1e6, 1) == millions
    # l's 165.149 is published as 165.2: here only convolutions are counted.
    assert 2 * cost.multiply_adds / 1e9 == pytest.approx(gflops, abs=0.052)


# Sun et al. 2019: one FLOP a multiply-add. All four agree only where a GFLOP is 1024^3 of them.
@pytest.mark.parametrize(
    ("name", "size", "millions", "gflops"),
    [
        ("hrnet_w32", (256, 192), 28.5, 7.1),
        ("hrnet_w32", (384, 288), 28.5, 16.0),
        ("hrnet_w48", (256, 192), 63.6, 14.6),
        ("hrnet_w48", (384, 288), 63.6, 32.9),
    ],
)
def test_hrnet_has_its_published_cost(name, size, millions, gflops):
    cost = cost_of(on_paper(name), size)
    assert round(cost.parameters / 1e6, 1) == millions
    assert round(cost.multiply_adds / 1024**3, 1) == gflops


def test_parameters_have_the_names_of_the_checkpoints():
    yolo = on_paper("yolov8n").state_dict()
    assert yolo["model.0.conv.weight"].shape == (16, 3, 3, 3)
    assert yolo["model.2.m.0.cv1.conv.weight"].shape == (16, 16, 3, 3)
    assert yolo["model.9.cv2.conv.weight"].shape == (256, 512, 1, 1)
    assert yolo["model.22.cv2.0.0.conv.weight"].shape == (64, 64, 3, 3)
    assert yolo["model.22.cv3.2.2.bias"].shape == (80,)
    assert yolo["model.22.dfl.conv.weight"].shape == (1, 16, 1, 1)
    hrnet = on_paper("hrnet_w32").state_dict()
    assert hrnet["layer1.0.downsample.0.weight"].shape == (256, 64, 1, 1)
    assert hrnet["transition1.0.0.weight"].shape == (32, 256, 3, 3)
    assert hrnet["transition1.1.0.0.weight"].shape == (64, 256, 3, 3)
    assert hrnet["transition3.3.0.0.weight"].shape == (256, 128, 3, 3)
    assert hrnet["stage4.0.fuse_layers.3.0.1.0.weight"].shape == (32, 32, 3, 3)
    assert hrnet["stage4.0.fuse_layers.3.0.2.0.weight"].shape == (256, 32, 3, 3)
    assert hrnet["stage4.2.fuse_layers.0.3.0.weight"].shape == (32, 256, 1, 1)
    assert "stage4.2.fuse_layers.1.0.0.0.weight" not in hrnet
    assert hrnet["final_layer.weight"].shape == (17, 32, 1, 1)


def trained(name, seed=0):
    """As training leaves a network: statistics that are no identity."""
    network = make(ARCHITECTURES[name], seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network.train()
        network(torch.rand(2, 3, *(64, 64)))
    return network.eval()


@pytest.mark.parametrize(
    ("name", "size", "output"),
    [
        ("yolov8n", (640, 640), (1, 84, 8400)),
        ("yolov8s", (64, 96), (1, 84, 126)),
        ("hrnet_w32", (128, 96), (1, 17, 32, 24)),
        ("demo_detector", (96, 160), (1, 5, 315)),
        ("demo_pose", (128, 96), (1, 17, 32, 24)),
    ],
)
def test_the_onnx_file_equals_pytorch(name, size, output, tmp_path):
    network = trained(name)
    made = export(network, tmp_path / "net.onnx", size=size)
    assert made.output == output
    assert made.difference <= 1e-4
    model = onnx.load(made.path)
    assert model.opset_import[0].version == 17
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"BatchNormalization", "Shape", "Range", "If", "Loop"}
    # Held against PyTorch here too, on other numbers than export's own.
    feed = np.random.default_rng(7).random((5, 3, *size), np.float32)
    (found,) = onnxruntime.InferenceSession(made.path).run(None, {model.graph.input[0].name: feed})
    with torch.no_grad():
        expected = network(torch.from_numpy(feed)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@needs_builder
@pytest.mark.parametrize(
    ("name", "convolutions"), [("yolov8s", 63), ("hrnet_w32", 293), ("demo_detector", 63)]
)
def test_tensorrt_rtx_builds_it_ahead_of_time(name, convolutions, tmp_path):
    made = export(make(ARCHITECTURES[name]).eval(), tmp_path / f"{name}.onnx")
    engine = edgert.build(
        made.path, precision="fp16", compute_capability="8.6", cache=tmp_path, max_batch=2
    )
    assert engine.manifest.batches == (1, 2)
    nodes = {node for layer in engine.manifest.layers for node in layer.nodes}
    wanted = [node.name for node in onnx.load(made.path).graph.node if node.op_type == "Conv"]
    assert len(wanted) == convolutions
    assert not set(wanted) - nodes


def test_a_pipeline_takes_both(tmp_path):
    export(trained("yolov8n"), tmp_path / "d.onnx", size=(640, 640))
    export(trained("demo_pose"), tmp_path / "p.onnx")
    frame = np.random.default_rng(0).integers(0, 255, (200, 320, 3), np.uint8)
    with edgert.Pipeline(
        tmp_path / "d.onnx", tmp_path / "p.onnx", tracker=None, score_threshold=0.0
    ) as pipe:
        result = pipe(frame)
    assert result.keypoints.shape == (len(result), 17, 2)
    assert np.isfinite(result.boxes).all()


def test_the_demo_networks_are_small(tmp_path):
    sizes = [
        len((tmp_path / name).read_bytes())
        for name in ("demo_detector", "demo_pose")
        if export(make(ARCHITECTURES[name]), tmp_path / name)
    ]
    assert sum(sizes) < 4e6


def test_a_wrong_onnx_file_is_not_written(tmp_path):
    network = make(ARCHITECTURES["demo_pose"])
    with torch.no_grad():
        network.final_layer.bias[0] = float("nan")
    with pytest.raises(edgert.ModelError, match="differs from PyTorch"):
        export(network, tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()
    with pytest.raises(ValueError, match="100 x 96: expected multiples of 32"):
        export(network, tmp_path / "net.onnx", size=(100, 96))


def test_boxes_are_expected_distances_from_cell_centers():
    network = make(ARCHITECTURES["demo_detector"]).eval()
    images = torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        levels, output = network.levels(images), network(images)[0].numpy()
    anchor = 0
    for stride, level in zip((8, 16, 32), levels, strict=True):
        raw = level[0].numpy()
        for row in range(raw.shape[1]):
            for column in range(raw.shape[2]):
                sides = raw[:32, row, column].reshape(4, 8).astype(np.float64)
                share = np.exp(sides) / np.exp(sides).sum(1, keepdims=True)
                left, top, right, bottom = share @ np.arange(8) * stride
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                box = [x + (right - left) / 2, y + (bottom - top) / 2, left + right, top + bottom]
                np.testing.assert_allclose(output[:4, anchor], box, rtol=1e-4, atol=1e-3)
                score = 1 / (1 + np.exp(-raw[32, row, column]))
                np.testing.assert_allclose(output[4, anchor], score, rtol=1e-5)
                anchor += 1
    assert anchor == output.shape[1]


def test_checkpointing_changes_neither_gradients_nor_statistics():
    shape = HRNetShape(8, joints=3, modules=(1, 2, 2), blocks=1, stem=8, first=8, bottlenecks=1)
    plain, thrifty = make(shape, seed=3), make(shape, seed=3)
    thrifty.checkpointing = True
    crops = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    held = []
    for network in (plain, thrifty):
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, kept=kept: kept.append(t.numel()) or t, lambda t: t
        ):
            loss = network.train()(crops).square().sum()
        held.append(sum(kept))
        loss.backward()
    for (name, one), two in zip(plain.named_parameters(), thrifty.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad), name
    for (name, one), two in zip(plain.named_buffers(), thrifty.buffers(), strict=True):
        assert torch.equal(one, two), name
    assert held[1] < held[0]


def test_a_checkpoint_comes_back(tmp_path):
    network = trained("demo_pose", seed=5)
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "w.pt")
    same = load("demo_pose", tmp_path / "w.pt").state_dict()
    for key, value in network.state_dict().items():
        assert torch.equal(same[key], value.to(same[key].dtype)), key


def test_a_foreign_checkpoint_is_refused(tmp_path):
    path = tmp_path / "w.pt"
    with pytest.raises(edgert.ModelError, match="No such file"):
        load("yolov8n", path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(edgert.ModelError, match="not a file of weights alone"):
        load("yolov8n", path)
    torch.save(make(ARCHITECTURES["demo_pose"]).state_dict(), path)
    with pytest.raises(edgert.ModelError, match=r"no model\.22\.cv3"):
        load("yolov8n", path)
    with pytest.raises(edgert.ModelError, match="are not of hrnet_w32"):
        load("hrnet_w32", path)
    torch.save(make(ARCHITECTURES["demo_detector"]).state_dict(), path)
    with pytest.raises(edgert.ModelError, match="1 classes, 2 names"):
        load("demo_detector", path, ["person", "dog"])


def test_the_command_writes_and_says(tmp_path, capsys):
    target = tmp_path / "net.onnx"
    command = ["export", "demo_pose", "--random", "1", "--size", "64x96", "-o", str(target)]
    assert main(command) == 0
    assert "0.4 M parameters" in capsys.readouterr().out
    assert edgert.Engine(target).metadata["imgsz"] == "[64, 96]"
    report = tmp_path / "report.json"
    assert main([*command, "--quiet", "--json-report", str(report)]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads(report.read_text())["cost"]["parameters"] == 401777


def test_random_weights_are_the_seeds():
    first, again, other = (make(ARCHITECTURES["demo_detector"], seed=s) for s in (1, 1, 2))
    key = "model.0.conv.weight"
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


def test_sizes_grow():
    counts = [cost_of(on_paper(f"yolov8{s}"), (64, 64)).parameters for s in "nsmlx"]
    assert all(a < b for a, b in pairwise(counts))
