"""How the demo world's networks are trained: losses against plain loops, data against truth."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from edgert.architectures.catalogue import ARCHITECTURES
from edgert.demo import Scene

torch = pytest.importorskip("torch", reason="pip install 'edgert[export]'")
pytest.importorskip("onnx", reason="pip install 'edgert[export]'")

from edgert.architectures.export import export  # noqa: E402
from edgert.architectures.weights import load, make  # noqa: E402
from edgert.architectures.yolov8 import cell_centers  # noqa: E402

import train_detector  # noqa: E402
import train_pose  # noqa: E402
from assignment import assign  # noqa: E402
from boxes import generalized_iou, iou  # noqa: E402
from data import IGNORED, TAUGHT, Crops, Pictures, World  # noqa: E402
from losses import _distribution_loss, detection_loss, heatmap_loss  # noqa: E402
from mirror import MIRRORED, mirror_crops, mirror_pictures  # noqa: E402
from reservoir import Reservoir  # noqa: E402
from step import Step  # noqa: E402
from training import _begin_with  # noqa: E402

torch.set_num_threads(1)
GRIDS = [(12, 20), (6, 10), (3, 5)]


def plain_iou(one, two):
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    common = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return common / (sum(areas) - common)


def random_boxes(chance, count):
    low = chance.uniform(0, [120, 60], (count, 2))
    return np.concatenate([low, low + chance.uniform(12, 60, (count, 2))], 1)


def plain_assign(scores, boxes, centers, truth):
    """TOOD's rule, person by person and cell by cell."""
    taken = {}
    alignment = {}
    for person, target in enumerate(truth):
        inside = [
            cell
            for cell, (x, y) in enumerate(centers.T)
            if target[0] < x < target[2] and target[1] < y < target[3]
        ]
        for cell in inside:
            overlap = plain_iou(target, boxes[cell])
            alignment[person, cell] = scores[cell] ** 0.5 * overlap**6
        for cell in sorted(inside, key=lambda c: -alignment[person, c])[:10]:
            taken.setdefault(cell, []).append(person)
    owner, wanted = np.full(len(scores), -1), np.zeros(len(scores))
    for cell, people in taken.items():
        owner[cell] = max(people, key=lambda p: plain_iou(truth[p], boxes[cell]))
    for person, target in enumerate(truth):
        cells = np.flatnonzero(owner == person)
        if len(cells):
            best = max(plain_iou(target, boxes[cell]) for cell in cells)
            most = max(alignment[person, cell] for cell in cells)
            wanted[cells] = [alignment[person, cell] / most * best for cell in cells]
    return owner, wanted


@pytest.mark.parametrize("seed", range(8))
def test_assignment_is_that_of_a_plain_loop(seed):
    chance = np.random.default_rng(seed)
    centers, strides = cell_centers(GRIDS, torch.device("cpu"))
    centers = centers.double()
    reach = strides.numpy()[:, None] * chance.uniform(0.5, 4, (len(strides), 4))
    middle = centers.numpy().T
    boxes = np.concatenate([middle - reach[:, :2], middle + reach[:, 2:]], 1)
    scores, truth = chance.uniform(0.01, 1, len(boxes)), random_boxes(chance, seed + 1)
    # Beside it a picture without people, and rows of truth that nobody is in.
    padded = np.zeros((2, len(truth) + 2, 4))
    padded[0, 1:-1] = truth
    padded[1] = [0, 0, 160, 96]
    present = torch.zeros(2, len(truth) + 2, dtype=torch.bool)
    present[0, 1:-1] = True
    both = [torch.from_numpy(np.stack([values, values])) for values in (scores, boxes)]
    owners, scores_to_give = assign(*both, centers, torch.tensor(padded), present)
    assert (owners[1] == -1).all()
    assert (scores_to_give[1] == 0).all()
    owner, wanted = owners[0], scores_to_give[0]
    owner = torch.where(owner >= 0, owner - 1, -1)
    expected_owner, expected = plain_assign(scores, boxes, centers.numpy(), truth)
    # A cell without any overlap has no order among the ten; it teaches nothing.
    teaches = expected > 1e-7
    assert teaches.any()
    np.testing.assert_array_equal(owner.numpy()[teaches], expected_owner[teaches])
    np.testing.assert_allclose(wanted.numpy(), expected, rtol=1e-3, atol=1e-6)


def test_overlaps():
    chance = np.random.default_rng(0)
    one, two = random_boxes(chance, 50), random_boxes(chance, 50)
    found = iou(torch.tensor(one), torch.tensor(two)).numpy()
    np.testing.assert_allclose(found, list(map(plain_iou, one, two)), rtol=1e-6, atol=1e-9)
    apart = torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[3.0, 0, 4, 1]])
    assert generalized_iou(*apart).item() == pytest.approx(-0.5)  # 2 of the 4 around are empty
    assert generalized_iou(apart[0], apart[0]).item() == pytest.approx(1)


