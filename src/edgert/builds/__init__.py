"""From an ONNX file to an engine that is kept."""
