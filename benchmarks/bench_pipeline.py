"""The whole pipeline against the pure-Python one: video decoding, networks, keypoints, no tracker.

    python benchmarks/bench_pipeline.py VIDEO --detector yolov8n.onnx --pose pose.onnx

Both run the same models in onnxruntime with its default threads, so what differs is everything
around the networks. Boxes are checked to agree before anything is timed: the baseline resamples to
8 bits, which moves boxes by fractions of a pixel and single detections over the threshold.
Also prints which share of the time goes to the stages that are not networks.
"""

import argparse
import itertools
import time

import cv2
import numpy as np

import edgert

from baseline.pipeline import BaselinePipeline
from timing import add_report_option, describe, environment, write_report

NETWORKS = ("detect", "pose")
SHARE_GOAL = 0.05


def baseline_results(pipeline, path):
    capture = cv2.VideoCapture(str(path))
    try:
        while True:
            found, frame = capture.read()
            if not found:
                return
            yield pipeline(frame)
    finally:
        capture.release()


def check_equal(pipe, baseline, path, frames=10, iou=0.9, share=0.97):
    """At least `share` of the baseline's boxes over 0.5 have a partner at `iou`."""
    capture = cv2.VideoCapture(str(path))
    total = matched = 0
    for _ in range(frames):
        found, frame = capture.read()
        if not found:
            break
        ours, theirs = pipe(frame), baseline(frame)
        for box, score in zip(theirs.boxes, theirs.scores, strict=True):
            if score < 0.5:
                continue
            total += 1
            low = np.maximum(ours.boxes[:, :2], box[:2])
            high = np.minimum(ours.boxes[:, 2:], box[2:])
            shared = np.prod(np.clip(high - low, 0, None), axis=1)
            areas = np.prod(ours.boxes[:, 2:] - ours.boxes[:, :2], axis=1)
            union = areas + np.prod(box[2:] - box[:2]) - shared
            matched += bool(np.any(shared / union >= iou))
    capture.release()
    if total == 0 or matched < share * total:
        raise SystemExit(f"{matched} of {total} baseline boxes have a partner at IoU >= {iou}")
    return matched / total


class Chunks:
    """Frames per second of a stream of results, a chunk of frames at a time, for ever."""

    def __init__(self, start):
        self._start = start
        self._results = start()

    def measure(self, count):
        begin = time.perf_counter()
        taken = sum(1 for _ in itertools.islice(self._results, count))
        elapsed = time.perf_counter() - begin
        if taken < count:  # the video ended: this chunk also paid for reopening, leave it out
            self._results = self._start()
            return None
        return taken / elapsed


def measure(streams, rounds, frames):
    """Median frames per second of each stream, chunks in turns."""
    speeds = [[] for _ in streams]
    for stream in streams:
        stream.measure(frames)  # warm-up
    while min(map(len, speeds)) < rounds:
        for found, stream in zip(speeds, streams, strict=True):
            speed = stream.measure(frames)
            if speed is not None:
                found.append(speed)
    return [float(np.median(found)) for found in speeds]


def stage_milliseconds(stats):
    """Milliseconds per frame of each stage, whatever number of times a frame it runs."""
    stages = stats["stages"]
    frames = stages["preprocess"]["count"]
    return {name: row["count"] * row["mean"] / frames for name, row in stages.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--pose")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--frames", type=int, default=10, help="frames a round")
    add_report_option(parser)
    args = parser.parse_args()

    baseline = BaselinePipeline(args.detector, args.pose)
    with edgert.Pipeline(args.detector, pose=args.pose, tracker=None, device="cpu") as pipe:
        agreement = check_equal(pipe, baseline, args.video)
        ours, theirs = measure(
            [
                Chunks(lambda: pipe.run(args.video)),
                Chunks(lambda: baseline_results(baseline, args.video)),
            ],
            args.rounds,
            args.frames,
        )
        stages = stage_milliseconds(pipe.stats())
    total = sum(stages.values())
    share = sum(ms for name, ms in stages.items() if name not in NETWORKS) / total
    figures = {
        "fps": ours,
        "python_fps": theirs,
        "ratio": ours / theirs,
        "boxes_matched": agreement,
        "stage_ms_per_frame": stages,
        "share_outside_networks": share,
    }
    if args.json_report != "-":
        print("| | edgert | pure Python | ratio |\n|---|---:|---:|---:|")
        print(f"| frames per second | {ours:.2f} | {theirs:.2f} | {ours / theirs:.2f}x |\n")
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
