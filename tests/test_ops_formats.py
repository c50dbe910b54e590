"""Video formats in `edgert.ops`: exactly what OpenCV's conversion and then the BGR path give."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert import ops

repeatable = settings(derandomize=True, deadline=None, max_examples=60)
sizes = st.tuples(st.integers(1, 60), st.integers(1, 200)).map(lambda hw: (2 * hw[0], 2 * hw[1]))
seeds = st.integers(0, 2**32 - 1)

SHAPES = {
    "nv12": lambda h, w: (h * 3 // 2, w),
    "yuyv": lambda h, w: (h, w, 2),
    "rgb": lambda h, w: (h, w, 3),
}
OPENCV = {
    "nv12": cv2.COLOR_YUV2BGR_NV12,
    "yuyv": cv2.COLOR_YUV2BGR_YUYV,
    "rgb": cv2.COLOR_RGB2BGR,
}
# (kr, kb) of ITU-R BT.601 and BT.709.
LUMA = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


def noise(format, size, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, SHAPES[format](*size), dtype=np.uint8)


def planes(format, image):
    """Y, U and V of every pixel."""
    if format == "yuyv":
        y, uv = image[..., 0], image[..., 1].reshape(len(image), -1, 2)
        return y, *(np.repeat(uv[..., i], 2, axis=1) for i in (0, 1))
    height = len(image) // 3 * 2
    uv = image[height:].reshape(height // 2, -1, 2).repeat(2, axis=0).repeat(2, axis=1)
    return image[:height], uv[..., 0], uv[..., 1]


def bgr_by_definition(format, image, matrix, full_range):
    """The standards' equations in floating point, before rounding."""
    kr, kb = LUMA[matrix]
    y, u, v = (plane.astype(np.float64) for plane in planes(format, image))
    luma = y if full_range else np.maximum(y - 16, 0) * (255 / 219)
    scale = 1 if full_range else 255 / 224
    blue = luma + scale * 2 * (1 - kb) * (u - 128)
    red = luma + scale * 2 * (1 - kr) * (v - 128)
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack([blue, green, red], axis=2)


@repeatable
@given(st.sampled_from(sorted(SHAPES)), sizes, seeds)
def test_letterbox_is_that_of_opencvs_bgr(format, size, seed):
    image = noise(format, size, seed)
    tensor, to_frame = ops.letterbox(image, (64, 96), format=format)
    expected, expected_map = ops.letterbox(cv2.cvtColor(image, OPENCV[format]), (64, 96))
    np.testing.assert_array_equal(tensor, expected)
    np.testing.assert_array_equal(to_frame, expected_map)


@repeatable
@given(st.sampled_from(sorted(SHAPES)), sizes, seeds)
def test_crops_are_those_of_opencvs_bgr(format, size, seed):
    image = noise(format, size, seed)
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(-40, 460, (3, 2, 2)), axis=1).reshape(3, 4)
    tensor, to_frame = ops.crop_people(image, corners, (48, 36), format=format)
    bgr = cv2.cvtColor(image, OPENCV[format])
    expected, expected_map = ops.crop_people(bgr, corners, (48, 36))
    np.testing.assert_array_equal(tensor, expected)
    np.testing.assert_array_equal(to_frame, expected_map)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", sorted(LUMA))
@pytest.mark.parametrize("format", ["nv12", "yuyv"])
def test_colours_of_the_standards(format, matrix, full_range):
    image = noise(format, (64, 64), 5)
    tensor, _ = ops.letterbox(image, (64, 64), format=format, matrix=matrix, full_range=full_range)
    found = tensor[0].transpose(1, 2, 0)[..., ::-1] * 255
    expected = bgr_by_definition(format, image, matrix, full_range)
    assert np.abs(found - np.clip(expected, 0, 255)).max() <= 1


def test_rows_may_be_padded_and_upside_down():
    wide = noise("nv12", (40, 64), 1)
    tensor, _ = ops.letterbox(wide[:, :48], (32, 32), format="nv12")
    expected, _ = ops.letterbox(np.ascontiguousarray(wide[:, :48]), (32, 32), format="nv12")
    np.testing.assert_array_equal(tensor, expected)
    image = noise("yuyv", (40, 64), 2)
    tensor, _ = ops.letterbox(image[::-1], (32, 32), format="yuyv")
    expected, _ = ops.letterbox(np.ascontiguousarray(image[::-1]), (32, 32), format="yuyv")
    np.testing.assert_array_equal(tensor, expected)


@pytest.mark.parametrize("view", ["rgb", "mirrored", "grey", "alpha"])
def test_rgb_is_bgr_reversed(view):
    image = np.random.default_rng(3).integers(0, 256, (31, 47, 4), dtype=np.uint8)
    image = {
        "rgb": image[..., :3],
        "mirrored": image[:, ::-1, :3],
        "grey": image[..., 0],
        "alpha": image,
    }[view]
    reverse = image if image.ndim == 2 else image[..., 2::-1]
    tensor, _ = ops.letterbox(image, (40, 40), format="rgb")
    expected, _ = ops.letterbox(reverse, (40, 40))
    np.testing.assert_array_equal(tensor, expected)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (
            np.zeros((4, 4, 3), np.uint8),
            {"format": "bgra"},
            "format is 'bgra', expected 'bgr', 'rg",
        ),
        (np.zeros((6, 4), np.uint8), {"format": "nv12", "matrix": "bt2020"}, "matrix is 'bt2020'"),
        (
            np.zeros((4, 4, 3), np.uint8),
            {"format": "nv12"},
            r"found shape \(4, 4, 3\) uint8 on cpu",
        ),
        (np.zeros((7, 4), np.uint8), {"format": "nv12"}, r"expected uint8 \(H \* 3 / 2, W\)"),
        (np.zeros((6, 5), np.uint8), {"format": "nv12"}, "H and W even"),
        (np.zeros((0, 4), np.uint8), {"format": "nv12"}, r"found shape \(0, 4\)"),
        (np.zeros((4, 5, 2), np.uint8), {"format": "yuyv"}, "W even"),
        (np.zeros((4, 4, 2), np.float32), {"format": "yuyv"}, "float32"),
        (np.zeros((6, 8), np.uint8)[:, ::2], {"format": "nv12"}, "pixels of a row packed"),
        (np.zeros((4, 8, 2), np.uint8)[:, ::2], {"format": "yuyv"}, "pixels of a row packed"),
        ([[1, 2]], {"format": "nv12"}, "expected"),
    ],
)
def test_what_does_not_fit_is_refused(image, options, message):
    with pytest.raises(ValueError, match=message):
        ops.letterbox(image, (8, 8), **options)
    with pytest.raises(ValueError, match=message):
        ops.crop_people(image, [[0, 0, 2, 2]], (8, 8), **options)
