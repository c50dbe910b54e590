"""Round the weights of exported networks to bfloat16's 8 bits: python shorten.py demo_*.onnx.

They stay float32, so every tool reads them as before, but half of each is zeros: a wheel, which is
a compressed archive, takes half the room for them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

_SMALLEST = 64  # values in a tensor that is worth it: what is smaller are biases and shapes


def shorten(model: onnx.ModelProto) -> None:
    """Round weights, to nearest and ties to even; biases stay, which add up over a picture."""
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim > 1 and values.size >= _SMALLEST:
            tensor.CopyFrom(numpy_helper.from_array(rounded(values), tensor.name))


def rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Finite values as bfloat16 has them."""
    bits = values.view(np.uint32)
    odd = (bits >> 16) & 1
    return ((bits + 0x7FFF + odd) & np.uint32(0xFFFF0000)).view(np.float32)


def main() -> None:
    """Rewrite the files that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="ONNX")
    for path in parser.parse_args().models:
        model = onnx.load(path)
        shorten(model)
        onnx.save(model, path)


if __name__ == "__main__":
    main()
