"""The drawing: what is drawn, where, and what is left alone."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert._core import draw_shapes
from edgert.draw import draw_people
from edgert.draw.palette import SIDE_COLOURS, UNTRACKED, id_colour, text_colour
from edgert.draw.text import label_mask
from edgert.result import Result
from edgert.skeleton import COCO_17, skeleton_of


def make(boxes, size, ids=None, keypoints=None, keypoint_scores=None, class_names=None):
    n = len(boxes)
    return Result(
        boxes=np.array(boxes, np.float32).reshape(n, 4),
        scores=np.full(n, 0.87, np.float32),
        class_ids=np.zeros(n, np.int32),
        ids=np.arange(1, n + 1, dtype=np.int64) if ids is None else np.array(ids, np.int64),
        keypoints=None if keypoints is None else np.array(keypoints, np.float32),
        keypoint_scores=None if keypoint_scores is None else np.array(keypoint_scores, np.float32),
        frame_index=0,
        time_s=0.0,
        size=size,
        source="x",
        class_names=class_names,
    )


def grey(height, width):
    return np.full((height, width, 3), 90, np.uint8)


def stroke_oracle(height, width, a, b, radius):
    """Share of each pixel within a stroke, by 16x16 samples a pixel."""
    n = 16
    y, x = (np.mgrid[: height * n, : width * n] + 0.5) / n
    direction = np.subtract(b, a)
    length = max(float(direction @ direction), 1e-12)
    t = np.clip(((x - a[0]) * direction[0] + (y - a[1]) * direction[1]) / length, 0, 1)
    inside = np.hypot(x - a[0] - t * direction[0], y - a[1] - t * direction[1]) <= radius
    return inside.reshape(height, n, width, n).mean(axis=(1, 3))


def draw_strokes(image, *strokes):
    """Draws strokes of (start, end, radius, colour)."""
    rows = [[*start, *end, radius, *colour] for start, end, radius, colour in strokes]
    draw_shapes(image, np.empty((0, 8), np.float32), np.array(rows, np.float32), [])


coordinate = st.floats(-30, 70, width=32)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    a=st.tuples(coordinate, coordinate),
    b=st.tuples(coordinate, coordinate),
    radius=st.floats(0.75, 5),
)
def test_a_stroke_covers_what_supersampling_says(a, b, radius):
    image = np.zeros((40, 48, 3), np.uint8)
    draw_strokes(image, (a, b, radius, (255, 255, 255)))
    expected = stroke_oracle(40, 48, a, b, radius)
    # The distance stands for the area: exact for upright edges, within 0.2 for slanted and round.
    np.testing.assert_allclose(image[..., 0] / 255, expected, atol=0.2)
    assert abs(image[..., 0].sum() / 255 - expected.sum()) <= 0.1 * expected.sum() + 1


def test_later_strokes_lie_on_top():
    image = grey(20, 20)
    draw_strokes(
        image,
        ((2, 10), (18, 10), 2, (255, 0, 0)),
        ((10, 2), (10, 18), 2, (0, 255, 0)),
    )
    assert image[10, 10].tolist() == [0, 255, 0]
    assert image[10, 4].tolist() == [255, 0, 0]


def test_a_box_is_drawn_on_its_edges_and_nowhere_else():
    frame = grey(200, 300)
    image = make([[100, 80, 180, 160]], frame.shape[:2]).draw(frame)
    colour = list(id_colour(1))
    assert image[80, 150].tolist() == image[159, 150].tolist() == colour
    assert image[120, 100].tolist() == image[120, 179].tolist() == colour
    changed = (image != frame).any(axis=2)
    assert not changed[84:156, 104:176].any()
    assert not changed[161:].any()
    assert not changed[:, :99].any()
    assert not changed[80:, 181:].any()
    assert changed[:80, 100:].any(), "the label over the box"


def test_the_frame_is_not_touched_and_may_be_read_only():
    frame = grey(60, 80)
    frame.flags.writeable = False
    image = make([[10, 20, 50, 50]], (60, 80)).draw(frame)
    assert (frame == 90).all()
    assert image.flags.writeable
    assert (image != frame).any()


def test_strided_frames_give_the_same_picture():
    whole = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    result = make([[20, 30, 70, 90]], (60, 80))
    for view in (whole[::2, ::2], whole[:60, :80][::-1], whole[:60, :80, ::-1]):
        np.testing.assert_array_equal(result.draw(view), result.draw(view.copy()))


def test_people_are_drawn_into_any_rows_in_place():
    whole = np.random.default_rng(0).integers(0, 255, (120, 100, 3), np.uint8)
    result = make([[20, 30, 70, 90]], (60, 80))
    for rows in (slice(None, None, 2), slice(None, None, -2), slice(30, 90)):
        image = whole.copy()
        expected = result.draw(image[rows, 7:87])
        draw_people(image[rows, 7:87], result)
        np.testing.assert_array_equal(image[rows, 7:87], expected)
        image[rows, 7:87] = whole[rows, 7:87]
        np.testing.assert_array_equal(image, whole)


def test_images_that_cannot_be_drawn_into_are_refused():
    result = make([[20, 30, 70, 90]], (60, 80))
    read_only = grey(60, 80)
    read_only.flags.writeable = False
    for image in (read_only, grey(60, 80)[:, :, ::-1], grey(60, 160)[:, ::2]):
        with pytest.raises(ValueError, match=r"image: expected a writeable array"):
            draw_people(image, result)


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((3, 7), np.float32),
        np.zeros((3, 8), np.float64),
        np.zeros(8, np.float32),
        np.zeros((8, 3), np.float32).T,
    ],
)
def test_shapes_of_another_form_are_refused(rows):
    none = np.empty((0, 8), np.float32)
    with pytest.raises(ValueError, match=r"outlines: expected a C-contiguous \(N, 8\) float32"):
        draw_shapes(grey(9, 9), rows, none, [])
    with pytest.raises(ValueError, match=r"strokes: expected a C-contiguous \(N, 8\) float32"):
        draw_shapes(grey(9, 9), none, rows, [])
    masks = np.zeros((3, 4, 8), np.uint8)
    for mask in (rows, masks[0, :, ::2], masks[0, 0], masks):
        with pytest.raises(ValueError, match=r"labels: expected each mask to be a C-contiguous"):
            draw_shapes(grey(9, 9), none, none, [(0, 0, mask, (0, 0, 0), (9, 9, 9))])


@settings(max_examples=60, derandomize=True, deadline=None)
@given(left=st.integers(-60, 60), top=st.integers(-30, 40), seed=st.integers(0, 99))
def test_a_label_mixes_its_two_colours_as_the_mask_says(left, top, seed):
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 256, (rng.integers(1, 20), rng.integers(1, 50)), np.uint8)
    ink, ground = rng.integers(0, 256, (2, 3)).tolist()
    image = grey(40, 48)
    none = np.empty((0, 8), np.float32)
    draw_shapes(image, none, none, [(left, top, mask, tuple(ink), tuple(ground))])
    # In the middle of an image that no label leaves.
    expected = np.full((200, 200, 3), 90.0)
    height, width = mask.shape
    mixed = np.add(ground, np.subtract(ink, ground) * (mask[..., None] / 255))
    expected[80 + top : 80 + top + height, 80 + left : 80 + left + width] = mixed
    np.testing.assert_allclose(image, expected[80:120, 80:128], atol=1.1)


@pytest.mark.parametrize("size", [12, 18, 33])
@pytest.mark.parametrize("text", ["#12  0.87", "#4071  fire hydrant  0.11", "Ångström jg 1.00"])
def test_letters_make_the_same_text_as_pillow(text, size):
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    mask = label_mask(text, size)
    margin = max(2, size // 4)
    image = Image.new("L", mask.shape[::-1])
    ImageDraw.Draw(image).text((margin, margin - font.getbbox("0")[1]), text, fill=255, font=font)
    whole = np.asarray(image).astype(float)
    assert whole.max() == 255
    assert mask.shape[1] == 2 * margin + round(font.getlength(text))
    # Where letters touch, the one is not added to the other.
    assert np.abs(mask - whole).mean() < 0.01 * whole.mean()


def test_an_empty_result_returns_a_copy():
    frame = grey(30, 40)
    image = make([], (30, 40)).draw(frame)
    np.testing.assert_array_equal(image, frame)
    assert not np.shares_memory(image, frame)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (20, 20000), (3000, 4000)])
def test_any_frame_size(size):
    height, width = size
    keypoints = np.random.default_rng(1).uniform(-50, max(size), (1, 17, 2))
    result = make([[-5, -5, width + 5, height + 5]], size, None, keypoints, np.ones((1, 17)))
    assert result.draw(grey(*size)).shape == (*size, 3)


@pytest.mark.parametrize(
    "box",
    [
        [-100, -100, -50, -50],
        [500, 500, 600, 600],
        [-1e30, -1e30, 1e30, 1e30],
        [-3e38, -3e38, 3e38, 3e38],
        [np.nan, 0, 10, 10],
        [np.inf, 0, 10, 10],
        [30, 30, 10, 10],
    ],
)
def test_boxes_that_no_frame_can_hold(box):
    keypoints = np.full((1, 17, 2), 1e30)
    keypoints[0, 3] = np.nan
    image = make([box], (60, 80), None, keypoints, np.ones((1, 17))).draw(grey(60, 80))
    assert image.shape == (60, 80, 3)


@pytest.mark.parametrize(
    "frame", [grey(61, 80), grey(60, 80)[..., 0], grey(60, 80).astype(np.float32)]
)
def test_another_frame_than_the_results_is_refused(frame):
    with pytest.raises(ValueError, match=r"frame is .*expected uint8 of shape \(60, 80, 3\)"):
        make([], (60, 80)).draw(frame)


def has_colour(image, point, colour):
    """Whether a pixel beside a point is nearly of a colour, as that of a fine stroke is."""
    x, y = (int(v) for v in point)
    beside = image[y - 1 : y + 2, x - 1 : x + 2].astype(int)
    return np.abs(beside - colour).max(axis=2).min() < 30


def skeleton_at(size, scores):
    keypoints = np.column_stack([np.linspace(20, 280, 17), np.full(17, 30.0)])
    keypoints[[5, 7, 9], 1] = [100, 130, 160]  # the left arm, away from all else
    keypoints[[6, 8, 10], 1] = [200, 230, 260]  # the right arm
    return make([[1, 1, 299, 290]], size, None, [keypoints], [scores]), keypoints


def test_bones_have_the_colours_of_their_sides():
    result, keypoints = skeleton_at((300, 300), np.ones(17))
    image = result.draw(grey(300, 300))
    for a, b, side in ((5, 7, "left"), (7, 9, "left"), (6, 8, "right"), (8, 10, "right")):
        middle = (keypoints[a] + keypoints[b]) / 2
        assert has_colour(image, middle, SIDE_COLOURS[side]), (a, b)
    assert has_colour(image, (keypoints[5] + keypoints[6]) / 2, SIDE_COLOURS["centre"])


def test_joints_under_the_threshold_are_left_out_with_their_bones():
    scores = np.ones(17)
    scores[7] = 0.29
    result, keypoints = skeleton_at((300, 300), scores)
    frame = grey(300, 300)
    without = result.draw(frame)
    within = result.draw(frame, keypoint_threshold=0.25)
    for point in (keypoints[7], (keypoints[5] + keypoints[7]) / 2):
        assert has_colour(without, point, (90, 90, 90))
        assert not has_colour(without, point, SIDE_COLOURS["left"])
        assert has_colour(within, point, SIDE_COLOURS["left"])


def test_an_unknown_skeleton_is_drawn_as_points():
    keypoints = np.array([[[50, 100], [100, 100], [150, 100.0]]])
    result = make([[10, 60, 190, 150]], (200, 200), None, keypoints, np.ones((1, 3)))
    image = result.draw(grey(200, 200))
    assert image[100, 100].tolist() == list(id_colour(1))
    assert (image[100, 75] == 90).all()


def test_the_label_says_id_and_class():
    size = (100, 300)
    box = [[100, 50, 200, 90]]
    frame = grey(*size)
    one = make(box, size).draw(frame)
    two = make(box, size, ids=[2]).draw(frame)
    person = make(box, size, class_names=("person",)).draw(frame)
    dog = make(box, size, class_names=("dog",)).draw(frame)
    assert (one[:48] != two[:48]).any()
    np.testing.assert_array_equal(one, person)
    width = [(image[:48] != 90).any(axis=(0, 2)).sum() for image in (one, dog)]
    assert width[1] > width[0] > 0


def test_labels_stay_in_the_frame():
    size = (100, 300)
    for box in ([0, 0, 40, 40], [280, 0, 300, 40], [290, 60, 320, 90]):
        image = make([box], size, ids=[-1]).draw(grey(*size))
        label = (image == UNTRACKED).all(axis=2)
        rows, columns = np.flatnonzero(label.sum(axis=1) > 15), np.flatnonzero(label.any(axis=0))
        assert len(rows) >= 10, "the label's full height"
        assert columns[-1] - columns[0] >= 20


def test_colours_of_ids_that_live_together_are_apart():
    colours = np.array([id_colour(i) for i in range(1, 201)], float)
    for start in range(180):
        group = colours[start : start + 12]
        distance = np.abs(group[:, None] - group[None]).sum(axis=2)
        assert distance[~np.eye(len(group), dtype=bool)].min() > 40
    assert len({tuple(c) for c in colours.tolist()}) == 200
    assert id_colour(-1) == UNTRACKED


def test_colours_are_the_same_in_every_process():
    code = "from edgert.draw.palette import id_colour; print([id_colour(i) for i in range(50)])"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str([id_colour(i) for i in range(50)])


def test_text_reads_on_every_label():
    for i in range(1, 500):
        blue, green, red = id_colour(i)
        dark = text_colour(id_colour(i)) != (255, 255, 255)
        luma = 0.114 * blue + 0.587 * green + 0.299 * red
        assert abs(luma - (16 if dark else 255)) > 100


def test_the_skeleton_is_that_of_coco():
    assert skeleton_of(17) is COCO_17
    assert skeleton_of(18) is None
    assert len(COCO_17.joints) == 17
    # `skeleton` in COCO's person_keypoints files, which count from 1.
    annotated = [
        (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
        (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
    ]  # fmt: skip
    assert {frozenset((a - 1, b - 1)) for a, b in annotated} == {
        frozenset(bone) for bone in COCO_17.bones
    }
    assert COCO_17.bone_side((0, 1)) == "left"
    assert COCO_17.bone_side((5, 6)) == "centre"
