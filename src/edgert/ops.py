"""The host stages one by one, for people who bring their own loop.

Arrays are taken where they are, whatever their strides; DLPack tensors and buffers too. Every
function releases the GIL while it works, and uses `edgert.set_num_threads` threads.

What is in a GPU's memory (DLPack, `__cuda_array_interface__`) is worked on there, and tensors come
out there: arrays with both interfaces (`torch.from_dlpack`, `cupy.asarray`, `.numpy()`). Without
`stream` such a call is done when it returns; with one, the address of a CUDA stream, its work is
enqueued there in order, and the arrays must live until the stream is that far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgert import _core, device_ops
from edgert.devices import place_of
from edgert.io.arrays import as_frame
from edgert.op_arguments import (
    check_size,
    floats,
    make_box_filter,
    matrices_of,
    output_array,
    to_frame_pixels,
)

__all__ = [
    "cosine_distances",
    "crop_people",
    "decode_end_to_end",
    "decode_heatmaps",
    "decode_yolo",
    "letterbox",
]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def letterbox(
    image: Any,
    size: tuple[int, int] = (640, 640),
    pad_value: float = 114,
    *,
    format: str = "bgr",
    matrix: str = "bt601",
    full_range: bool = False,
    out: Any | None = None,
    stream: int | None = None,
) -> tuple[Any, Float64]:
    """Scale an image into a network input and pad the rest, as YOLOv8 is trained.

    The resized image has whole pixels, round(w r) by round(h r) with r = min(W / w, H / h); its top
    left corner is at round(pad / 2 - 0.1). Bilinear in float32 with half-pixel centres.

    Args:
        image: uint8: (h, w, 3) of any strides, grey and BGRA too; as "nv12" (h * 3 / 2, w), luma
            above chroma; as "yuyv" (h, w, 2).
        size: Height and width of the result in pixels.
        pad_value: Colour of the padding, 0 to 255.
        format: What the image's bytes mean: "bgr", "rgb", "nv12" or "yuyv". Of the last two each
            pixel takes the chroma of its block, as OpenCV's cvtColor does, and h, w are even.
        matrix: Of "nv12" and "yuyv": "bt601" (ITU-R BT.601, to the bit what cvtColor gives) or
            "bt709".
        full_range: Likewise: luma from 0 to 255, not from 16 to 235.
        out: (1, 3, H, W) float32 or float16, C-contiguous, to write to instead of a new array.
        stream: Of images on a GPU: where to enqueue.

    Returns:
        The tensor, (1, 3, H, W) RGB in [0, 1], and `to_frame`, (2, 3) float64: network pixels to
        frame pixels.

    Raises:
        ValueError: An array has the wrong dtype or shape, or `size` is not two positive numbers.
    """
    normalization = _core.Normalization((0.0,) * 3, (1.0,) * 3, pad_value)
    layout = _core.PixelLayout(format, matrix, full_range)
    source = as_frame(image, "image", format)
    if place_of(image) != "cpu":
        check_size(size)
        return device_ops.letterbox(source, layout, size, normalization, out, stream)
    tensor = output_array(out, 1, size)
    return tensor, _core.letterbox_into(source, tensor, normalization, layout)


def crop_people(
    image: Any,
    boxes: ArrayLike,
    size: tuple[int, int] = (384, 288),
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    padding: float = 1.25,
    *,
    format: str = "bgr",
    matrix: str = "bt601",
    full_range: bool = False,
    out: Any | None = None,
    stream: int | None = None,
) -> tuple[Any, Float64]:
    """Cut each person out of an image into a pose network's input, as HRNet is trained.

    The box's shorter side grows to the network's aspect, both are scaled by `padding` around the
    centre. Outside the image is black before normalisation. Bilinear in float32 with half-pixel
    centres.

    Args:
        image: As `letterbox` takes it.
        boxes: (N, 4) xyxy in frame pixels.
        size: Height and width of a crop in pixels.
        mean: Per channel (RGB), of values in [0, 1].
        std: Likewise.
        padding: Factor on the box's size.
        format: What the image's bytes mean, as in `letterbox`; `matrix` and `full_range` too.
        matrix: Of "nv12" and "yuyv".
        full_range: Likewise.
        out: (N, 3, H, W) float32 or float16, C-contiguous, to write to instead of a new array.
        stream: Of images on a GPU: where to enqueue.

    Returns:
        The tensor, (N, 3, H, W) RGB, (value / 255 - mean) / std, and `to_frame`, (N, 2, 3) float64:
        network pixels to frame pixels.

    Raises:
        ValueError: An array has the wrong dtype or shape, a box is not finite, or a parameter is
            out of its range.
    """
    corners = np.ascontiguousarray(boxes, np.float32)
    if corners.size == 0:
        corners = corners.reshape(0, 4)
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise ValueError(f"boxes: found shape {corners.shape}, expected (N, 4) xyxy")
    if not np.isfinite(corners).all():
        row = int(np.flatnonzero(~np.isfinite(corners).all(axis=1))[0])
        raise ValueError(f"boxes: row {row} is {corners[row].tolist()}, expected finite numbers")
    if not 0 < padding < 1e6:
        raise ValueError(f"padding is {padding}, expected more than 0 (1.25 is usual)")
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise ValueError(f"mean is {mean} and std is {std}, expected 3 numbers each, std positive")
    normalization = _core.Normalization(mean, std, 0.0)
    layout = _core.PixelLayout(format, matrix, full_range)
    source = as_frame(image, "image", format)
    if place_of(image) != "cpu":
        check_size(size)
        tensor = device_ops.crop_people(
            source, layout, corners, size, normalization, padding, out, stream
        )
        return tensor, _core.crop_matrices(corners, size[1], size[0], padding)
    tensor = output_array(out, len(corners), size)
    return tensor, _core.crop_people_into(source, corners, tensor, normalization, padding, layout)


def decode_yolo(
    output: ArrayLike,
    to_frame: ArrayLike,
    score_threshold: float = 0.25,
    nms_threshold: float = 0.7,
    classes: Sequence[int] | None = None,
    max_detections: int = 300,
) -> tuple[Float32, Float32, NDArray[np.int32]]:
    """Read boxes from a YOLOv8 head and suppress those that overlap a better one of their class.

    The best class of each anchor first, then the class filter, then `score >= score_threshold`,
    then greedy suppression of IoU > `nms_threshold`. Ties keep the lower anchor. Anchors with a
    value that is not finite are dropped, as are boxes without area; boxes are not clipped to the
    frame.

    Args:
        output: (4 + C, A) or (1, 4 + C, A), float32 or float16: centre x, centre y, width, height
            in network pixels, then C class scores.
        to_frame: (2, 3), from `letterbox`.
        score_threshold: In [0, 1].
        nms_threshold: In [0, 1].
        classes: Indices of the classes wanted; None: all.
        max_detections: At most this many, the best.

    Returns:
        boxes (N, 4) float32 xyxy in frame pixels, scores (N,) float32, class_ids (N,) int32; best
        first.

    Raises:
        ValueError: An array has the wrong dtype or shape, or a parameter is out of its range.
    """
    on_gpu = place_of(output) != "cpu"
    head: Any = output if on_gpu else floats(output, "output")
    if not on_gpu and head.ndim == 2:
        head = head[np.newaxis]
    if len(head.shape) != 3 or head.shape[0] != 1 or head.shape[1] < 5:
        raise ValueError(f"output: found shape {head.shape}, expected (1, 4 + C, A) of one image")
    count = head.shape[1] - 4
    flags = []
    if classes is not None:
        flags = [0] * count
        for wanted in classes:
            if not 0 <= wanted < count:
                raise ValueError(f"classes: found {wanted}, expected 0 to {count - 1}")
            flags[wanted] = 1
    box_filter = make_box_filter(score_threshold, nms_threshold, max_detections, flags)
    matrix = matrices_of(to_frame, ())
    if on_gpu:
        boxes, scores, class_ids = device_ops.decode_yolo(
            head, count, box_filter, max_detections, flags
        )
        return to_frame_pixels(boxes.reshape(-1, 2, 2), matrix).reshape(-1, 4), scores, class_ids
    boxes, scores, class_ids, *_ = _core.decode_yolo(head, matrix, count, box_filter)
    return boxes, scores, class_ids


def decode_end_to_end(
    output: ArrayLike,
    to_frame: ArrayLike,
    score_threshold: float = 0.25,
    classes: Sequence[int] | None = None,
    max_detections: int = 300,
) -> tuple[Float32, Float32, NDArray[np.int32]]:
    """Read boxes from a head that has chosen its detections itself (NMS in the graph, or none).

    `score >= score_threshold`, the class filter and `max_detections` apply; nothing is suppressed.
    Ties keep the upper row. Rows with a value that is not finite are dropped, as are boxes without
    area and rows of a class below 0, which some exporters pad with; boxes are not clipped to the
    frame.

    Args:
        output: (N, 6) or (1, N, 6), float32 or float16: x1, y1, x2, y2 in network pixels, score,
            class; of pose models (1, N, 6 + 3 K), of which the joints are left out here.
        to_frame: (2, 3), from `letterbox`.
        score_threshold: In [0, 1].
        classes: Indices of the classes wanted; None: all.
        max_detections: At most this many, the best.

    Returns:
        boxes (N, 4) float32 xyxy in frame pixels, scores (N,) float32, class_ids (N,) int32; best
        first.

    Raises:
        ValueError: An array has the wrong dtype or shape, or a parameter is out of its range.
    """
    rows = floats(output if place_of(output) == "cpu" else device_ops.on_host(output), "output")
    if rows.ndim == 2:
        rows = rows[np.newaxis]
    if rows.ndim != 3 or rows.shape[0] != 1 or rows.shape[2] < 6 or rows.shape[2] % 3:
        raise ValueError(f"output: found shape {rows.shape}, expected (1, N, 6 + 3 K) of one image")
    flags: list[int] = []
    if classes is not None:
        if any(wanted < 0 for wanted in classes):
            raise ValueError(f"classes: found {min(classes)}, expected 0 or more")
        flags = [int(index in classes) for index in range(max(classes, default=0) + 1)]
    box_filter = make_box_filter(score_threshold, 1.0, max_detections, flags)
    boxes, scores, class_ids, *_ = _core.decode_end_to_end(
        rows, matrices_of(to_frame, ()), 0, box_filter
    )
    return boxes, scores, class_ids


def decode_heatmaps(
    heatmaps: ArrayLike,
    to_frame: ArrayLike,
    refine: str = "quarter",
    cells: str = "corner",
    *,
    stride: float = 4,
    offsets: ArrayLike | None = None,
    blur_kernel: int = 11,
) -> tuple[Float32, Float32]:
    """Read keypoints from heatmaps.

    Args:
        heatmaps: (N, K, h, w) float32 or float16.
        to_frame: (N, 2, 3), from `crop_people`.
        refine: "none"; "quarter": a quarter cell towards the higher neighbour, where the peak is at
            least two cells from the border (HRNet); "dark": a Taylor step on the blurred
            log-heatmap (Zhang et al., "Distribution-Aware Coordinate Representation", 2020).
        cells: The network pixel of a cell: "corner", `cell * stride`, or "center",
            `(cell + 0.5) * stride - 0.5`.
        stride: Network pixels a cell.
        offsets: (N, 2 K, h, w), x and y of each joint in turn, in cells: added to the peak's cell
            instead of `refine`.
        blur_kernel: Of "dark": odd size in cells of the Gaussian (11 for sigma-2 heatmaps, 17 for
            sigma 3).

    Returns:
        keypoints (N, K, 2) float32 in frame pixels and scores (N, K) float32, the highest value of
        each heatmap (the first of equals). A heatmap with a value that is not finite gives score 0
        at the crop's centre.

    Raises:
        ValueError: An array has the wrong dtype or shape, or a parameter is out of its range.
    """
    if refine not in _core.Refine.__members__:
        raise ValueError(f"refine is {refine!r}, expected 'none', 'quarter' or 'dark'")
    if cells not in _core.Cells.__members__:
        raise ValueError(f"cells is {cells!r}, expected 'corner' or 'center'")
    if not stride > 0:
        raise ValueError(f"stride is {stride}, expected more than 0")
    on_gpu = place_of(heatmaps) != "cpu"
    maps: Any = heatmaps if on_gpu else floats(heatmaps, "heatmaps")
    if len(maps.shape) != 4 or 0 in maps.shape[1:]:
        raise ValueError(f"heatmaps: found shape {maps.shape}, expected (N, K, h, w)")
    layout = _core.HeatmapLayout(
        stride, stride, _core.Refine[refine], _core.Cells[cells], blur_kernel=blur_kernel
    )
    if on_gpu:
        matrices = matrices_of(to_frame, (maps.shape[0],))
        points, confidences = device_ops.decode_heatmaps(maps, offsets, layout)
        return to_frame_pixels(points, matrices[:, np.newaxis]), confidences
    vectors = None if offsets is None else floats(offsets, "offsets")
    keypoints, scores, _ = _core.decode_heatmaps(
        maps, vectors, matrices_of(to_frame, (len(maps),)), layout
    )
    return keypoints, scores


def cosine_distances(a: Any, b: Any, *, out: Any | None = None, stream: int | None = None) -> Any:
    """1 - cosine of the angle between every row of `a` and every row of `b`, on a GPU.

    Args:
        a: (M, F) float32 in a GPU's memory, C-contiguous.
        b: (N, F), likewise.
        out: (M, N) float32 there, to write to instead of a new array.
        stream: Where to enqueue.

    Returns:
        (M, N) float32 in the GPU's memory, in [0, 2]; 1 where a row has no length.

    Raises:
        ValueError: An array has the wrong dtype or shape, or is in host memory.
    """
    if "cpu" in (place_of(a), place_of(b)):
        raise ValueError("a, b: expected arrays in a GPU's memory; on the host NumPy does")
    return device_ops.cosine_distances(a, b, out, stream)
