"""Small networks with the shapes of real ones, and what quantization needs to know of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.quant.images.data import Item
from edgert.quant.rewrite.plan import Plan
from edgert.quant.thresholds.scales import Scales

SIZE = 16
SAME = [1, 1, 1, 1]


class Net:
    """Nodes and constants of a model on its way; the input is `images`, (batch, 3, 16, 16)."""

    def __init__(self, opset: int = 17, seed: int = 0) -> None:
        self.opset = opset
        self.random = np.random.default_rng(seed)
        self.nodes: list = []
        self.constants: dict[str, np.ndarray] = {}

    def add(
        self, op: str, *inputs: str, to: str = "", name: str | None = None, **attributes
    ) -> str:
        to = to or f"t{len(self.nodes)}"
        name = f"/{to}" if name is None else name
        self.nodes.append(helper.make_node(op, list(inputs), [to], name=name, **attributes))
        return to

    def constant(self, value, dtype=np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def normal(self, *shape: int) -> str:
        spread = np.sqrt(2 / max(1, np.prod(shape[1:])))
        return self.constant(self.random.standard_normal(shape) * spread)

    def conv(self, x: str, inputs: int, outputs: int, kernel: int = 3, **options) -> str:
        """`bias`: False for none; `weight`: a constant's name; the rest are attributes."""
        weight = options.pop("weight", None)
        bias = [self.constant(self.random.standard_normal(outputs) * 0.2)]
        bias = bias if options.pop("bias", True) else []
        groups = options.get("group", 1)
        weight = weight or self.normal(outputs, inputs // groups, kernel, kernel)
        pads = [kernel // 2] * 4
        return self.add("Conv", x, weight, *bias, **{"pads": pads, **options})

    def relu(self, x: str, **options) -> str:
        return self.add("Relu", x, **options)

    def silu(self, x: str, **options) -> str:
        return self.add("Mul", x, self.add("Sigmoid", x), **options)

    def head(self, x: str, inputs: int, to: str = "output") -> str:
        return self.conv(x, inputs, 8, 1, to=to, name=f"/head/{to}")

    def split(self, x: str, parts: int, channels: int) -> list[str]:
        names = [f"{x}_part{i}" for i in range(parts)]
        sizes = [channels // parts] * parts
        told = {"split": sizes} if self.opset < 13 else {}
        inputs = [x] if self.opset < 13 else [x, self.constant(sizes, np.int64)]
        self.nodes.append(
            helper.make_node("Split", inputs, names, name=f"/split/{x}", axis=1, **told)
        )
        return names

    def model(self, output: str = "output", batch: int | str = 1, rank: int = 4) -> ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "small",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, SIZE, SIZE])],
            [
                helper.make_tensor_value_info(
                    output, TensorProto.FLOAT, [f"size{i}" for i in range(rank)]
                )
            ],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        if self.opset < 9:  # IR 3 wants every initializer to be an input too
            graph.input.extend(
                helper.make_tensor_value_info(t.name, t.data_type, t.dims)
                for t in graph.initializer
            )
        for node in self.nodes:
            if node.domain:
                made = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
                graph.value_info.append(made)
        imports = [helper.make_opsetid("", self.opset)]
        if any(node.domain for node in self.nodes):
            imports.append(helper.make_opsetid("com.microsoft", 1))
        versions = {8: 3, 11: 6, 13: 7, 17: 8, 21: 10}
        return helper.make_model(graph, opset_imports=imports, ir_version=versions[self.opset])


def plain(opset: int = 17) -> ModelProto:
    """Conv, Relu, Conv, Relu, head: the least there is to quantize."""
    net = Net(opset)
    x = net.relu(net.conv("images", 3, 16, to="stem"), to="a")
    x = net.relu(net.conv(x, 16, 16, to="middle"), to="b")
    net.head(x, 16)
    return net.model()