def test_a_distance_is_taught_as_the_two_bins_around_it():
    logits = torch.full((1, 4, 8), -30.0)
    logits[..., 2], logits[..., 3] = np.log(0.75), np.log(0.25)
    distances = torch.full((1, 4), 2.25)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    np.testing.assert_allclose(_distribution_loss(logits, distances), entropy, rtol=1e-5)
    assert (_distribution_loss(logits, distances + 0.5) > entropy).all()
    assert torch.isfinite(_distribution_loss(logits, torch.full((1, 4), 99.0))).all()


def test_the_detector_learns_one_picture():
    network = make(ARCHITECTURES["demo_detector"], seed=1).train()
    chance = torch.Generator().manual_seed(2)
    images = torch.rand(2, 3, 64, 64, generator=chance) * 0.2
    truth = torch.tensor([[[12.0, 8.0, 36.0, 56.0]], [[0, 0, 0, 0]]])
    taught_ = torch.tensor([[True], [False]])
    images[0, :, 8:56, 12:36] += 0.7
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = detection_loss(network, images, truth, taught_, ~taught_)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    with torch.no_grad():
        rows = network(images)  # the batch's own statistics: running ones lag in 60 steps
    best = rows[0, :, rows[0, 4].argmax()]
    box = torch.cat([best[:2] - best[2:4] / 2, best[:2] + best[2:4] / 2])
    assert iou(box, truth[0][0]) > 0.6
    assert rows[0, 4].max() > 2 * rows[1, 4].max()


def test_who_is_ignored_may_be_found_or_not():
    network = make(ARCHITECTURES["demo_detector"], seed=1).train()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    truth = torch.tensor([[[0.0, 0, 64, 64]]])
    ours, nobody = torch.tensor([[True]]), torch.tensor([[False]])
    with torch.no_grad():
        told = detection_loss(network, images, truth, nobody, nobody)
        left_out = detection_loss(network, images, truth, nobody, ours)
        taught_ = detection_loss(network, images, truth, ours, nobody)
    assert told > 0
    assert left_out == 0  # every cell lies in the box
    assert taught_ > 0


def test_heatmaps_are_gaussians_of_the_joints_that_count():
    joints = torch.tensor([[[5.0, 7.0], [2.5, 3.0]]])
    y, x = np.mgrid[0:16, 0:12]
    exact = np.stack(
        [np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 1.5**2)) for a, b in joints[0].numpy()]
    )
    heatmaps = torch.from_numpy(exact[None].astype(np.float32))
    weights = torch.ones(1, 2)
    assert heatmap_loss(heatmaps, joints, weights, 1.5) < 1e-12
    heatmaps[0, 1] += 0.5
    assert heatmap_loss(heatmaps, joints, weights, 1.5).item() == pytest.approx(0.125)
    weights[0, 1] = 0
    assert heatmap_loss(heatmaps, joints, weights, 1.5) < 1e-12
    assert heatmap_loss(heatmaps, joints, 0 * weights, 1.5) == 0


WORLD = World(5, size=(192, 320), people=20)


def test_pictures_have_the_boxes_of_who_is_there():
    frame = next(WORLD.frames())
    image, boxes, kinds = next(iter(Pictures(WORLD, (96, 160))))
    assert image.shape == (3, 96, 160)
    assert image.dtype == torch.uint8
    assert image.float().std() > 10
    assert boxes.shape == (WORLD.people, 4)
    there = kinds.numpy() > 0
    np.testing.assert_allclose(boxes[there], frame.boxes / 2, atol=1e-3)
    np.testing.assert_array_equal(kinds[there] == TAUGHT, frame.clear)
    np.testing.assert_array_equal(kinds[there] == IGNORED, ~frame.clear)


def test_crops_have_their_joints_in_cells():
    batch = list(itertools.islice(Crops(WORLD, (128, 96)), 40))
    weights = np.stack([w.numpy() for *_, w in batch])
    joints = np.stack([j.numpy() for _, j, _ in batch])
    assert set(np.unique(weights)) <= {0, 1}
    assert weights.mean() > 0.7
    assert (joints[weights > 0] >= 0).all()
    assert (joints[weights > 0] < [24, 32]).all()
    # People stand: heads are above ankles, in the crop's middle.
    known = (weights[:, [0, 15]] > 0).all(1)
    assert known.any()
    assert (joints[known, 0, 1] < joints[known, 15, 1] - 8).all()
    assert abs(np.median(joints[weights > 0][:, 0]) - 12) < 2


