"""Small ONNX models whose answers can be worked out by hand.

They see brightness: the detector gives one anchor a cell of 8 x 8 network pixels, scored by the
cell's mean brightness; the pose network's heatmaps are the crop's brightness at a quarter of its
size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, load, numpy_helper, save

CELL = 8
STRIDE = 4


class _Graph:
    def __init__(self, dtype: type) -> None:
        self.dtype = dtype
        self.nodes: list = []
        self.constants: list = []

    def constant(self, values, dtype=None) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(
            numpy_helper.from_array(np.asarray(values, dtype or self.dtype), name)
        )
        return name

    def add(self, kind: str, *inputs: str, to: str | None = None, **attributes) -> str:
        name = to or f"t{len(self.nodes)}"
        if "to_" in attributes:  # the attribute of Cast, which our own name hides
            attributes["to"] = attributes.pop("to_")
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def save(self, path: Path, batch, size, outputs: dict, opset: int, metadata: dict) -> None:
        element = {np.float32: TensorProto.FLOAT, np.float16: TensorProto.FLOAT16}[self.dtype]
        feed = helper.make_tensor_value_info("images", element, [batch, 3, *size])
        results = [helper.make_tensor_value_info(n, element, shape) for n, shape in outputs.items()]
        graph = helper.make_graph(self.nodes, "small", [feed], results, self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=min(opset, 8)
        )
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)
        save(model, str(path))

    def brightness(self, channels: int, step: int) -> str:
        weights = self.constant(np.full((channels, 3, 1, 1), 1 / 3))
        grey = self.add("Conv", "images", weights)
        return self.add("AveragePool", grey, kernel_shape=[step, step], strides=[step, step])


def detector(
    path: Path,
    classes: int = 20,
    batch="batch",
    size=(64, 64),
    open_size=False,
    dtype=np.float32,
    opset=17,
    names=None,
    joints=0,
    poison=None,
    metadata=(),
) -> None:
    """Class 0 where it is bright, class 1 at half the score. `poison`: anchor 0's first value."""
    graph = _Graph(dtype)
    rows, columns = size[0] // CELL, size[1] // CELL
    anchors = rows * columns
    bright = graph.brightness(1, CELL)
    score = graph.add("Reshape", bright, graph.constant([-1, 1, anchors], np.int64))
    per_class = np.zeros((1, classes, anchors))
    per_class[0, 0] = 1
    if classes > 1:
        per_class[0, 1] = 0.5
    scores = graph.add("Mul", score, graph.constant(per_class))
    y, x = np.divmod(np.arange(anchors), columns)
    boxes = np.stack([(x + 0.5) * CELL, (y + 0.5) * CELL, *np.full((2, anchors), CELL * 1.5)])
    if poison is not None:
        boxes[0, 0] = poison
    none = graph.add("Mul", score, graph.constant(np.zeros((1, 1, 1))))
    parts = [graph.add("Add", none, graph.constant(boxes[None])), scores]
    if joints:
        # Each joint a little further down from the anchor's centre, all seen with score 0.5.
        points = np.concatenate(
            [[boxes[0], boxes[1] + k, np.full(anchors, 0.5)] for k in range(joints)]
        )
        parts.append(graph.add("Add", none, graph.constant(points[None])))
    graph.add("Concat", *parts, axis=1, to="output0")
    notes = dict(metadata)
    if names is not None:
        notes["names"] = repr(dict(enumerate(names)))
    shape = ["h", "w"] if open_size else list(size)
    out = [batch, 4 + classes + 3 * joints, "a" if open_size else anchors]
    graph.save(path, batch, shape, {"output0": out}, opset, notes)


def end_to_end(
    path: Path,
    batch="batch",
    size=(64, 64),
    dtype=np.float32,
    joints=0,
    padding=5,
    poison=None,
    metadata=(),
) -> None:
    """The anchors of `detector` as rows that need no suppression, then empty rows.

    Without joints every third is of class 1, the others of class 0. `poison`: the first row's.
    """
    graph = _Graph(dtype)
    rows, columns = size[0] // CELL, size[1] // CELL
    anchors = rows * columns
    bright = graph.brightness(1, CELL)
    score = graph.add("Reshape", bright, graph.constant([-1, anchors, 1], np.int64))
    y, x = np.divmod(np.arange(anchors), columns)
    centres = np.stack([(x + 0.5) * CELL, (y + 0.5) * CELL], 1)
    boxes = np.concatenate([centres - CELL * 0.75, centres + CELL * 0.75], 1)
    class_ids = ((np.arange(anchors) % 3 == 2) & (joints == 0)).astype(float)[:, None]
    if poison is not None:
        class_ids[0] = poison
    none = graph.add("Mul", score, graph.constant(np.zeros((1, 1, 1))))
    parts = [boxes, None, class_ids]
    if joints:
        points = [np.stack([*centres.T, np.full(anchors, 0.5)], 1) for _ in range(joints)]
        for k, point in enumerate(points):
            point[:, 1] += k
        parts += points
    columns_of = [
        score if part is None else graph.add("Add", none, graph.constant(part[None]))
        for part in parts
    ]
    together = graph.add("Concat", *columns_of, axis=2)
    pads = graph.constant([0, 0, 0, 0, padding, 0], np.int64)
    graph.add("Pad", together, pads, to="output0")
    shape = [batch, anchors + padding, 6 + 3 * joints]
    graph.save(path, batch, list(size), {"output0": shape}, 17, dict(metadata))


