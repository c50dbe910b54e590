"""Small networks that can be quantized from end to end, and annotated images for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from edgert.coco_names import COCO_NAMES
from edgert.quant.images.data import CalibrationData
from edgert.quant.trials.reading import make_reader, understand

SIZE, CHANNELS, CLASSES, JOINTS = 64, 16, 4, 17
POSE_SIZE = (64, 48)


class Network:
    """Convolutions one after another, with random weights from a fixed seed."""

    def __init__(self, seed: int = 11) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list = []
        self.constants: list = []

    def constant(self, name, values):
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, op, inputs, output, **attributes):
        name = attributes.pop("name", output)
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output

    def convolution(
        self, name, source, channels_in, channels_out, stride=1, kernel=3, dead=(), gain=1
    ):
        shape = (channels_out, channels_in, kernel, kernel)
        spread = np.sqrt(2 / (channels_in * kernel**2))
        values = self.rng.normal(0, gain * spread, shape).astype(np.float32)
        values[list(dead)] = 0
        bias = self.rng.normal(0, 0.1, channels_out).astype(np.float32)
        bias[list(dead)] = 0
        inputs = [source, self.constant(f"{name}.w", values), self.constant(f"{name}.b", bias)]
        pads = [kernel // 2] * 4
        return self.add("Conv", inputs, f"{name}.out", name=name, strides=[stride] * 2, pads=pads)

    def silu(self, number, tensor):
        gate = self.add("Sigmoid", [tensor], f"gate{number}")
        return self.add("Mul", [tensor, gate], f"act{number}")

    def model(self, size, outputs):
        feed = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, *size])
        made = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()]
        graph = helper.make_graph(self.nodes, "small", [feed], made, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def detector(path: Path, *, relu=False, dead=(), unsupported=False, **save) -> Path:
    """Three convolutions that can be quantized, and the head.

    Args:
        path: To be written.
        relu: Relu between the convolutions, which can be equalized then, instead of SiLU.
        dead: Output channels of conv1 that are always zero.
        unsupported: Between conv1 and conv2, a transposed convolution, which has no INT8 form here.
        save: Of `onnx.save`.
    """
    net = Network()
    tensor = "images"
    for number, (inputs, stride) in enumerate([(3, 4), (CHANNELS, 2), (CHANNELS, 1)]):
        if unsupported and number == 2:
            weights = net.rng.normal(0, 0.1, (CHANNELS, CHANNELS, 1, 1)).astype(np.float32)
            inner = [tensor, net.constant("up.w", weights)]
            tensor = net.add("ConvTranspose", inner, "up.out", name="up")
        gone = dead if number == 1 else ()
        tensor = net.convolution(f"conv{number}", tensor, inputs, CHANNELS, stride, dead=gone)
        tensor = net.add("Relu", [tensor], f"r{number}") if relu else net.silu(number, tensor)
    head = net.convolution("head", tensor, CHANNELS, 4 + CLASSES, kernel=1)
    cells = (SIZE // 8) ** 2
    shape = net.constant("shape", np.array([-1, 4 + CLASSES, cells], np.int64))
    net.add("Reshape", [head, shape], "flat")
    zero, four, end, one = (
        net.constant(name, np.array([value], np.int64))
        for name, value in (("0", 0), ("4", 4), ("9", 99), ("1", 1))
    )
    net.add("Slice", ["flat", zero, four, one], "near")
    net.add("Slice", ["flat", four, end, one], "raw")
    net.add("Mul", ["near", net.constant("scale", np.float32(30))], "boxes")
    net.add("Sigmoid", ["raw"], "scores")
    net.add("Concat", ["boxes", "scores"], "output0", axis=1)
    onnx.save(net.model((SIZE, SIZE), {"output0": ["n", 4 + CLASSES, cells]}), str(path), **save)
    return path


def pose(path: Path, *, faint=False) -> Path:
    """Three convolutions that can be quantized, and the head; heatmaps of a quarter of the size.

    Args:
        path: To be written.
        faint: What conv1 reads, and its weights, are so small that the product of their scales is
            zero in FP16; its bias is not.
    """
    net = Network(5)
    gain = 1e-3 if faint else 1
    tensor = net.convolution("conv0", "images", 3, CHANNELS, 2, gain=gain)
    if faint:
        net.constants[-1].CopyFrom(numpy_helper.from_array(np.zeros(CHANNELS, "f4"), "conv0.b"))
    tensor = net.add("Relu", [tensor], "r0")
    tensor = net.convolution("conv1", tensor, CHANNELS, CHANNELS, 2, gain=50 * gain if faint else 1)
    tensor = net.add("Relu", [tensor], "r1")
    tensor = net.convolution("conv2", tensor, CHANNELS, CHANNELS)
    tensor = net.add("Relu", [tensor], "r2")
    head = net.convolution("head", tensor, CHANNELS, JOINTS, kernel=1)
    net.add("Sigmoid", [head], "heatmaps")
    height, width = POSE_SIZE
    onnx.save(net.model(POSE_SIZE, {"heatmaps": ["n", JOINTS, height // 4, width // 4]}), str(path))
    return path


def pictures(folder: Path, count: int = 10) -> Path:
    """Noise, 64 pixels wide and 48 high."""
    rng = np.random.default_rng(12)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def outputs_of(model: Path, items) -> list:
    """What ONNX Runtime makes of items."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return [session.run(None, {session.get_inputs()[0].name: item.tensor}) for item in items]


