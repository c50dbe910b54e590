"""Quantization: a rewrite of the ONNX file, with what it costs."""
