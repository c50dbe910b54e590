"""Networks in PyTorch: YOLOv8 and HRNet at every published size, and the demo world's small ones.

The only folder that imports PyTorch, which nothing at run time needs. `catalogue` has the names
and what they stand for, without it; `export` is the whole way from a name to an ONNX file.
"""
