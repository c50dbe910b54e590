"""`quant.half` on any graph: still valid, and near what it was."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from audit_models import network
from half_rounding import checked, computed

OPS = ("Relu", "Sigmoid", "Add", "Mul", "Concat", "Softmax", "ReduceSum", "Exp", "Cast", "Constant")


@st.composite
def graphs(draw):
    """Random graphs over (4,) tensors, with outputs in the middle and constants of both kinds."""
    tensors, nodes, constants = ["x"], [], {}
    for index in range(draw(st.integers(1, 12))):
        op = draw(st.sampled_from(OPS))
        a, b = (draw(st.sampled_from(tensors)) for _ in range(2))
        name = f"t{index}"
        if op in ("Add", "Mul"):
            nodes.append(helper.make_node(op, [a, b], [name]))
        elif op == "Concat":
            nodes.append(helper.make_node("Concat", [a, b], [f"{name}_long"], axis=0))
            constants.update({"begin": np.array([2]), "end": np.array([6])})
            nodes.append(helper.make_node("Slice", [f"{name}_long", "begin", "end"], [name]))
        elif op == "ReduceSum":
            nodes.append(helper.make_node(op, [a], [f"{name}_sum"]))
            nodes.append(helper.make_node("Mul", [f"{name}_sum", b], [name]))
        elif op == "Exp":
            nodes.append(helper.make_node("Sigmoid", [a], [f"{name}_in"]))
            nodes.append(helper.make_node("Exp", [f"{name}_in"], [name]))
        elif op == "Cast":
            # Of the input alone, whose values FP16 holds exactly: rounding must not turn it.
            constants["limit"] = np.array([0.3], np.float32)
            nodes.append(helper.make_node("Greater", ["x", "limit"], [f"{name}_is"]))
            nodes.append(helper.make_node("Cast", [f"{name}_is"], [name], to=TensorProto.FLOAT))
        elif op == "Constant":
            values = np.arange(4, dtype=np.float32) / 4
            if draw(st.booleans()):
                constants[name] = values
            else:
                tensor = numpy_helper.from_array(values)
                nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            nodes.append(helper.make_node(op, [a], [name]))
        tensors.append(name)
    made = {output for entry in nodes for output in entry.output}
    candidates = [name for name in tensors if name in made] or ["last"]
    if candidates == ["last"]:
        nodes.append(helper.make_node("Relu", ["x"], ["last"]))
    outputs = draw(st.lists(st.sampled_from(candidates), min_size=1, max_size=3, unique=True))
    keep = draw(
        st.lists(st.sampled_from([f"{n.op_type}_{n.output[0]}" for n in nodes]), max_size=4)
    )
    model = network(nodes, constants, {"x": [4]}, {name: [4] for name in outputs})
    return model, keep


@settings(max_examples=60, deadline=None, derandomize=True)
@given(graphs(), st.integers(0, 1000))
def test_any_graph_stays_valid_and_near(case, seed):
    model, keep = case
    before = model.SerializeToString()
    made = checked(model, keep_float=keep)
    assert model.SerializeToString() == before, "the model given is not changed"
    feed = np.random.default_rng(seed).permutation(4).astype(np.float32) / 4
    for exact, found in zip(computed(model, feed), computed(made, feed), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, exact, rtol=0.05, atol=0.05)
