"""FP16 models, run: as ONNX Runtime does, as onnx's reference does, with rounding that shows."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgert.quant.model.half import to_half


def run(model, *feeds):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # The graph as it is written: no folding of a Cast pair that rounds.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(zip((i.name for i in session.get_inputs()), feeds, strict=True)))


def computed(model, *feeds):
    """By onnx's reference, which rounds to FP16 after every node; ONNX Runtime's CPU may not."""
    evaluator = ReferenceEvaluator(model)
    with np.errstate(all="ignore"):
        return evaluator.run(None, dict(zip(evaluator.input_names, feeds, strict=True)))


def with_rounding(half):
    """An FP16 model as FP32 arithmetic that rounds to 11 bits after every FP16 node.

    ONNX Runtime computes FP16 in FP32 on a CPU and drops Casts between: this cannot be dropped. It
    is Veltkamp's splitting, c = (2**13 + 1) x, x' = c - (c - x); and it is fast.
    """
    found = types(half)
    nodes = [helper.make_node("Constant", [], ["split"], value_float=2.0**13 + 1)]
    for entry in half.graph.node:
        made = onnx.NodeProto()
        made.CopyFrom(entry)
        if entry.op_type == "Cast" and entry.attribute[0].i == TensorProto.FLOAT16:
            made.attribute[0].i = TensorProto.FLOAT
        nodes.append(made)
        for index, name in enumerate(entry.output):
            if found[name] == TensorProto.FLOAT16:
                exact, c, d = (f"{name}_{suffix}" for suffix in ("exact", "c", "d"))
                made.output[index] = exact
                nodes.append(helper.make_node("Mul", [exact, "split"], [c]))
                nodes.append(helper.make_node("Sub", [c, exact], [d]))
                nodes.append(helper.make_node("Sub", [c, d], [name]))
    model = onnx.ModelProto()
    model.CopyFrom(half)
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            array = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return model


def sqnr_db(exact, found) -> float:
    noise = ((exact.astype(np.float64) - found) ** 2).sum()
    return float(10 * np.log10((exact.astype(np.float64) ** 2).sum() / max(noise, 1e-30)))


def checked(model, **options):
    made = to_half(model, **options)
    onnx.checker.check_model(made, full_check=True)
    return made


def types(model) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    found = {t.name: t.data_type for t in graph.initializer}
    found.update(
        (v.name, v.type.tensor_type.elem_type)
        for v in (*graph.input, *graph.value_info, *graph.output)
    )
    return found