def chained(opset: int = 17) -> ModelProto:
    """Convolutions one after the other, with and without an activation between them."""
    net = Net(opset)
    x = net.relu(net.conv("images", 3, 16, to="stem"), to="a")
    x = net.relu(net.conv(x, 16, 16, to="one"), to="b")
    x = net.conv(x, 16, 16, to="two")
    x = net.conv(x, 16, 16, 1, to="three")
    x = net.silu(net.conv(x, 16, 16, to="four"), to="c")
    net.head(x, 16)
    return net.model()


def c2f(opset: int = 17, batch: int | str = 1) -> ModelProto:
    """YOLOv8's block: split, a bottleneck with SiLU and a residual, concatenation."""
    net = Net(opset)
    x = net.silu(net.conv("images", 3, 16, to="stem"), to="stem_act")
    x = net.silu(net.conv(x, 16, 32, 1, to="cv1"), to="cv1_act")
    a, b = net.split(x, 2, 32)
    y = net.silu(net.conv(b, 16, 16, to="m1"), to="m1_act")
    y = net.silu(net.conv(y, 16, 16, to="m2"), to="m2_act")
    y = net.add("Add", b, y, to="sum")
    x = net.add("Concat", a, b, y, to="joined", axis=1)
    x = net.silu(net.conv(x, 48, 16, 1, to="cv2"), to="cv2_act")
    net.head(x, 16)
    return net.model(batch=batch)


def residual(opset: int = 17) -> ModelProto:
    """ResNet's block, once with an identity and once with a projection on the skip branch."""
    net = Net(opset)
    x = net.relu(net.conv("images", 3, 16, to="stem"), to="x0")
    y = net.relu(net.conv(x, 16, 16, to="one"), to="y0")
    y = net.conv(y, 16, 16, to="two")
    x = net.relu(net.add("Add", y, x, to="sum1"), to="x1")
    y = net.relu(net.conv(x, 16, 16, to="three"), to="y1")
    y = net.conv(y, 16, 32, to="four")
    skip = net.conv(x, 16, 32, 1, to="projection")
    x = net.relu(net.add("Add", y, skip, to="sum2"), to="x2")
    net.head(x, 32)
    return net.model()


def sppf(opset: int = 17) -> ModelProto:
    """Three poolings one after the other, concatenated with what they started from."""
    net = Net(opset)
    x = net.silu(net.conv("images", 3, 16, to="stem"), to="stem_act")
    pools = [x]
    for i in range(3):
        pool = {"kernel_shape": [5, 5], "strides": [1, 1], "pads": [2, 2, 2, 2]}
        pools.append(net.add("MaxPool", pools[-1], to=f"pool{i}", **pool))
    x = net.add("Concat", *pools, to="joined", axis=1)
    x = net.silu(net.conv(x, 64, 16, 1, to="after"), to="after_act")
    net.head(x, 16)
    return net.model()


def resized(opset: int = 17, mode: str = "nearest") -> ModelProto:
    """A top-down path: half size, back to full size, concatenated with what was there before."""
    net = Net(opset)
    x = net.relu(net.conv("images", 3, 16, to="stem"), to="fine")
    y = net.relu(net.conv(x, 16, 16, strides=[2, 2], to="down"), to="coarse")
    if opset < 9:
        up = net.add("Upsample", y, to="up", mode=mode, scales=[1.0, 1.0, 2.0, 2.0])
    else:
        empty = net.constant([])
        factors = net.constant([1, 1, 2, 2])
        up = net.add("Resize", y, empty, factors, to="up", mode=mode)
    x = net.add("Concat", x, up, to="joined", axis=1)
    x = net.relu(net.conv(x, 32, 16, to="after"), to="after_act")
    net.head(x, 16)
    return net.model()


