"""Time and memory of collecting calibration statistics, against plain inference of the same images.

    python benchmarks/bench_quant_collect.py ASSETS

Both sides decode and preprocess the same files by `CalibrationData`. The plain side runs them one
by one in an `Engine`: an ONNX Runtime session with all of its optimisations, on as many threads as
the collection has. Every run is a process of its own and counts from the model's path to the last
image, the session's creation included; the two sides take turns. On a busy machine the ratio of
CPU times says more than that of times. Exit status 1 where a goal is missed.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from timing import add_report_option, describe, environment, write_report

MODELS = ("yolov8n.onnx", "pose_heatmap_384x288.onnx")
GOAL_RATIO = 1.5
GOAL_MB = 300.0


def plain(model, data, threads):
    from edgert import Engine

    engine = Engine(model, threads=threads)
    return sum(1 for item in data if engine(item.tensor))


def collect(model, data, threads):
    from edgert.quant.statistics.collect import collect

    return len(collect(model, data, threads=threads).items)


def child(args):
    """One side, measured; prints a line of JSON."""
    from edgert import set_num_threads
    from edgert.quant.images.data import CalibrationData

    warnings.simplefilter("ignore")
    set_num_threads(args.threads)
    start, start_cpu = time.perf_counter(), time.process_time()
    folder = Path(args.folder)
    annotations = folder / "people.json" if "pose" in args.model else None
    data = CalibrationData(args.model, folder, annotations=annotations)
    items = {"plain": plain, "collect": collect}[args.side](args.model, data, args.threads)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    found = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak_mb}
    print(json.dumps({"items": items, **found}))


def prepare(folder, coco, model, count):
    """Files that are different images of `count` network inputs in all, with their people."""
    truth = json.loads((coco / "person_keypoints_train2017.json").read_text(encoding="utf-8"))
    people = {}
    for row in truth["annotations"]:
        if row["num_keypoints"] and not row["iscrowd"]:
            people.setdefault(row["image_id"], []).append(row)
    wanted = [i for i in truth["images"] if i["id"] in people or "pose" not in model]
    images, annotations = [], []
    inputs = 0
    for turn, image in enumerate(itertools.cycle(wanted)):
        rows = people.get(image["id"], [])[: count - inputs]
        content = (coco / "images" / image["file_name"]).read_bytes()
        name = f"{turn:05}.jpg"
        # What follows a JPEG's end is read by nobody, but makes another file of it.
        (folder / name).write_bytes(content + turn.to_bytes(4, "big"))
        images.append({**image, "id": turn, "file_name": name})
        annotations += [{**row, "image_id": turn} for row in rows]
        inputs += len(rows) if "pose" in model else 1
        if inputs >= count:
            break
    text = {"images": images, "annotations": annotations, "categories": truth["categories"]}
    (folder / "people.json").write_text(json.dumps(text), encoding="utf-8")


def run(side, model, folder, threads):
    command = [sys.executable, __file__, "--side", side, "--model", str(model)]
    command += ["--folder", str(folder), "--threads", str(threads)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        sys.exit(found.stderr)
    return json.loads(found.stdout)


def measure(model, coco, count, threads, turns):
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), coco, model.name, count)
        found = [
            [run(s, model, folder, threads) for s in ("plain", "collect")] for _ in range(turns)
        ]
    assert all(side["items"] == count for pair in found for side in pair), found
    ratios = [other["seconds"] / one["seconds"] for one, other in found]
    return {
        "model": model.stem,
        "images": count,
        "plain_ms": 1e3 * float(np.median([one["seconds"] for one, _ in found])) / count,
        "collect_ms": 1e3 * float(np.median([other["seconds"] for _, other in found])) / count,
        "cpu_ratio": float(np.median([b["cpu_seconds"] / a["cpu_seconds"] for a, b in found])),
        "ratio": float(np.median(ratios)),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "plain_mb": max(one["peak_mb"] for one, _ in found),
        "collect_mb": max(other["peak_mb"] for _, other in found),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assets", nargs="?")
    parser.add_argument("--images", type=int, nargs="*", default=[16, 1000])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--turns", type=int, default=7, help="of 16 images; longer runs: 3")
    for name in ("side", "model", "folder"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    add_report_option(parser)
    args = parser.parse_args()
    if args.side:
        child(args)
        return 0
    if not args.assets:
        parser.error("ASSETS is missing: the folder with models/ and coco/")
    assets = Path(args.assets)
    rows = [
        measure(
            assets / "models" / name,
            assets / "coco",
            count,
            args.threads,
            args.turns if count <= 100 else min(3, args.turns),
        )
        for name in MODELS
        for count in args.images
    ]
    if args.json_report != "-":
        print(
            "| model | inputs | plain, ms each | collect, ms each | ratio (range) | of CPU time "
            "| plain, MB | collect, MB | more, MB |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|"
        )
        for row in rows:
            more_mb = row["collect_mb"] - row["plain_mb"]
            print(
                f"| {row['model']} | {row['images']} | {row['plain_ms']:.1f} "
                f"| {row['collect_ms']:.1f} "
                f"| {row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f}) "
                f"| {row['cpu_ratio']:.2f} | {row['plain_mb']:.0f} | {row['collect_mb']:.0f} "
                f"| {more_mb:.0f} |"
            )
        print(
            f"\nGoals: ratio at most {GOAL_RATIO:g}, at most {GOAL_MB:g} MB more. "
            f"{args.threads} threads on both sides. {describe(environment())}."
        )
    write_report(args.json_report, rows)
    met = all(
        row["ratio"] <= GOAL_RATIO and row["collect_mb"] - row["plain_mb"] <= GOAL_MB
        for row in rows
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
