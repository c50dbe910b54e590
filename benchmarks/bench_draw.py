"""Drawing boxes, labels and skeletons against OpenCV's anti-aliased shapes, one process, in turns.

    python benchmarks/bench_draw.py --json-report draw.json

Both draw into a frame in place, with the same scene, pens and colours. Scores change with every
frame, as a detector's do, so that each label is a new text.
"""

import argparse
import dataclasses
import itertools

import cv2
import numpy as np

from edgert import Result
from edgert.baseline import draw as baseline
from edgert.draw import draw_people

from timing import add_report_option, describe, environment, interleaved, markdown, write_report

# A standing person's joints within the box, COCO's order.
POSE = np.array(
    [
        (0.50, 0.08), (0.55, 0.06), (0.45, 0.06), (0.60, 0.08), (0.40, 0.08), (0.70, 0.22),
        (0.30, 0.22), (0.82, 0.38), (0.20, 0.38), (0.78, 0.52), (0.15, 0.50), (0.62, 0.52),
        (0.38, 0.52), (0.65, 0.74), (0.36, 0.74), (0.66, 0.95), (0.34, 0.95),
    ]
)  # fmt: skip


def crowd(people, height, width, seed=0):
    """People of a quarter to four fifths of the frame's height, anywhere in it."""
    rng = np.random.default_rng(seed)
    tall = rng.uniform(0.25, 0.8, people) * height
    extent = np.stack([0.38 * tall, tall], axis=1)
    corner = rng.uniform(0, np.array([width, height]) - extent)
    joints = POSE + rng.normal(0, 0.01, (people, *POSE.shape))
    return Result(
        boxes=np.concatenate([corner, corner + extent], axis=1).astype(np.float32),
        scores=rng.uniform(0.3, 0.95, people).astype(np.float32),
        class_ids=np.zeros(people, np.int32),
        ids=np.arange(1, people + 1),
        keypoints=(corner[:, None] + joints * extent[:, None]).astype(np.float32),
        keypoint_scores=np.full((people, len(POSE)), 0.9, np.float32),
        frame_index=0,
        time_s=0.0,
        size=(height, width),
        source="",
    )


def frames(result, count=64, seed=1):
    """The same people with other scores, over and over."""
    scores = np.random.default_rng(seed).uniform(0.3, 0.95, (count, len(result)))
    changed = [dataclasses.replace(result, scores=row) for row in scores.astype(np.float32)]
    return itertools.cycle(changed)


def bench(people, height, width, seconds, goal):
    result = crowd(people, height, width)
    image = np.full((height, width, 3), 90, np.uint8)
    ours, theirs = image.copy(), image.copy()
    our_frames, their_frames = frames(result), frames(result)
    draw_people(ours, result)
    baseline.draw_people(theirs, result)
    # The letters have other shapes, and OpenCV's bars are a pixel wider on either side.
    drawn = (ours != image).any(axis=2) | (theirs != image).any(axis=2)
    gap = np.abs(ours[drawn].astype(int) - theirs[drawn]).mean()
    if gap > 40:
        raise SystemExit(f"the pictures differ by {gap:.1f} grey levels where something is drawn")
    return interleaved(
        f"{people} people with skeletons on {width}x{height}",
        lambda: draw_people(ours, next(our_frames)),
        lambda: baseline.draw_people(theirs, next(their_frames)),
        goal=goal,
        seconds=seconds,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="time spent on each scene")
    add_report_option(parser)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rows = [
        bench(2, 720, 1280, args.seconds, goal=2),
        bench(10, 720, 1280, args.seconds, goal=2),
        bench(40, 1080, 1920, args.seconds, goal=2),
    ]
    if args.json_report != "-":
        print(markdown(rows))
        print(f"\nOne thread each, in turns, medians. {describe(environment())}.")
    write_report(args.json_report, rows)


if __name__ == "__main__":
    main()
