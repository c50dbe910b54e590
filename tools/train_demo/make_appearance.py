"""Write the demo world's appearance network, which is made, not trained: a histogram of colours.

    python tools/train_demo/make_appearance.py src/edgert/demo/networks/demo_appearance.onnx

A pixel's colour is dealt out over a lattice of colours, the nearest getting most; the mean over
each of four pieces from head to foot, of the middle of the box alone, where mostly the person is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = (32, 16)
_SHADES = 4  # of each of red, green and blue
_SHARPNESS = 33.0  # squared distances in the exponent, of colours in [0, 1]
_PIECES, _PIECE = 4, 6  # how many, and how high and wide in cells
_TOP, _LEFT = 3, 5


def appearance() -> onnx.ModelProto:
    """(B, 3, 32, 16) RGB in [0, 1] to (B, 256)."""
    shades = np.linspace(0, 1, _SHADES)
    lattice = np.stack(np.meshgrid(shades, shades, shades, indexing="ij"), -1).reshape(-1, 3)
    first, end = [_TOP, _LEFT], [_TOP + _PIECES * _PIECE, _LEFT + _PIECE]
    constants = {
        "first": np.array(first), "end": np.array(end), "axes": np.array([2, 3]),
        # |x - c|^2 without |x|^2, which softmax does not see.
        "weights": (2 * _SHARPNESS * lattice.T).astype(np.float32),
        "biases": (-_SHARPNESS * np.square(lattice).sum(axis=1)).astype(np.float32),
        "split": np.array([0, _PIECES, _PIECE**2, 3]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Slice", ["images", "first", "end", "axes"], ["middle"]),
        # Light is spread over the lattice as the eye sees it, roughly.
        helper.make_node("Sqrt", ["middle"], ["bright"]),
        # Colours last: ONNX Runtime would transpose 64 channels for a softmax over them, twice.
        helper.make_node("Transpose", ["bright"], ["colours"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["colours", "split"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "weights"], ["products"]),
        helper.make_node("Add", ["products", "biases"], ["closeness"]),
        helper.make_node("Softmax", ["closeness"], ["shares"], axis=-1),
        helper.make_node("ReduceMean", ["shares"], ["pieces"], axes=[2], keepdims=0),
        # Of roots the cosine is Bhattacharyya's coefficient.
        helper.make_node("Sqrt", ["pieces"], ["roots"]),
        helper.make_node("Flatten", ["roots"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "demo_appearance",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, *SIZE])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", _PIECES * _SHADES**3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(
        model, {"edgert.mean": "[0, 0, 0]", "edgert.std": "[1, 1, 1]", "imgsz": str([*SIZE])}
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Write the file that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    onnx.save(appearance(), parser.parse_args().output)


if __name__ == "__main__":
    main()