def dfl(opset: int = 17) -> ModelProto:
    """YOLOv8's head: boxes as a distribution over 16 bins, a softmax, a convolution with 0..15."""
    net = Net(opset)
    x = net.relu(net.conv("images", 3, 16, strides=[2, 2], to="stem"), to="a")
    box = net.relu(net.conv(x, 16, 64, to="box1"), to="box1_act")
    box = net.conv(box, 64, 64, 1, to="box2")
    box = net.add("Reshape", box, net.constant([1, 4, 16, 64], np.int64))
    box = net.add("Transpose", box, perm=[0, 2, 1, 3])
    box = net.add("Softmax", box, axis=1, to="bins")
    weight = net.constant(np.arange(16.0).reshape(1, 16, 1, 1))
    box = net.add("Conv", box, weight, to="dfl")
    box = net.add("Reshape", box, net.constant([1, 4, 64], np.int64))
    score = net.relu(net.conv(x, 16, 16, to="score1"), to="score1_act")
    score = net.conv(score, 16, 20, 1, to="score2")
    score = net.add("Reshape", score, net.constant([1, 20, 64], np.int64))
    net.add("Concat", box, net.add("Sigmoid", score), to="output", axis=1)
    return net.model(rank=3)


def depthwise(opset: int = 17) -> ModelProto:
    """MobileNetV2's block, a grouped convolution, ReLU6, and convolutions without a bias."""
    net = Net(opset)
    x = net.relu(net.conv("images", 3, 16, to="stem", bias=False), to="a")
    x = net.conv(x, 16, 32, 1, to="expand", bias=False)
    if opset < 11:
        x = net.add("Clip", x, to="b", min=0.0, max=6.0)
    else:
        x = net.add("Clip", x, net.constant(0), net.constant(6), to="b")
    x = net.relu(net.conv(x, 32, 32, to="depth", group=32, bias=False), to="c")
    x = net.conv(x, 32, 16, 1, to="project", bias=False)
    x = net.relu(net.conv(x, 16, 16, to="grouped", group=4, bias=False), to="d")
    net.head(x, 16)
    return net.model()


def dense(opset: int = 17) -> ModelProto:
    """Gemm with either layout of weights, and MatMul."""
    net = Net(opset)
    x = net.relu(net.conv("images", 3, 16, to="stem"), to="a")
    x = net.add("Flatten", net.add("GlobalAveragePool", x), to="flat")
    bias = net.constant(net.random.standard_normal(24))
    x = net.add("Gemm", x, net.normal(24, 16), bias, to="rows", transB=1)
    x = net.relu(x, to="b")
    x = net.add("Gemm", x, net.normal(24, 32), net.constant(np.ones((1, 32))), to="columns")
    x = net.relu(x, to="c")
    x = net.add("MatMul", x, net.normal(32, 16), to="product")
    x = net.relu(net.add("Add", x, net.constant(np.ones(16))), to="d")
    net.add("Gemm", x, net.normal(16, 8), net.constant(0.5), to="output")
    return net.model(rank=2)


def names(opset: int = 17) -> ModelProto:
    """Nodes without names, and one that is named as one of them would be called."""
    made = c2f(opset)
    for node in made.graph.node:
        node.name = "Conv_stem" if node.op_type == "Concat" else ""
    return made


def shared(opset: int = 17) -> ModelProto:
    """Two convolutions with the same weights and bias, one of them after a wide range of values."""
    net = Net(opset)
    weight, bias = net.normal(16, 16, 3, 3), net.constant(net.random.standard_normal(16))
    x = net.relu(net.conv("images", 3, 16, to="stem"), to="a")
    y = net.relu(net.add("Conv", x, weight, bias, to="first", pads=SAME), to="b")
    y = net.add("Mul", y, net.constant(8.0))
    y = net.relu(net.add("Conv", y, weight, bias, to="second", pads=SAME), to="c")
    net.head(y, 16)
    return net.model()


def constant_nodes(opset: int = 17) -> ModelProto:
    """Weights that are Constant nodes, one of them through an Identity."""
    made = plain(opset)
    weights = {node.input[1] for node in made.graph.node if node.op_type == "Conv"}
    nodes = []
    kept = []
    for tensor in made.graph.initializer:
        if tensor.name not in weights:
            kept.append(tensor)
            continue
        name = tensor.name if nodes else f"{tensor.name}_held"
        nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        if name != tensor.name:
            nodes.append(helper.make_node("Identity", [name], [tensor.name]))
    nodes.extend(made.graph.node)
    made.graph.ClearField("node")
    made.graph.ClearField("initializer")
    made.graph.node.extend(nodes)
    made.graph.initializer.extend(kept)
    return made


