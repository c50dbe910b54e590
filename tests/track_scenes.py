"""Boxes and crowds for the tests of the tracker."""

import numpy as np
from numpy.testing import assert_array_equal


def box(x, y=100.0, width=50.0, height=120.0):
    return [x, y, x + width, y + height]


TWO = ([box(0), box(200)], [0.9, 0.8])  # two people far apart


def crowd(rng, frames, people, size=(640, 480)):
    """Yields boxes and scores of people who walk, overlap, are missed, come and go."""
    position = rng.uniform((0, 0), size, (people, 2))
    speed = rng.normal(0, 4, (people, 2))
    shape = np.stack([rng.uniform(20, 60, people), rng.uniform(60, 140, people)], 1)
    for _ in range(frames):
        position = position + speed
        replaced = rng.random(people) < 0.02
        position[replaced] = rng.uniform((0, 0), size, (int(replaced.sum()), 2))
        seen = rng.random(people) > 0.1
        corner = position[seen] + rng.normal(0, 2, (int(seen.sum()), 2))
        size_now = shape[seen] * rng.normal(1, 0.03, corner.shape)
        boxes = np.hstack([corner, corner + size_now])
        scores = np.where(rng.random(len(boxes)) < 0.2, 0.1, 0.5) + 0.45 * rng.random(len(boxes))
        yield boxes, scores


def same(tracks, others):
    for name in ("ids", "boxes", "scores", "detection_indices", "class_ids"):
        assert_array_equal(getattr(tracks, name), getattr(others, name))
