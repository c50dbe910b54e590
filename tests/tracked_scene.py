"""A made-up street for what is scored frame by frame: truth, and results with faults put in."""

from __future__ import annotations

import numpy as np

from edgert.demo.dice import Dice
from edgert.evaluation import Truth
from edgert.result import Result

SIZE = (720, 1280)
JOINTS = 17


def truth(ids, boxes, *, ignored=None, keypoints=None, visibility=None) -> Truth:
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    n = len(boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    if keypoints is None:
        shares = Dice(1).uniform(0, 1, 2 * JOINTS).reshape(JOINTS, 2)
        keypoints = boxes[:, None, :2] + shares * sides[:, None]
    return Truth(
        np.asarray(ids, np.int64),
        boxes,
        keypoints,
        np.full((n, JOINTS), 2, np.uint8) if visibility is None else visibility,
        sides[:, 0] * sides[:, 1] / 2,
        np.zeros(n, bool) if ignored is None else np.asarray(ignored, bool),
        SIZE,
    )


def result(ids, boxes, keypoints=None, *, scores=None, joints=True) -> Result:
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    n = len(boxes)
    points = np.zeros((n, JOINTS, 2), np.float32)
    if keypoints is not None:
        points = np.asarray(keypoints, np.float32).reshape(-1, JOINTS, 2)
    certain = np.full((n, JOINTS), 0.9, np.float32)
    return Result(
        boxes,
        np.full(n, 0.9, np.float32) if scores is None else np.asarray(scores, np.float32),
        np.zeros(n, np.int32),
        np.array(ids, np.int64),  # a copy: tests put faults in
        points if joints else None,
        certain if joints else None,
        0,
        0.0,
        SIZE,
        "scene",
    )


def perfect(truths) -> list[Result]:
    """Everybody found exactly, ignored people too, each under the own id."""
    return [result(t.ids, t.boxes, t.keypoints) for t in truths]


def row_of_people(frames: int, people: int = 4, **options) -> list[Truth]:
    """People side by side who all walk to the right."""
    boxes = [[100 + 150 * i, 200, 160 + 150 * i, 380] for i in range(people)]
    return [
        truth(range(1, people + 1), np.array(boxes) + np.array([2 * f, 0, 2 * f, 0]), **options)
        for f in range(frames)
    ]


def crowd(seed: int, people: int = 40, frames: int = 150) -> tuple[list[Truth], list[Result]]:
    """People who pass each other, found with jitter, gaps, swapped ids and false alarms."""
    dice = Dice(seed, 77)
    start = dice.uniform(0, 1100, people)
    speed = dice.uniform(-4, 4, people)
    level = dice.uniform(150, 300, people)
    tracks = 5 * np.arange(people) + 3
    truths, results = [], []
    for frame in range(frames):
        x = start + speed * frame
        boxes = np.stack([x, level, x + 60, level + 170], axis=1)
        there = dice.uniform(0, 1, people) > 0.08
        truths.append(truth(np.flatnonzero(there) + 1, boxes[there]))
        if frame % 6 == 5:
            a, b = (int(v) for v in dice.uniform(0, people, 2))
            tracks[[a, b]] = tracks[[b, a]]
        jitter = dice.uniform(-14, 14, 4 * people).reshape(people, 4)
        found = dice.uniform(0, 1, people) > 0.15
        false = dice.uniform(0, 1000, 3)
        alarms = np.stack([false, false / 2, false + 50, false / 2 + 150], axis=1)
        ids = np.concatenate([tracks[found], 900 + np.arange(3)])
        results.append(result(ids, np.concatenate([(boxes + jitter)[found], alarms])))
    return truths, results
