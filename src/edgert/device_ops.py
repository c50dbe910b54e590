"""The stages of `edgert.ops` on arrays that are in a GPU's memory, by edgert's own kernels.

Without a stream a call is done when it returns, after what still writes its inputs. With one its
work is enqueued there, in the order of whatever else is: the call returns at once, and the arrays
must live until the stream is that far.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert import _core
from edgert.devices import context, device_array, ordinal_of, place_of

__all__ = [
    "cosine_distances",
    "crop_people",
    "decode_heatmaps",
    "decode_yolo",
    "letterbox",
    "on_host",
]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# A detection as the kernels leave it, after a head of 16 bytes: cuda/kernels.hpp.
_BOX = np.dtype(
    [("box", "f4", 4), ("score", "f4"), ("class_id", "i4"), ("anchor", "i4"), ("unused", "i4")]
)
_HEAD_BYTES = 16


def letterbox(
    image: Any,
    layout: _core.PixelLayout,
    size: tuple[int, int],
    normalization: _core.Normalization,
    out: Any | None,
    stream: int | None,
) -> tuple[Any, Float64]:
    """See `edgert.ops.letterbox`."""
    gpu = _gpu(image)
    target = _output(gpu, out, (1, 3, *size))
    to_frame = gpu.letterbox(
        device_array(image, gpu), layout, device_array(target, gpu), normalization, stream
    )
    return target, to_frame


def crop_people(
    image: Any,
    layout: _core.PixelLayout,
    boxes: Any,
    size: tuple[int, int],
    normalization: _core.Normalization,
    padding: float,
    out: Any | None,
    stream: int | None,
) -> Any:
    """See `edgert.ops.crop_people`; `boxes` are on the host or on the GPU."""
    gpu = _gpu(image)
    if place_of(boxes) == "cpu":
        host = np.ascontiguousarray(boxes, np.float32)
        boxes = gpu.empty(host.shape, host.dtype)
        gpu.copy_from(boxes, host)
    corners = device_array(boxes, gpu)
    target = _output(gpu, out, (corners.shape[0], 3, *size))
    gpu.crop_people(
        device_array(image, gpu),
        layout,
        corners,
        device_array(target, gpu),
        normalization,
        padding,
        stream,
    )
    return target


def decode_yolo(
    output: Any, classes: int, box_filter: _core.BoxFilter, max_detections: int, flags: list[int]
) -> tuple[Float32, Float32, NDArray[np.int32]]:
    """Boxes in network pixels, on the host. See `edgert.ops.decode_yolo`."""
    gpu = _gpu(output)
    head = device_array(output, gpu)
    anchors = head.shape[-1]
    scratch = gpu.zeros([gpu.decode_scratch_bytes(anchors, max_detections)], np.dtype(np.uint8))
    # All of it is copied to the host, however few boxes there are.
    result = gpu.zeros([gpu.decode_result_bytes(max_detections, 0)], np.dtype(np.uint8))
    wanted = None
    if flags:
        wanted = gpu.empty([len(flags)], np.dtype(np.uint8))
        gpu.copy_from(wanted, np.array(flags, np.uint8))
    gpu.decode_boxes(head, classes, box_filter, wanted, scratch, result)
    content = result.numpy()
    count = int(content[:4].view(np.int32)[0])
    rows = content[_HEAD_BYTES : _HEAD_BYTES + count * _BOX.itemsize].view(_BOX)
    return rows["box"].copy(), rows["score"].copy(), rows["class_id"].copy()


def decode_heatmaps(
    heatmaps: Any, offsets: Any | None, layout: _core.HeatmapLayout
) -> tuple[Float32, Float32]:
    """Joints (N, K, 2) in network pixels and scores, on the host; see `edgert.ops`."""
    gpu = _gpu(heatmaps)
    maps = device_array(heatmaps, gpu)
    joints = gpu.empty([*maps.shape[:2], 4], np.dtype(np.float32))
    vectors = None if offsets is None else device_array(offsets, gpu)
    gpu.decode_heatmaps(maps, vectors, layout, joints)
    found = joints.numpy()
    return found[..., :2], found[..., 2]


def on_host(item: Any) -> NDArray[Any]:
    """A copy in host memory."""
    return device_array(item, _gpu(item)).numpy()


def cosine_distances(a: Any, b: Any, out: Any | None, stream: int | None) -> Any:
    """See `edgert.ops.cosine_distances`."""
    gpu = _gpu(a)
    rows, columns = device_array(a, gpu), device_array(b, gpu)
    target = _output(gpu, out, (rows.shape[0], columns.shape[0]))
    gpu.cosine_distances(rows, columns, device_array(target, gpu), stream)
    return target


def _gpu(item: Any) -> _core.CudaContext:
    return context(ordinal_of(place_of(item)))


def _output(gpu: _core.CudaContext, out: Any | None, shape: tuple[int, ...]) -> Any:
    if out is None:
        return gpu.empty(shape, np.dtype(np.float32))
    if tuple(out.shape) != shape or place_of(out) != f"cuda:{gpu.ordinal}":
        raise ValueError(
            f"out: found {tuple(out.shape)} on {place_of(out)}, expected {shape} float32 or "
            f"float16 on cuda:{gpu.ordinal}"
        )
    return out
