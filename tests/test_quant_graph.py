"""The index over a model: names, makers, readers, constants, and models that are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import quant_models
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.errors import ModelError
from edgert.quant.model.graph import Graph, attribute

CASES = sorted(quant_models.MODELS)


@pytest.mark.parametrize("name", CASES)
def test_every_use_and_every_maker_is_found(name: str) -> None:
    """Against a walk over the nodes that keeps no index."""
    graph = Graph(quant_models.MODELS[name]())
    assert len({node.name for node in graph.nodes}) == len(list(graph.nodes))
    tensors = {t for node in graph.nodes for t in (*node.input, *node.output) if t}
    for tensor in tensors:
        makers = [node.name for node in graph.nodes if tensor in node.output]
        maker = graph.producer(tensor)
        assert makers == ([] if maker is None else [maker.name])
        uses = [(u.node.name, u.index) for u in graph.uses(tensor) if u.index >= 0]
        assert uses == [
            (node.name, i)
            for node in graph.nodes
            for i, read in enumerate(node.input)
            if read == tensor
        ]
    assert graph.inputs == ("images",)
    assert graph.outputs == ("output",)


def test_shared_and_missing_names_become_unique_and_given_ones_stay() -> None:
    model = quant_models.plain()
    given = ["same", "", "same", "", "Relu_a"]
    for node, name in zip(model.graph.node, given, strict=True):
        node.name = name
    names = [node.name for node in Graph(model).nodes]
    assert names == ["same", "Relu_a", "same_2", "Relu_b", "Relu_a_2"]
    assert [node.name for node in Graph(model).nodes] == names, "a second look changes nothing"


def test_tensors_that_subgraphs_read_are_used() -> None:
    graph = Graph(quant_models.subgraph())
    chosen = graph.producer("chosen")
    for tensor in ("a", "b", "middle", "c0"):
        assert any(u.node is chosen and u.index == -1 for u in graph.uses(tensor)), tensor
    # What a branch makes for itself is nobody else's.
    assert graph.uses("again") == []


def test_a_subgraph_in_a_subgraph_reads_through_both() -> None:
    info = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    inner = helper.make_graph([helper.make_node("Relu", ["a"], ["y"])], "inner", [], [info])
    wrapped = helper.make_node("If", ["flag"], ["y"], then_branch=inner, else_branch=inner)
    outer = helper.make_graph([wrapped], "outer", [], [info])
    net = quant_models.Net()
    net.relu("images", to="a")
    net.constants["flag"] = np.asarray(True)
    net.add("If", "flag", to="output", then_branch=outer, else_branch=outer)
    graph = Graph(net.model())
    assert {use.index for use in graph.uses("a")} == {-1}
    assert any(use.index == -1 for use in graph.uses("flag"))


def test_constants_through_constant_nodes_and_identities() -> None:
    plain, held = (Graph(m()) for m in (quant_models.plain, quant_models.constant_nodes))
    for node in plain.nodes:
        if node.op_type == "Conv":
            np.testing.assert_array_equal(
                plain.constant(node.input[1]), held.constant(node.input[1])
            )
    assert plain.constant("images") is None
    assert plain.constant("a") is None
    assert plain.constant("no such tensor") is None


@pytest.mark.parametrize("name", ["c2f-11", "residual", "dfl", "dense", "resized-17"])
def test_shapes_are_those_that_the_network_computes(name: str, tmp_path: Path) -> None:
    path = quant_models.saved(quant_models.MODELS[name](), tmp_path / "model.onnx")
    graph = Graph.load(path)
    tensors = [name for node in graph.nodes for name in node.output]
    values = OnnxRuntimeGraph(path, outputs=tensors).run({"images": quant_models.image()})
    known = 0
    for tensor, value in zip(tensors, values, strict=True):
        shape = graph.shapes.get(tensor)
        if shape is not None and None not in shape:
            known += 1
            assert shape == value.shape, tensor
    assert known == len(tensors)


def test_an_open_batch_has_no_size() -> None:
    assert Graph(quant_models.c2f(batch="batch")).shapes["sum"] == (None, 16, 16, 16)


@pytest.mark.parametrize("opset", quant_models.OPSETS)
def test_opset(opset: int) -> None:
    model = quant_models.plain(opset)
    model.opset_import.insert(0, helper.make_opsetid("com.microsoft", 1))
    assert Graph(model).opset == opset


def test_the_digest_is_of_graph_and_weights_alone(tmp_path: Path) -> None:
    model = quant_models.plain()
    digest = Graph(model).digest
    for path in (tmp_path / "one.onnx", tmp_path / "two.onnx"):
        assert Graph.load(quant_models.saved(model, path)).digest == digest
    model.producer_name = "another"
    assert Graph(model).digest == digest
    changed = numpy_helper.to_array(model.graph.initializer[0]).copy()
    changed.flat[0] += 1e-3
    model.graph.initializer[0].raw_data = changed.tobytes()
    assert Graph(model).digest != digest


def test_a_new_name_is_nobodys() -> None:
    graph = Graph(quant_models.plain())
    assert graph.unique("new") == "new"
    assert graph.unique("a") == "a_2"
    assert graph.unique("images") == "images_2"
    model = quant_models.plain()
    model.graph.node[-1].output[0] = "a_2"
    assert Graph(model).unique("a") == "a_3"


def test_attributes_and_their_defaults() -> None:
    node = next(iter(Graph(quant_models.depthwise()).nodes))
    assert attribute(node, "pads") == [1, 1, 1, 1]
    assert attribute(node, "group", 1) == 1
    assert attribute(node, "nothing") is None


def test_external_data_is_read_and_missed(tmp_path: Path) -> None:
    model = quant_models.plain()
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path), save_as_external_data=True, size_threshold=0, location="weights")
    inside = Graph(quant_models.plain())
    for name in inside.initializers:
        np.testing.assert_array_equal(Graph.load(path).constant(name), inside.constant(name))
    (tmp_path / "weights").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx.*weights"):
        Graph.load(path)


def test_nodes_out_of_order_are_named() -> None:
    model = quant_models.plain()
    nodes = list(model.graph.node)
    model.graph.ClearField("node")
    model.graph.node.extend(reversed(nodes))
    with pytest.raises(ModelError, match=r"Conv '/head/output' reads 'b' before any node makes it"):
        Graph(model)


def test_files_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        Graph.load(tmp_path / "nothing.onnx")
    (tmp_path / "text.onnx").write_text("not a model, whatever it is called")
    with pytest.raises(ModelError, match=r"text\.onnx"):
        Graph.load(tmp_path / "text.onnx")
    quant_models.saved(ModelProto(), tmp_path / "empty.onnx")
    with pytest.raises(ModelError, match="no nodes"):
        Graph.load(tmp_path / "empty.onnx")
