"""Image to network input: the letterbox and the person crop.

The sampling is written out instead of calling OpenCV because OpenCV's own coordinates are coarser
than the tolerance of the tests: `cv2.resize` keeps them in float32 (1e-4 px at a width of 2000)
and `cv2.warpAffine`, like `cv2.remap` before OpenCV 5, has 5 fractional bits. `test_reference.py`
holds these functions against OpenCV within those limits.
"""

import numpy as np

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def _taps(source, target):
    """Left and right neighbours and the weight of the right one, for each target pixel's centre."""
    position = (np.arange(target, dtype=np.float64) + 0.5) * (source / target) - 0.5
    left = np.floor(position)
    weight = (position - left).astype(np.float32)
    left = left.astype(np.int64)
    return np.clip(left, 0, source - 1), np.clip(left + 1, 0, source - 1), weight


def resize_linear(image, width, height):
    """Bilinear resize of an (h, w, C) float32 image with half-pixel centres, edges repeated."""
    left, right, weight = _taps(image.shape[1], width)
    weight = weight[:, None]
    rows = image[:, left] * (1 - weight) + image[:, right] * weight
    top, bottom, weight = _taps(image.shape[0], height)
    weight = weight[:, None, None]
    return rows[top] * (1 - weight) + rows[bottom] * weight


def letterbox(image, size=(640, 640), pad_value=114):
    """(h, w, 3) uint8 BGR to ((1, 3, H, W) float32 RGB in [0, 1], (2, 3) float64)."""
    target_h, target_w = size
    h, w = image.shape[:2]
    ratio = min(target_w / w, target_h / h)
    new_w, new_h = max(1, round(w * ratio)), max(1, round(h * ratio))
    left = round((target_w - new_w) / 2 - 0.1)
    top = round((target_h - new_h) / 2 - 0.1)
    canvas = np.full((target_h, target_w, 3), pad_value, dtype=np.float32)
    resized = resize_linear(image.astype(np.float32), new_w, new_h)
    canvas[top : top + new_h, left : left + new_w] = resized
    tensor = np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1)[None] / np.float32(255))
    scale_x, scale_y = w / new_w, h / new_h
    to_frame = np.array([[scale_x, 0, -left * scale_x], [0, scale_y, -top * scale_y]])
    return tensor, to_frame


def crop_transform(box, size, padding=1.25):
    """(2, 3) float64, network pixels to frame pixels, of the crop around one xyxy box."""
    target_h, target_w = size
    x1, y1, x2, y2 = (float(v) for v in box)
    w, h = x2 - x1, y2 - y1
    if w * target_h > h * target_w:
        h = w * target_h / target_w
    else:
        w = h * target_w / target_h
    scale_x, scale_y = w * padding / target_w, h * padding / target_h
    centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
    return np.array(
        [
            [scale_x, 0, centre_x - scale_x * target_w / 2],
            [0, scale_y, centre_y - scale_y * target_h / 2],
        ]
    )


def sample_bilinear(image, x, y):
    """Values of an (h, w, C) float32 image at index coordinates x, y; 0 outside it."""
    h, w = image.shape[:2]
    framed = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    left, top = np.floor(x), np.floor(y)
    weight_x = (x - left).astype(np.float32)[..., None]
    weight_y = (y - top).astype(np.float32)[..., None]

    def at(column, row):
        inside = (column >= -1) & (column <= w) & (row >= -1) & (row <= h)
        column = np.clip(column, -1, w).astype(np.int64) + 1
        row = np.clip(row, -1, h).astype(np.int64) + 1
        return framed[row, column] * inside[..., None]

    upper = at(left, top) * (1 - weight_x) + at(left + 1, top) * weight_x
    lower = at(left, top + 1) * (1 - weight_x) + at(left + 1, top + 1) * weight_x
    return upper * (1 - weight_y) + lower * weight_y


def crop_people(image, boxes, size=(384, 288), mean=IMAGENET_MEAN, std=IMAGENET_STD, padding=1.25):
    """(h, w, 3) uint8 BGR and (N, 4) boxes to ((N, 3, H, W) float32, (N, 2, 3) float64)."""
    target_h, target_w = size
    tensor = np.zeros((len(boxes), 3, target_h, target_w), dtype=np.float32)
    transforms = np.zeros((len(boxes), 2, 3))
    pixels = image.astype(np.float32)
    mean, std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    column, row = np.meshgrid(np.arange(target_w) + 0.5, np.arange(target_h) + 0.5)
    for n, box in enumerate(boxes):
        transform = transforms[n] = crop_transform(box, size, padding)
        x = transform[0, 0] * column + transform[0, 1] * row + transform[0, 2]
        y = transform[1, 0] * column + transform[1, 1] * row + transform[1, 2]
        rgb = sample_bilinear(pixels, x - 0.5, y - 0.5)[:, :, ::-1]
        tensor[n] = ((rgb / np.float32(255) - mean) / std).transpose(2, 0, 1)
    return tensor, transforms
