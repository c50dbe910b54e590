"""The demo's pipeline against the pure-Python path on its street, whose threads spin or sleep.

    python benchmarks/bench_demo_speed.py --json-report demo_speed.json

Both run the same networks on the same rendered frames, all cores, block by block in turns; boxes
are checked to agree before a ratio is printed. onnxruntime's default is to spin while it waits.
"""

import argparse

import numpy as np

from edgert.demo import APPEARANCE, DETECTOR, POSE
from edgert.demo.show.footage import Footage
from edgert.demo.show.rival import Rival
from edgert.demo.show.side import Side

from timing import add_report_option, describe, environment, write_report

BLOCK = 30
NETWORKS = DETECTOR, POSE, APPEARANCE


def bench(args, spinning):
    rival = Rival(*NETWORKS, spinning=spinning)
    footage = Footage(args.seed, args.people, args.blocks * BLOCK, BLOCK)
    missing = {}
    with Side(*NETWORKS, footage.frame_rate) as side:
        for number, block in enumerate(footage):
            images = [shot.image for shot in block]
            programs = [side.run, rival.run] if number % 2 else [rival.run, side.run]
            results = {program: program(images) for program in programs}
            rival.compare(results[side.run], results[rival.run])
        python_fps, share = rival.verdict(missing)
        if python_fps is None:
            raise SystemExit(missing["python_fps"])
        return {
            "spinning": spinning,
            "fps": side.fps,
            "python_fps": python_fps,
            "ratio": side.fps / python_fps,
            "people_a_frame": float(np.mean(list(map(len, side.results)))),
            "boxes_matched": share,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--blocks", type=int, default=8)
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
    write_report(args.json_report, {"rows": rows})


if __name__ == "__main__":
    main()