def with_suppression(path: Path, source: Path, score_threshold=0.1, nms_threshold=0.7) -> None:
    """A YOLOv8 detector (1, 4 + C, A) with NonMaxSuppression behind its head: rows (1, 300, 6)."""
    model = load(str(source))
    graph = _Graph(np.float32)

    def numbers(*values: int) -> str:
        return graph.constant(values, np.int64)

    rows = graph.add("Transpose", model.graph.output[0].name, perm=[0, 2, 1])
    centres, sizes, scores = (
        graph.add("Slice", rows, numbers(begin), numbers(end), numbers(2))
        for begin, end in ((0, 2), (2, 4), (4, 1 << 30))
    )
    half = graph.add("Mul", sizes, graph.constant(0.5))
    corners = [graph.add(kind, centres, half) for kind in ("Sub", "Add")]
    boxes = graph.add("Concat", *corners, axis=2)
    # Of each anchor its best class alone: the operator would take others too.
    best = graph.add("ReduceMax", scores, axes=[2], keepdims=1)
    is_best = graph.add("Cast", graph.add("Equal", scores, best), to_=TensorProto.FLOAT)
    by_class = graph.add("Transpose", graph.add("Mul", scores, is_best), perm=[0, 2, 1])
    limits = [graph.constant([value]) for value in (nms_threshold, score_threshold)]
    chosen = graph.add("NonMaxSuppression", boxes, by_class, numbers(1000), *limits)
    class_ids, anchors = (graph.add("Gather", chosen, numbers(i), axis=1) for i in (1, 2))
    flat = graph.add("Reshape", boxes, numbers(-1, 4))
    found = graph.add(
        "Concat",
        graph.add("GatherND", flat, anchors),
        graph.add("Reshape", graph.add("GatherND", by_class, chosen), numbers(-1, 1)),
        graph.add("Cast", class_ids, to_=TensorProto.FLOAT),
        axis=1,
    )
    padded = graph.add("Concat", found, graph.constant(np.zeros((300, 6))), axis=0)
    first = graph.add("Slice", padded, numbers(0), numbers(300), numbers(0))
    graph.add("Reshape", first, numbers(1, 300, 6), to="detections")
    model.graph.node.extend(graph.nodes)
    model.graph.initializer.extend(graph.constants)
    del model.graph.output[:]
    shape = [1, 300, 6]
    model.graph.output.append(helper.make_tensor_value_info("detections", TensorProto.FLOAT, shape))
    save(model, str(path))


def constant_output(path: Path, shape, size=(64, 64), metadata=()) -> None:
    """Zeros of a shape, whatever the picture."""
    graph = _Graph(np.float32)
    pooled = graph.add("GlobalAveragePool", "images")
    none = graph.add("ReduceSum", graph.add("Mul", pooled, graph.constant(0.0)), keepdims=0)
    graph.add("Add", none, graph.constant(np.zeros(shape)), to="output0")
    graph.save(path, 1, list(size), {"output0": list(shape)}, 17, dict(metadata))


def pose(
    path: Path,
    joints: int = 17,
    batch="batch",
    size=(64, 48),
    dtype=np.float32,
    opset=17,
    offsets=None,
    poison=None,
    metadata=(),
) -> None:
    """`offsets`: (dx, dy) of every joint, as a second output. `poison`: added to joint 0."""
    graph = _Graph(dtype)
    height, width = size[0] // STRIDE, size[1] // STRIDE
    bright = graph.brightness(joints, STRIDE)
    added = np.zeros((1, joints, 1, 1))
    if poison is not None:
        added[0, 0] = poison
    graph.add("Add", bright, graph.constant(added), to="heatmaps")
    outputs = {"heatmaps": [batch, joints, height, width]}
    if offsets is not None:
        none = graph.add("Mul", bright, graph.constant(np.zeros((1, 1, 1, 1))))
        twice = graph.add("Concat", none, none, axis=1)
        values = np.tile(np.asarray(offsets, dtype), joints).reshape(1, 2 * joints, 1, 1)
        graph.add("Add", twice, graph.constant(values), to="offsets")
        outputs["offsets"] = [batch, 2 * joints, height, width]
    graph.save(path, batch, list(size), outputs, opset, dict(metadata))


def reid(path: Path, batch="batch", size=(32, 16)) -> None:
    """The mean red, green and blue of the crop, after ImageNet's normalisation: (N, 3)."""
    graph = _Graph(np.float32)
    pooled = graph.add("GlobalAveragePool", "images")
    graph.add("Reshape", pooled, graph.constant([-1, 3], np.int64), to="features")
    graph.save(path, batch, list(size), {"features": [batch, 3]}, 17, {})


def classifier(path: Path) -> None:
    """(B, 10) scores."""
    graph = _Graph(np.float32)
    pooled = graph.add("GlobalAveragePool", "images")
    flat = graph.add("Reshape", pooled, graph.constant([-1, 3], np.int64))
    graph.add("MatMul", flat, graph.constant(np.ones((3, 10))), to="scores")
    graph.save(path, "batch", [64, 64], {"scores": ["batch", 10]}, 17, {})


def channels_last(path: Path) -> None:
    """A detector-like model that wants (B, H, W, 3)."""
    graph = _Graph(np.float32)
    graph.add("Identity", "images", to="output0")
    element = TensorProto.FLOAT
    feed = helper.make_tensor_value_info("images", element, [1, 64, 64, 3])
    result = helper.make_tensor_value_info("output0", element, [1, 64, 64, 3])
    made = helper.make_model(
        helper.make_graph(graph.nodes, "nhwc", [feed], [result]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    save(made, str(path))
