"""The pipeline as a user writes it today: OpenCV, NumPy, lap, onnxruntime. The comparator.

Needs the extra `bench`; nothing of edgert but its demo uses it.
"""