def test_half_a_batch_is_mirrored():
    image, boxes, kinds = next(iter(Pictures(WORLD, (96, 160))))
    images, turned, same = mirror_pictures(
        torch.stack([image, image]), torch.stack([boxes, boxes]), torch.stack([kinds, kinds])
    )
    assert torch.equal(images[0], image)
    assert torch.equal(images[1].flip(2), image)
    assert torch.equal(turned[0], boxes)
    there = kinds > 0
    assert torch.equal(turned[1, there][:, [1, 3]], boxes[there][:, [1, 3]])
    np.testing.assert_allclose(turned[1, there][:, 0] + boxes[there][:, 2], 160, atol=1e-4)
    assert (turned[1, there][:, 0] < turned[1, there][:, 2]).all()
    assert torch.equal(same[1], kinds)


def test_a_left_wrist_is_a_right_one_in_the_mirror():
    crop, joints, weights = next(iter(Crops(WORLD, (128, 96))))
    weights[9] = 0
    images, turned, taught_ = mirror_crops(*(torch.stack([v, v]) for v in (crop, joints, weights)))
    assert torch.equal(images[1].flip(2), crop)
    assert MIRRORED[0] == 0
    assert (MIRRORED[9], MIRRORED[10]) == (10, 9)
    np.testing.assert_allclose(turned[1, 10, 0], 96 / 4 - joints[9, 0], rtol=1e-5)
    assert turned[1, 10, 1] == joints[9, 1]
    assert taught_[1, 10] == 0
    assert torch.equal(taught_[0], weights)
    again = mirror_crops(images, turned, taught_)
    np.testing.assert_allclose(again[1][1], joints, atol=1e-4)  # of a mirror's mirror


class Counting(torch.utils.data.IterableDataset):
    def __iter__(self):
        for number in itertools.count():
            if number == 6_000:
                raise ValueError("the world ends here")
            yield torch.tensor([number]), torch.tensor([-number])


def test_a_reservoir_keeps_the_newest_and_tells_of_failures():
    reservoir = Reservoir(Counting(), 64, 4, 0, "cpu", 1)
    first, _ = reservoir.batch(500)
    assert set(first[:, 0].tolist()) == set(range(32))
    with reservoir:
        deadline = time.monotonic() + 20
        while reservoir.rendered < 4_096 and time.monotonic() < deadline:
            time.sleep(0.01)
        # More only once these are used: 4,096 and a quarter of the 500 drawn.
        time.sleep(0.2)
        assert 4_096 + 125 <= reservoir.rendered <= 4_096 + 125 + 64
        rows, negated = reservoir.batch(8_000)
        assert torch.equal(rows, -negated)
        assert rows.min() >= 4_096 - 64
        while reservoir._taker.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(RuntimeError, match="rendering has failed"):
            reservoir.batch(2)
    assert not reservoir._taker.is_alive()


def test_a_step_is_adamw_s():
    def network():
        torch.manual_seed(3)
        return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 1))

    ours, theirs = network(), network()
    batches = [[torch.randn(8, 4)] for _ in range(5)]
    step = Step(ours, lambda batch: ours(batch[0]).square().mean(), [batches[0][0].clone()])
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim == 2], "weight_decay": 0.01},
        {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-2)
    for batch in batches:
        expected = theirs(batch[0]).square().mean()
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        assert step(batch, 1e-2) == pytest.approx(expected.item())
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_scenes_differ():
    frames = WORLD.frames()
    first, ninth = next(frames), next(itertools.islice(frames, 7, None))
    assert not np.array_equal(first.image, ninth.image)
    again = Scene(5, 1, (192, 320), 1)
    assert again.camera.height_m != Scene(6, 1, (192, 320), 1).camera.height_m


@pytest.mark.parametrize(
    ("script", "name"), [(train_detector, "demo_detector"), (train_pose, "demo_pose")]
)
def test_two_steps_leave_weights_to_export(script, name, tmp_path, capsys):
    weights = tmp_path / "w.pt"
    options = ["--steps", "2", "--batch", "2", "--workers", "0", "--device", "cpu"]
    tiny = ["--frame", "192", "320", "--size", "64", "96", "-o", str(weights)]
    losses = script.main([*options, *tiny])
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    assert "step 2, 100%" in capsys.readouterr().out
    made = export(load(name, weights), tmp_path / "net.onnx", size=(64, 96))
    assert made.difference <= 1e-4


def test_weights_of_another_shape_are_a_start():
    """What they have too much is left, what does not fit begins anew, the rest is taken."""
    kept, ours, theirs = (torch.nn.ModuleDict() for _ in range(3))
    for network, width in ((ours, 3), (theirs, 4)):
        network["same"], network["other"] = torch.nn.Linear(2, 2), torch.nn.Linear(2, width)
    theirs["gone"] = torch.nn.Linear(1, 1)
    kept.update({"other": ours["other"]})
    before = {name: value.clone() for name, value in kept.state_dict().items()}
    _begin_with(ours, theirs.state_dict())
    assert torch.equal(ours["same"].weight, theirs["same"].weight)
    assert all(torch.equal(value, before[name]) for name, value in kept.state_dict().items())
