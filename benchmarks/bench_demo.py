"""How long a frame of the demo world takes, on one core.

    python benchmarks/bench_demo.py --json-report demo.json

The renderer works on the calling thread alone. Median over frames of several scenes.
"""

import argparse
import time

import numpy as np

from edgert.demo import Scene

from timing import add_report_option, describe, environment, write_report

SEEDS = range(100, 106)


def bench(people, size, frames, fisheye):
    times, starts, shown = [], [], []
    for seed in SEEDS:
        begin = time.perf_counter()
        scene = Scene(seed, people, size, frames * 10, fisheye=fisheye)
        starts.append(time.perf_counter() - begin)
        for index in range(0, frames * 10, 10):
            begin = time.perf_counter()
            frame = scene[index]
            times.append(time.perf_counter() - begin)
            shown.append(len(frame))
    low, median, high = np.percentile(times, [5, 50, 95]) * 1e3
    return {
        "people": people,
        "size": list(size),
        "fisheye": fisheye,
        "people_in_frame": float(np.mean(shown)),
        "frame_ms": float(median),
        "frame_ms_p5": float(low),
        "frame_ms_p95": float(high),
        "scene_s": float(np.median(starts)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=20, help="frames of each scene")
    add_report_option(parser)
    args = parser.parse_args()
    sizes = [(10, False), (30, False), (60, False), (30, True)]
    rows = [bench(people, (720, 1280), args.frames, fisheye) for people, fisheye in sizes]
    if args.json_report != "-":
        print("| people asked for | in the frame | ms a frame (5 to 95 %) | s a scene |")
        print("|---|---:|---:|---:|")
        for row in rows:
            name = f"{row['people']}{', fisheye' if row['fisheye'] else ''}"
            spread = f"{row['frame_ms_p5']:.1f} to {row['frame_ms_p95']:.1f}"
            print(
                f"| {name} | {row['people_in_frame']:.1f} "
                f"| {row['frame_ms']:.1f} ({spread}) | {row['scene_s']:.2f} |"
            )
        print(f"\n1280x720, one thread. {describe(environment())}.")
    write_report(args.json_report, rows)


if __name__ == "__main__":
    main()
