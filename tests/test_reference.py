"""The oracle itself: against OpenCV, and against results worked out by hand."""

import cv2
import numpy as np
import pytest

from reference import crop_people, decode_heatmaps, decode_yolo, letterbox
from reference.pose import blur_for_dark
from reference.preprocess import crop_transform, resize_linear, sample_bilinear

IDENTITY = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("source", "target"), [((576, 768), (480, 640)), ((53, 37), (91, 64)), ((1, 7), (5, 64))]
)
def test_resize_is_opencvs_on_float_images(source, target):
    image = noise(*source, 3).astype(np.float32) / 255
    expected = cv2.resize(image, target[::-1], interpolation=cv2.INTER_LINEAR)
    # OpenCV keeps its coordinates in float32.
    limit = 2e-6 + max(source) * 2**-22
    assert np.abs(resize_linear(image, target[1], target[0]) - expected).max() < limit


def test_letterbox_places_whole_pixels():
    image = np.full((100, 333, 3), (10, 20, 30), dtype=np.uint8)
    tensor, to_frame = letterbox(image, (640, 640))
    assert tensor.shape == (1, 3, 640, 640)
    # round(100 * 640 / 333) = 192 rows; the margin of 448 halves to 224 - 0.1, rounded to 224.
    assert np.all(tensor[0, :, :224] == np.float32(114) / 255)
    assert np.all(tensor[0, :, 416:] == np.float32(114) / 255)
    np.testing.assert_allclose(tensor[0, :, 300, 300], np.array([30, 20, 10]) / 255, rtol=1e-6)
    np.testing.assert_allclose(to_frame @ [0, 224, 1], [0, 0], atol=1e-9)
    np.testing.assert_allclose(to_frame @ [640, 416, 1], [333, 100], atol=1e-9)


def test_sampling_is_opencvs_warp_with_a_black_border():
    # A smooth image, since OpenCV before 5 rounds the coordinates of cv2.remap to 1/32 px.
    y, x = np.mgrid[0:40, 0:50].astype(np.float32)
    image = np.stack([x, y, x + y], axis=-1) / 100
    at_x, at_y = (v.astype(np.float32) for v in np.meshgrid(np.linspace(-3, 53, 97), y[:, 0] + 0.3))
    expected = cv2.remap(image, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    assert np.abs(sample_bilinear(image, at_x, at_y) - expected).max() < 1 / 32


def test_crop_of_a_box_with_the_networks_aspect_is_the_frame_itself():
    image = noise(64, 48, 3)
    tensor, to_frame = crop_people(image, [[0, 0, 48, 64]], (64, 48), (0, 0, 0), (1, 1, 1), 1.0)
    np.testing.assert_array_equal(tensor[0].transpose(1, 2, 0), image[:, :, ::-1] / np.float32(255))
    np.testing.assert_allclose(to_frame[0], IDENTITY, atol=1e-12)


@pytest.mark.parametrize("box", [[10, 20, 110, 40], [10, 20, 30, 220]])
def test_crop_grows_the_shorter_side_around_the_centre(box):
    transform = crop_transform(box, (256, 192), padding=1.25)
    corners = np.array([transform @ [0, 0, 1], transform @ [192, 256, 1]])
    w, h = box[2] - box[0], box[3] - box[1]
    grown = np.array([max(w, h * 0.75), max(h, w / 0.75)]) * 1.25
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    np.testing.assert_allclose(corners, [centre - grown / 2, centre + grown / 2])


def head(*rows, classes=2):
    """A (1, 4 + C, A) output from (x, y, w, h, scores...) rows."""
    return np.array(rows, dtype=np.float32).T[None].reshape(1, 4 + classes, len(rows))


def test_decode_takes_the_best_class_before_the_filter():
    output = head((50, 50, 20, 20, 0.6, 0.9), (90, 50, 20, 20, 0.5, 0.1))
    boxes, scores, class_ids = decode_yolo(output, IDENTITY, classes=[0])
    np.testing.assert_array_equal(boxes, [[80, 40, 100, 60]])
    np.testing.assert_allclose(scores, [0.5])
    np.testing.assert_array_equal(class_ids, [0])


def test_nms_is_per_class_and_ties_keep_the_lower_anchor():
    same = (50, 50, 20, 20)
    output = head((*same, 0.8, 0.0), (51, 50, 20, 20, 0.8, 0.0), (*same, 0.0, 0.7))
    boxes, _, class_ids = decode_yolo(output, IDENTITY)
    np.testing.assert_array_equal(boxes, [[40, 40, 60, 60], [40, 40, 60, 60]])
    np.testing.assert_array_equal(class_ids, [0, 1])


def test_nms_spares_what_overlaps_by_exactly_the_threshold():
    # Areas 100 and 50, one inside the other: IoU 0.5.
    output = head((5, 5, 10, 10, 0.9, 0), (5, 2.5, 10, 5, 0.8, 0))
    assert len(decode_yolo(output, IDENTITY, nms_threshold=0.5)[0]) == 2
    assert len(decode_yolo(output, IDENTITY, nms_threshold=0.49)[0]) == 1


def test_decode_drops_rows_that_are_not_finite():
    output = head((50, np.nan, 20, 20, 0.9, 0), (50, 50, 20, 20, np.inf, 0), (9, 9, 4, 4, 0.3, 0))
    np.testing.assert_array_equal(decode_yolo(output, IDENTITY)[0], [[7, 7, 11, 11]])


def bump(x, y, h=64, w=48, sigma=2.0):
    row, column = np.mgrid[0:h, 0:w]
    return np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2)).astype(np.float32)


def test_dark_finds_the_centre_of_a_gaussian():
    heatmap = bump(20.3, 30.4)
    keypoints, scores = decode_heatmaps(heatmap[None, None], IDENTITY[None], "dark", stride=1)
    np.testing.assert_allclose(keypoints[0, 0], [20.3, 30.4], atol=1e-3)
    assert scores[0, 0] == heatmap.max()


def test_dark_blur_keeps_the_maximum():
    heatmap = bump(20.3, 30.4) * 0.3
    np.testing.assert_allclose(blur_for_dark(heatmap).max(), heatmap.max(), rtol=1e-6)


@pytest.mark.parametrize(("cells", "expected"), [("corner", [81, 121]), ("center", [82.5, 122.5])])
def test_quarter_moves_towards_the_higher_neighbour(cells, expected):
    keypoints, _ = decode_heatmaps(bump(20.3, 30.4)[None, None], IDENTITY[None], "quarter", cells)
    np.testing.assert_allclose(keypoints[0, 0], expected)


def test_peaks_at_the_border_are_not_refined():
    keypoints, _ = decode_heatmaps(bump(1, 30.4)[None, None], IDENTITY[None], "quarter")
    np.testing.assert_allclose(keypoints[0, 0], [4, 120])


def test_the_first_of_equal_peaks_wins():
    heatmap = np.zeros((1, 1, 8, 8), np.float32)
    heatmap[0, 0, 2, 5] = heatmap[0, 0, 5, 2] = 1
    keypoints, _ = decode_heatmaps(heatmap, IDENTITY[None], "none")
    np.testing.assert_array_equal(keypoints[0, 0], [20, 8])
