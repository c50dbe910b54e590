"""The pipeline as a user writes it today: 8-bit OpenCV, NumPy, onnxruntime. The comparator."""