def subgraph(opset: int = 17) -> ModelProto:
    """An If whose branches read a layer's output, its activation, and another layer's weights."""
    net = Net(opset)
    weight = net.normal(16, 16, 3, 3)
    x = net.conv("images", 3, 16, to="stem")
    x = net.relu(x, to="a")
    y = net.relu(net.conv(x, 16, 16, to="middle", weight=weight), to="b")
    total = net.add("ReduceSum", y, to="total", keepdims=0)
    positive = net.add("Greater", total, net.constant(0.0))
    info = helper.make_tensor_value_info
    then = helper.make_graph(
        [
            helper.make_node("Conv", ["a", weight], ["again"], pads=SAME),
            helper.make_node("Add", ["again", "b"], ["then_out"]),
        ],
        "then",
        [],
        [info("then_out", TensorProto.FLOAT, None)],
    )
    other = helper.make_graph(
        [helper.make_node("Add", ["b", "middle"], ["else_out"])],
        "else",
        [],
        [info("else_out", TensorProto.FLOAT, None)],
    )
    z = net.add("If", positive, to="chosen", then_branch=then, else_branch=other)
    z = net.relu(net.conv(z, 16, 16, to="after"), to="after_act")
    net.head(z, 16)
    return net.model()


def left_in_float(opset: int = 17) -> ModelProto:
    """No INT8 form: LSTM, an operator of another domain, a transposed convolution."""
    net = Net(opset)
    x = net.relu(net.conv("images", 3, 16, to="stem"), to="a")
    x = net.relu(net.conv(x, 16, 16, to="before"), to="b")
    weight = net.normal(16, 16, 2, 2)
    x = net.add("ConvTranspose", x, weight, to="transposed", strides=[2, 2])
    x = net.add("Gelu", x, to="gelu", domain="com.microsoft")
    x = net.relu(net.conv(x, 16, 16, to="after"), to="c")
    x = net.add("ReduceMean", x, axes=[3], keepdims=0)
    x = net.add("Transpose", x, perm=[2, 0, 1], to="steps")
    sizes = {"hidden_size": 8}
    weights = [net.normal(1, 32, 16), net.normal(1, 32, 8)]
    net.add("LSTM", x, *weights, to="output", name="/lstm", **sizes)
    return net.model(rank=4)


def dead(opset: int = 17) -> ModelProto:
    """Filters of zeros and of nearly zeros, with large biases; a tensor that is always zero."""
    net = Net(opset)
    weight = net.random.standard_normal((16, 3, 3, 3)) * 0.3
    weight[3] = 0
    weight[5] *= 1e-9
    bias = np.linspace(-1, 4, 16)
    x = net.add("Conv", "images", net.constant(weight), net.constant(bias), to="stem", pads=SAME)
    x = net.relu(x, to="a")
    weight = net.random.standard_normal((16, 16, 3, 3)) / 9
    weight[7] = 0
    y = net.conv(x, 16, 16, to="middle", weight=net.constant(weight), bias=False)
    y = net.relu(y, to="b")
    none = net.add("Mul", y, net.constant(0.0), to="none")
    y = net.add("Add", y, net.relu(net.conv(none, 16, 16, to="blind"), to="c"))
    y = net.relu(net.conv(y, 16, 16, to="after"), to="d")
    net.head(y, 16)
    return net.model()


