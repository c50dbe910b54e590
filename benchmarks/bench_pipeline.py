"""The whole pipeline against the pure-Python one, on decoded frames of a video, without a tracker.

    python benchmarks/bench_pipeline.py VIDEO --detector yolov8n.onnx --pose pose.onnx

Both run the same models in onnxruntime with as many threads. What differs is everything around the
networks, and that edgert's threads sleep where onnxruntime's default is to spin; `--no-spinning`
takes that default from the baseline too. Boxes are checked to agree before anything is timed: the
baseline resamples to 8 bits, which moves boxes by fractions of a pixel and single detections over
the threshold. Also prints which share of the time goes to the stages that are not networks.
"""

import argparse
import time

import numpy as np

import edgert
from edgert.baseline.agreement import LEAST_SHARE, matched_share
from edgert.baseline.pipeline import BaselinePipeline

from timing import add_report_option, describe, environment, write_report
from videos import read_frames

NETWORKS = ("detect", "pose")
SHARE_GOAL = 0.05


def check_equal(pipe, baseline, frames):
    """The share of the baseline's boxes over 0.5 that edgert has too."""
    share = matched_share((pipe(frame), baseline(frame)) for frame in frames)
    if share < LEAST_SHARE:
        raise SystemExit(f"{100 * share:.1f} % of the baseline's boxes have a partner")
    return share


def measure(programs, chunks):
    """Medians of wall and CPU milliseconds per frame of each program, chunks in turns.

    A program takes a chunk of frames and returns when it is done with the last: nothing of its
    work is left over for the other's time.
    """
    times = [[] for _ in programs]
    for chunk in chunks:
        for found, program in zip(times, programs, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            program(chunk)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            found.append((1e3 * wall / len(chunk), 1e3 * cpu / len(chunk)))
    # The first chunk warms up.
    return [np.median(np.array(found[1:]), axis=0).tolist() for found in times]


def stage_milliseconds(stats):
    """Milliseconds per frame of each stage, whatever number of times a frame it runs."""
    stages = stats["stages"]
    frames = stages["preprocess"]["count"]
    return {
        name: row["count"] * row["mean"] / frames for name, row in stages.items() if name != "total"
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--pose")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--frames", type=int, default=20, help="frames a round")
    parser.add_argument("--no-spinning", action="store_true", help="the baseline does not spin")
    add_report_option(parser)
    args = parser.parse_args()

    frames = read_frames(args.video, (args.rounds + 1) * args.frames)
    chunks = [frames[i : i + args.frames] for i in range(0, len(frames), args.frames)]
    baseline = BaselinePipeline(args.detector, args.pose, spinning=not args.no_spinning)
    with edgert.Pipeline(args.detector, pose=args.pose, tracker=None, device="cpu") as pipe:
        agreement = check_equal(pipe, baseline, frames[:10])
        pipe.reset()
        ours, theirs = measure(
            [
                lambda chunk: sum(1 for _ in pipe.run(chunk)),
                lambda chunk: [baseline(frame) for frame in chunk],
            ],
            chunks,
        )
        stages = stage_milliseconds(pipe.stats())
    total = sum(stages.values())
    share = sum(ms for name, ms in stages.items() if name not in NETWORKS) / total
    figures = {
        "fps": 1e3 / ours[0],
        "python_fps": 1e3 / theirs[0],
        "cpu_ms_per_frame": ours[1],
        "python_cpu_ms_per_frame": theirs[1],
        "boxes_matched": agreement,
        "stage_ms_per_frame": stages,
        "share_outside_networks": share,
    }
    if args.json_report != "-":
        print("| | edgert | pure Python | ratio |\n|---|---:|---:|---:|")
        print(f"| FPS | {1e3 / ours[0]:.2f} | {1e3 / theirs[0]:.2f} | {theirs[0] / ours[0]:.2f}x |")
        print(f"| CPU ms/frame | {ours[1]:.0f} | {theirs[1]:.0f} | {theirs[1] / ours[1]:.2f}x |\n")
        print("| stage | ms per frame | share |\n|---|---:|---:|")
        for name, ms in stages.items():
            print(f"| {name} | {ms:.3f} | {100 * ms / total:.2f} % |")
        print(
            f"\nOutside the networks: {100 * share:.2f} % (goal: under {100 * SHARE_GOAL:g} %). "
            f"Boxes over 0.5 matched at IoU >= 0.9: {100 * agreement:.1f} %. "
            f"{describe(environment())}."
        )
    write_report(args.json_report, figures)


if __name__ == "__main__":
    main()
