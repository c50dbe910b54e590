"""A small network with one layer of every kind, and a plain way to quantize any model."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def network(nodes, initializers, inputs, outputs, opset: int = 17, ir_version: int = 8):
    """A model; `inputs` by name: shape, or (element type, shape)."""

    def value(name, told):
        kind, shape = told if isinstance(told, tuple) else (TensorProto.FLOAT, told)
        return helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(
        nodes,
        "small",
        [value(*entry) for entry in inputs.items()],
        [value(*entry) for entry in outputs.items()],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in initializers.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version
    )


def every_layer(batch: int | str = "batch") -> ModelProto:
    """Convolutions (depthwise, pointwise, transposed, in groups), Gemm, MatMul, attention."""
    random = np.random.default_rng(0)
    nodes: list = []
    constants: dict = {}

    def weight(name: str, *shape: int) -> str:
        spread = 1 / np.sqrt(max(1, np.prod(shape[1:])))
        constants[name] = (random.standard_normal(shape) * spread).astype(np.float32)
        return name

    def add(op: str, inputs: list[str], output: str, **attributes) -> str:
        nodes.append(helper.make_node(op, inputs, [output], name=f"/{output}/{op}", **attributes))
        return output

    same = {"pads": [1, 1, 1, 1]}
    x = add("Conv", ["images", weight("w0", 32, 3, 3, 3), weight("b0", 32)], "stem", **same)
    x = add("Mul", [x, add("Sigmoid", [x], "gate")], "silu")
    y = add("Relu", [add("Conv", [x, weight("w1", 32, 1, 3, 3)], "depth", group=32, **same)], "d")
    y = add("Conv", [y, weight("w2", 32, 32, 1, 1), weight("b2", 32)], "point")
    x = add("Add", [y, x], "sum")
    x = add("ConvTranspose", [x, weight("w3", 32, 16, 4, 4)], "up", strides=[2, 2], **same)
    x = add("Conv", [add("Relu", [x], "u"), weight("w4", 32, 4, 3, 3)], "group", group=4, **same)
    x = add("Flatten", [add("GlobalAveragePool", [x], "mean")], "flat")
    x = add("Gemm", [x, weight("w5", 48, 32), weight("b5", 48)], "dense", transB=1)
    x = add("MatMul", [add("Relu", [x], "e"), weight("w6", 48, 24)], "product")
    constants["shape"] = np.array([-1, 4, 6])
    x = add("Reshape", [x, "shape"], "rows")
    x = add("MatMul", [x, add("Transpose", [x], "columns", perm=[0, 2, 1])], "attention")
    add("Softmax", [x], "output", axis=-1)
    return network(nodes, constants, {"images": [batch, 3, 32, 32]}, {"output": [batch, 4, 4]})


def quantized(
    model: ModelProto, keep=(), *, scale=0.05, zero=0, per_channel=False, weights=True
) -> ModelProto:
    """A copy with a pair at the input of every layer with constant weights, one a tensor.

    `keep`: names of layers to leave; `zero`: a number (int8) or of NumPy's uint8; `per_channel`: a
    scale a channel of the input, which TensorRT takes and does not multiply with.
    """
    made = ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    nodes: list = []
    pairs: dict[str, str] = {}

    def constant(name: str, array) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def pair(tensor: str, channels: int) -> str:
        if tensor not in pairs:
            size = (channels,) if per_channel else ()
            zeros = np.full(size, zero, np.int8 if isinstance(zero, int) else zero.dtype)
            notes = [
                constant(f"{tensor}_scale", np.full(size, scale, np.float32)),
                constant(f"{tensor}_zero", zeros),
            ]
            names = [f"{tensor}_whole", f"{tensor}_pair"]
            nodes.append(
                helper.make_node("QuantizeLinear", [tensor, *notes], names[:1], f"q/{tensor}")
            )
            nodes.append(
                helper.make_node("DequantizeLinear", [names[0], *notes], names[1:], f"dq/{tensor}")
            )
            pairs[tensor] = names[1]
        return pairs[tensor]

    def weight(name: str, op: str) -> str:
        array = constants[name]
        axis = 0 if op in ("Conv", "Gemm") else 1
        others = tuple(i for i in range(array.ndim) if i != axis)
        scales = np.abs(array).max(others) / np.float32(127)
        shape = [-1 if i == axis else 1 for i in range(array.ndim)]
        whole = np.rint(array / scales.reshape(shape)).clip(-127, 127).astype(np.int8)
        inputs = [
            constant(f"{name}_whole", whole),
            constant(f"{name}_scale", scales),
            constant(f"{name}_zero", np.zeros(len(scales), np.int8)),
        ]
        output = [f"{name}_pair"]
        nodes.append(helper.make_node("DequantizeLinear", inputs, output, f"dq/{name}", axis=axis))
        return output[0]

    for node in graph.node:
        if node.op_type in LAYERS and node.input[1] in constants and node.name not in keep:
            channels = constants[node.input[1]].shape[1]
            node.input[0] = pair(node.input[0], channels)
            if weights:
                node.input[1] = weight(node.input[1], node.op_type)
        nodes.append(node)
    made.graph.ClearField("node")
    made.graph.node.extend(nodes)
    return made
