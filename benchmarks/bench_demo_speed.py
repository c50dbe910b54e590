"""The demo's pipeline against the pure-Python path on its street, whose threads spin or sleep.

    python benchmarks/bench_demo_speed.py --json-report demo_speed.json

Both run the same networks on the same rendered frames, all cores, block by block in turns; boxes
are checked to agree before a ratio is printed. onnxruntime's default is to spin while it waits.
"""

import argparse

import numpy as np

from edgert.baseline.agreement import LEAST_SHARE, matched_share
from edgert.baseline.pipeline import BaselinePipeline
from edgert.baseline.track import Tracker
from edgert.demo import DETECTOR, POSE
from edgert.demo.show.contest import Clock
from edgert.demo.show.footage import Footage
from edgert.demo.show.side import Side

from timing import add_report_option, describe, environment, write_report

BLOCK = 20


def bench(args, spinning):
    baseline = BaselinePipeline(args.detector, args.pose, Tracker(), spinning=spinning)
    theirs = Clock(lambda images: [baseline(image) for image in images])
    footage = Footage(args.seed, args.people, args.blocks * BLOCK, BLOCK)
    pairs, found = [], []
    with Side(args.detector, args.pose, footage.frame_rate) as side:
        for number, block in enumerate(footage):
            images = [shot.image for shot in block]
            programs = [side.run, theirs] if number % 2 else [theirs, side.run]
            results = {program: program(images) for program in programs}
            pairs += zip(results[side.run], results[theirs], strict=True)
            found += map(len, results[side.run])
        share = matched_share(pairs)
        if share < LEAST_SHARE:
            raise SystemExit(f"{100 * share:.1f} % of the baseline's boxes have a partner")
        ours = side.fps
    return {
        "spinning": spinning,
        "fps": ours,
        "python_fps": theirs.fps,
        "ratio": ours / theirs.fps,
        "people_a_frame": float(np.mean(found)),
        "boxes_matched": share,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default=DETECTOR)
    parser.add_argument("--pose", default=POSE)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--blocks", type=int, default=9)
    add_report_option(parser)
    args = parser.parse_args()
    rows = [bench(args, spinning) for spinning in (True, False)]
    if args.json_report != "-":
        print("| onnxruntime in pure Python | edgert, FPS | pure Python, FPS | ratio |")
        print("|---|---:|---:|---:|")
        for row in rows:
            name = "spins (its default)" if row["spinning"] else "sleeps"
            figures = f"{row['fps']:.1f} | {row['python_fps']:.1f} | {row['ratio']:.2f}x"
            print(f"| {name} | {figures} |")
        print(f"\n{rows[0]['people_a_frame']:.1f} people a frame. {describe(environment())}.")
    write_report(args.json_report, rows)


if __name__ == "__main__":
    main()
