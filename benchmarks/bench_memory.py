"""Resident size over a long run: it must be flat once the first frames have warmed everything.

    python benchmarks/bench_memory.py VIDEO --detector yolov8n.onnx --pose pose.onnx

Plays the video over and over for `--frames` frames; exit status 1 where the resident size grows
by more than 5 MB after frame 200.
"""

import argparse
import os
import sys
from itertools import islice
from pathlib import Path

import edgert
from edgert.io import open_source

from timing import add_report_option, describe, environment, write_report

WARM_FRAMES = 200
LIMIT_MB = 5.0


def resident_mb():
    """This process's resident size, in MB of 1e6 bytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def played(video, frames):
    """The video's images, over and over, until there were so many."""
    while frames > 0:
        with open_source(video) as source:
            for frame in islice(source, frames):
                yield frame.image
                frames -= 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--pose")
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--every", type=int, default=50, help="frames between samples")
    add_report_option(parser)
    args = parser.parse_args()
    if args.frames <= WARM_FRAMES:
        parser.error(f"--frames must be over {WARM_FRAMES}: before that nothing is judged")

    samples = {}
    with edgert.Pipeline(args.detector, pose=args.pose, device="cpu") as pipe:
        for done, _ in enumerate(pipe.run(played(args.video, args.frames)), 1):
            if done % args.every == 0 or done == args.frames:
                samples[done] = resident_mb()
    warm = samples[min(frame for frame in samples if frame >= WARM_FRAMES)]
    growth = max(mb for frame, mb in samples.items() if frame >= WARM_FRAMES) - warm
    figures = {"growth_mb": growth, "limit_mb": LIMIT_MB, "resident_mb": samples}
    if args.json_report != "-":
        print("| frame | resident, MB |\n|---:|---:|")
        for frame, mb in samples.items():
            if frame % (4 * args.every) == 0 or frame == args.frames:
                print(f"| {frame} | {mb:.1f} |")
        print(f"\nGrowth after frame {WARM_FRAMES}: {growth:.2f} MB (limit {LIMIT_MB:g}).")
        print(f"{describe(environment())}.")
    write_report(args.json_report, figures)
    return 0 if growth <= LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