def annotate_boxes(path: Path, model: Path, folder: Path, most: int = 6) -> Path:
    """COCO boxes: the float detector's best detections are the truth, so that it has a good AP."""
    from edgert.engine import Engine

    items = list(CalibrationData(model, folder))
    reader = make_reader(understand(Engine(model)), 0.25)
    rows = []
    for number, (item, outputs) in enumerate(zip(items, outputs_of(model, items), strict=True)):
        found = reader(item, outputs)
        for box, label in zip(found.boxes[:most].tolist(), found.class_ids[:most], strict=True):
            rows.append(_row(number, box, int(label) + 1))
    return _write(path, [item.source for item in items], rows)


def annotate_people(path: Path, model: Path, folder: Path, missed: float = 0.0) -> Path:
    """COCO poses: of two boxes an image, the joints that the float network finds.

    Args:
        path: To be written.
        model: The pose network.
        folder: Of `pictures`.
        missed: So many pixels are the true joints beside them.
    """
    from edgert.engine import Engine

    names = sorted(folder.glob("*.png"))
    boxes = [[4.0, 4.0, 30.0, 44.0], [30.0, 2.0, 60.0, 46.0]]
    rows = [
        _row(number, box, 1, keypoints=[1.0, 1.0, 2] * JOINTS, num_keypoints=JOINTS)
        for number in range(len(names))
        for box in boxes
    ]
    _write(path, names, rows)
    items = list(CalibrationData(model, folder, annotations=path))
    reader = make_reader(understand(Engine(model)), 0.25)
    for row, item, outputs in zip(rows, items, outputs_of(model, items), strict=True):
        points = reader(item, outputs).keypoints[0] + missed
        flat = np.column_stack([points, np.full(JOINTS, 2)]).astype(float).ravel()
        row["keypoints"] = flat.tolist()
    return _write(path, names, rows)


def _row(image, box, category, **more):
    x1, y1, x2, y2 = box
    sides = [x1, y1, x2 - x1, y2 - y1]
    row = {"image_id": image, "category_id": category, "bbox": sides, "iscrowd": 0, **more}
    return row | {"area": sides[2] * sides[3]}


def _write(path, names, rows):
    images = [
        {"id": number, "file_name": Path(name).name, "width": 64, "height": 48}
        for number, name in enumerate(names)
    ]
    categories = [{"id": n + 1, "name": COCO_NAMES[n]} for n in range(CLASSES)]
    rows = [{**row, "id": number} for number, row in enumerate(rows)]
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": categories}))
    return path