def coarse_bias(opset: int = 17) -> ModelProto:
    """Large products that cancel: beside their steps the bias is small, and so is the output."""
    net = Net(opset)
    first = net.random.standard_normal((16, 3, 3, 3)) * 0.3
    first[1] = first[0]
    shift = net.constant(np.zeros(16))
    x = net.add("Conv", "images", net.constant(first), shift, to="stem", pads=SAME)
    x = net.relu(x, to="a")
    weight = np.zeros((16, 16, 1, 1))
    weight[:, 0], weight[:, 1], weight[:, 2] = 1, -1, 0.02
    bias = net.constant(net.random.standard_normal(16) * 0.01)
    x = net.add("Conv", x, net.constant(weight), bias, to="middle")
    net.head(net.relu(net.conv(x, 16, 16, 1, to="after"), to="b"), 16)
    return net.model()


def sensitive(opset: int = 17) -> ModelProto:
    """Two layers that INT8 hurts, `/worst` more than `/bad`, between others that it does not.

    One channel of what they read is far larger than the rest, and their weights make up for it.
    """
    net = Net(opset)
    x = net.relu(net.conv("images", 3, 16, to="stem"), to="a")
    x = net.relu(net.conv(x, 16, 16, to="calm1"), to="b")
    for name, factor in (("worst", 400.0), ("bad", 60.0)):
        factors = np.r_[factor, np.ones(15)]
        weight = net.random.standard_normal((16, 16, 3, 3)) / 9
        weight /= factors.reshape(1, 16, 1, 1)
        x = net.add("Mul", x, net.constant(factors.reshape(1, 16, 1, 1)), to=f"{name}_input")
        x = net.relu(net.conv(x, 16, 16, to=name, weight=net.constant(weight)), to=f"{name}_act")
    x = net.relu(net.conv(x, 16, 16, to="calm2"), to="e")
    net.head(x, 16)
    return net.model()


OPSETS = (8, 11, 13, 17, 21)
MODELS: dict[str, Callable[[], ModelProto]] = {
    **{f"plain-{opset}": (lambda opset=opset: plain(opset)) for opset in OPSETS},
    **{f"c2f-{opset}": (lambda opset=opset: c2f(opset)) for opset in (8, 11, 13, 17)},
    **{f"resized-{opset}": (lambda opset=opset: resized(opset)) for opset in (8, 11, 17)},
    "c2f-dynamic": lambda: c2f(batch="batch"),
    "resized-linear": lambda: resized(mode="linear"),
    "chained": chained,
    "depthwise-8": lambda: depthwise(8),
    "depthwise": depthwise,
    "residual": residual,
    "sppf": sppf,
    "dfl": dfl,
    "dense": dense,
    "dense-8": lambda: dense(8),
    "names": names,
    "shared": shared,
    "constant-nodes": constant_nodes,
    "subgraph": subgraph,
    "left-in-float": left_in_float,
    "dead": dead,
    "coarse-bias": coarse_bias,
}


def image(seed: int = 0, batch: int = 1) -> np.ndarray:
    """(batch, 3, 16, 16) float32 in [0, 1]."""
    return np.random.default_rng(seed).random((batch, 3, SIZE, SIZE), np.float32)


def scales_of(path: Path, plan: Plan, *images: np.ndarray) -> Scales:
    """Thresholds at the largest magnitude, found without the code that is tested."""
    found: dict[str, float] = {}
    inner = [name for name in plan.tensors if name != "images"]
    network = OnnxRuntimeGraph(path, outputs=inner, optimize="none") if inner else None
    for feed in images or (image(),):
        values = dict(zip(inner, network.run({"images": feed}), strict=True)) if network else {}
        values["images"] = feed
        for name in plan.tensors:
            found[name] = max(found.get(name, 0.0), float(np.abs(values[name]).max(initial=0)))
    return Scales(found, dict.fromkeys(found, "minmax"), "minmax")


def items(count: int = 4, seed: int = 10) -> list[Item]:
    """Random images as the network's inputs."""
    return [
        Item(image(seed + i), np.eye(2, 3), f"image {i}", f"{i:064x}", (SIZE, SIZE), None)
        for i in range(count)
    ]


def saved(model: ModelProto, path: Path, **options) -> Path:
    onnx.save(model, str(path), **options)
    return path
