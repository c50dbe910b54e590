"""ONNX files: their graph, operator sets, precision, and how they are written."""
