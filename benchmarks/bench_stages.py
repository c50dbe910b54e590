"""Each host stage against the pure-Python path: one process, one thread each, in turns, medians.

    python benchmarks/bench_stages.py --json-report stages.json

Results are checked to be equal before anything is timed. The baseline works on 8-bit images, as
such programs do, so its pixels may differ from edgert's by its own rounding; each check says by
how much. The inputs are synthetic and seeded: no stage's time depends on what the pixels show.
"""

import argparse

import cv2
import numpy as np

import edgert
from edgert import ops
from edgert.baseline.detect import decode_yolo
from edgert.baseline.pose import decode_heatmaps
from edgert.baseline.preprocess import MEAN, STD, crop_people, letterbox

from timing import (
    CLOCKS,
    add_report_option,
    describe,
    environment,
    interleaved,
    markdown,
    write_report,
)


def smooth_image(h, w, seed=0):
    """Noise without sharp edges, on which OpenCV's coarse coordinates cost little."""
    noise = np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 4).astype(np.float32)
    return np.clip((blurred - blurred.mean()) * 8 + 128, 0, 255).astype(np.uint8)


def check(what, gap, limit):
    if not gap <= limit:
        raise SystemExit(
            f"{what}: edgert and the baseline differ by {gap:.3g}, allowed {limit:.3g}"
        )


def bench_letterbox(h, w, **how):
    image = smooth_image(h, w)
    ours, our_map = ops.letterbox(image, size=(640, 640))
    theirs, their_map = letterbox(image)
    # The baseline's pixels are rounded to 8 bits, after weights rounded to 11.
    check(f"letterbox {w}x{h}", np.abs(ours - theirs).max() * 255, 1.0)
    check(f"letterbox {w}x{h}, map", np.abs(our_map - their_map).max(), 1e-9)
    return interleaved(
        f"letterbox {w}x{h} to 640x640",
        lambda: ops.letterbox(image, size=(640, 640), out=ours),
        lambda: letterbox(image),
        goal=2,
        **how,
    )


def bench_crops(people=8, size=(384, 288), **how):
    image = smooth_image(1080, 1920)
    rng = np.random.default_rng(1)
    heights = rng.uniform(250, 700, people)
    x, y = rng.uniform(100, 1800, people), rng.uniform(300, 800, people)
    boxes = np.stack([x - heights / 6, y - heights / 2, x + heights / 6, y + heights / 2], 1)
    boxes = boxes.astype(np.float32)
    ours, our_maps = ops.crop_people(image, boxes, size=size, mean=MEAN, std=STD)
    theirs, their_maps = crop_people(image, boxes, size)
    # OpenCV rounds coordinates to 1/32 px, then values to 8 bits. The border of the frame blends
    # to black within one pixel, the steepest edge there is.
    gap = np.abs(ours - theirs) * STD[None, :, None, None] * 255
    check("crops, largest gap in grey levels", gap.max(), 255 / 32 + 1)
    check("crops, mean gap in grey levels", gap.mean(), 0.5)
    check("crops, map", np.abs(our_maps - their_maps).max(), 1e-6)
    return interleaved(
        f"{people} person crops {size[0]}x{size[1]} from 1920x1080",
        lambda: ops.crop_people(image, boxes, size=size, mean=MEAN, std=STD, out=ours),
        lambda: crop_people(image, boxes, size),
        goal=10,
        **how,
    )


def crowd_output(people=100, anchors=8400, classes=80, seed=2):
    """A YOLOv8 head that sees `people`, each with a dozen anchors around it."""
    rng = np.random.default_rng(seed)
    output = np.empty((1, 4 + classes, anchors), dtype=np.float32)
    output[0, :2] = rng.uniform(0, 640, (2, anchors))
    output[0, 2:4] = rng.uniform(10, 100, (2, anchors))
    output[0, 4:] = rng.uniform(0, 0.02, (classes, anchors))
    centres = np.stack(np.meshgrid(np.arange(10), np.arange(10)), -1).reshape(-1, 2) * 62 + 40
    chosen = rng.permutation(anchors)[: people * 12].reshape(people, 12)
    for centre, columns in zip(centres[:people], chosen, strict=True):
        output[0, :2, columns] = centre + rng.normal(0, 1, (12, 2))
        output[0, 2:4, columns] = rng.normal((30, 55), 1, (12, 2))
        output[0, 4, columns] = rng.uniform(0.3, 0.95, 12)
    return output


def bench_decode(people=100, **how):
    output = crowd_output(people)
    to_frame = np.array([[1.2, 0, 0], [0, 1.2, -96.0]])
    ours, theirs = ops.decode_yolo(output, to_frame), decode_yolo(output, to_frame)
    if not len(ours[0]) == len(theirs[0]) == people:
        raise SystemExit(f"decode: {len(ours[0])} and {len(theirs[0])} boxes, expected {people}")
    check("decode, boxes in px", np.abs(ours[0] - theirs[0]).max(), 1e-3)
    check("decode, scores", np.abs(ours[1] - theirs[1]).max(), 0)
    check("decode, classes", np.abs(ours[2] - theirs[2]).max(), 0)
    return interleaved(
        f"YOLO decode + NMS, (84, 8400), {people} people",
        lambda: ops.decode_yolo(output, to_frame),
        lambda: decode_yolo(output, to_frame),
        goal=3,
        **how,
    )


def bench_heatmaps(people=8, joints=17, h=96, w=72, **how):
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, w, (people, joints, 1, 1)), rng.uniform(0, h, (people, joints, 1, 1))
    row, column = np.mgrid[0:h, 0:w]
    heatmaps = np.exp(-((column - x) ** 2 + (row - y) ** 2) / 8) + rng.uniform(
        0, 0.05, (people, joints, h, w)
    )
    heatmaps = heatmaps.astype(np.float32)
    maps = np.repeat(np.array([[[1.3, 0, 40.0], [0, 1.3, 7.0]]]), people, axis=0)
    ours = ops.decode_heatmaps(heatmaps, maps, refine="quarter")
    theirs = decode_heatmaps(heatmaps, maps)
    check("heatmaps, keypoints in px", np.abs(ours[0] - theirs[0]).max(), 1e-3)
    check("heatmaps, scores", np.abs(ours[1] - theirs[1]).max(), 0)
    return interleaved(
        f"heatmap decode, {people} people at {h}x{w}, quarter offsets",
        lambda: ops.decode_heatmaps(heatmaps, maps, refine="quarter"),
        lambda: decode_heatmaps(heatmaps, maps),
        goal=3,
        **how,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="time spent on each stage")
    parser.add_argument(
        "--clock",
        choices=sorted(CLOCKS),
        default="wall",
        help="cpu: CPU time of the process, for busy machines (default: wall)",
    )
    add_report_option(parser)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    edgert.set_num_threads(1)
    how = {"seconds": args.seconds, "clock": args.clock}
    rows = [
        bench_letterbox(576, 768, **how),
        bench_letterbox(1080, 1920, **how),
        bench_crops(**how),
        bench_decode(**how),
        bench_heatmaps(**how),
    ]
    if args.json_report != "-":
        print(markdown(rows))
        print(
            f"\nOne thread each, in turns, medians of {args.clock} time; edgert writes "
            f"tensors into memory that is kept (`out=`), as its pipeline does. "
            f"{describe(environment())}."
        )
    write_report(args.json_report, rows)


if __name__ == "__main__":
    main()
