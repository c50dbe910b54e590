"""The pipeline on a GPU: equal to the CPU's, beside its networks alone, over lanes and people.

    python benchmarks/bench_gpu.py VIDEO --detector yolov8n.onnx --pose pose.onnx --results DIR

Needs onnxruntime-gpu. Networks run in FP32 and, converted by edgert, in FP16. The frames are in
host memory and decoded before anything is timed. "Networks alone" is the detector's and the pose
network's work, recorded and replayed back to back, in the same run.
"""

import argparse
import gc
import json
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import edgert
from edgert import _core
from edgert.devices import context, device_array
from edgert.legs import detector_leg, pose_leg
from edgert.models import DetectorModel, PoseModel, binding
from edgert.quant import write_half

from timing import describe, environment
from videos import read_frames

PEOPLE = (1, 4, 16)
MODES = ((1, True), (2, True), (4, True), (1, False), (2, False))  # lanes, graphs


def preload():
    """PyTorch's CUDA and cuDNN, where ONNX Runtime finds none of its own."""
    try:
        import torch

        torch.cuda.init()
    except ImportError:
        pass


def compare(results, wanted, pixels=1.0, score=0.02):
    """Share of the CPU's people who are found alike, and of the frames with the same ids."""
    people = alike = same_ids = joints = joints_alike = 0
    worst = []
    for one, other in zip(results, wanted, strict=True):
        same_ids += one.ids.tolist() == other.ids.tolist()
        where = {int(i): n for n, i in enumerate(one.ids)}
        for n, identity in enumerate(other.ids):
            people += 1
            m = where.get(int(identity))
            if m is None:
                continue
            shift = np.abs(one.boxes[m] - other.boxes[n]).max()
            moved = np.linalg.norm(one.keypoints[m] - other.keypoints[n], axis=1)
            # A joint that is not seen has its heatmap's highest cell anywhere.
            seen = other.keypoint_scores[n] >= 0.2
            drift = max(
                abs(one.scores[m] - other.scores[n]),
                np.abs(one.keypoint_scores[m] - other.keypoint_scores[n]).max(),
            )
            far = moved[seen].max(initial=0.0)
            worst.append(max(shift, far))
            joints += int(seen.sum())
            joints_alike += int((moved[seen] <= pixels).sum())
            alike += bool(shift <= pixels and far <= pixels and drift <= score)
    return {
        "frames": len(wanted),
        "people": people,
        "alike": alike / people,
        "frames_with_same_ids": same_ids / len(wanted),
        "median_px": float(np.median(worst)),
        "p99_px": float(np.percentile(worst, 99)),
        "joints": joints,
        "joints_alike": joints_alike / joints,
    }


def make(
    models,
    *,
    device="cuda:0",
    precisions=("auto", "auto"),
    lanes=2,
    graphs=True,
    people=None,
    refine=None,
    **options,
):
    """A pipeline; with `people`, of at most that many, the best, in every frame.

    Its pose network then runs in that batch alone: ONNX Runtime takes seconds for each size.
    """
    every = binding.batches
    detector = edgert.Engine(models[0], device=device, precision=precisions[0])
    pose = edgert.Engine(
        models[1], device=device, precision=precisions[1], refine=refine, max_batch=people or 8
    )
    if people is not None:
        options = {"tracker": None, "score_threshold": 0.05, "max_detections": people, **options}
        binding.batches = lambda most: [most]
    try:
        return edgert.Pipeline(
            detector, pose=pose, device=device, lanes=lanes, graphs=graphs, **options
        )
    finally:
        binding.batches = every


def crowd(frames):
    """Four scenes in one frame of the same size: enough people for 16 in each."""
    made = []
    for i in range(len(frames)):
        small = [frames[(i + 17 * k) % len(frames)][::2, ::2] for k in range(4)]
        made.append(np.ascontiguousarray(np.vstack([np.hstack(small[:2]), np.hstack(small[2:])])))
    return made


def frames_per_second(pipe, frames, seconds=1.0):
    """Over whole passes of `frames`, after one that warms up."""
    for _ in pipe.run(frames[:50]):
        pass
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in pipe.run(frames):
            count += 1
    return count / (time.perf_counter() - start)


def alone(models, people, runs=300):
    """Milliseconds of the detector and of the pose network for so many people, replayed."""
    gpu = context(0)
    detector = DetectorModel(edgert.Engine(models[0], device="cuda:0"))
    pose = PoseModel(edgert.Engine(models[1], device="cuda:0", max_batch=people))
    one, recorded = _core.measure_network(gpu, detector_leg(detector, None, 0.1, 0.7, 300), 1, runs)
    two, also = _core.measure_network(gpu, pose_leg(pose), people, runs)
    return {"detector_ms": one, "pose_ms": two, "recorded": recorded and also}


def on_device(frames):
    gpu = context(0)
    made = []
    for frame in frames:
        array = gpu.empty(frame.shape, frame.dtype)
        gpu.copy_from(array, np.ascontiguousarray(frame))
        made.append(device_array(array, gpu))
    return made


def latency(pipe, frames, count=300):
    """One frame at a time: median wall and CPU microseconds, and the stages' medians."""
    for frame in frames[:30]:
        pipe(frame)
    pipe.reset()
    walls, cpu = [], time.process_time()
    for i in range(count):
        start = time.perf_counter()
        pipe(frames[i % len(frames)])
        walls.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu) / count
    stages = {name: row["p50"] for name, row in pipe.stats()["stages"].items()}
    return {"wall_us": 1e6 * float(np.median(walls)), "cpu_us": 1e6 * cpu, "stages_ms": stages}


def equality(models, frames, wanted, precisions, refine):
    with make(models, precisions=precisions, refine=refine) as pipe:
        return compare(list(pipe.run(frames)), wanted) | {"repr": repr(pipe)}


def in_turns(models, frames):
    """Every frame as it is, then with one of its people alone on black."""
    made = []
    with edgert.Pipeline(models[0], device="cuda:0", tracker=None) as pipe:
        for frame, result in zip(frames, pipe.run(frames), strict=True):
            x1, y1, x2, y2 = result.boxes[0].astype(int)
            lone = np.zeros_like(frame)
            box = np.s_[max(y1 - 10, 0) : y2 + 10, max(x1 - 10, 0) : x2 + 10]
            lone[box] = frame[box]
            made += [frame, lone]
    return made


def soak(models, frames, replays):
    """Memory before and after so many frames; device memory in use and resident host memory."""

    def memory():
        gc.collect()
        free, total = context(0).memory
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        resident = next(row for row in status.splitlines() if row.startswith("VmRSS"))
        return {"device_bytes": total - free, "host_bytes": int(resident.split()[1]) << 10}

    # One person and two in turns: from frame to frame the graphs of another size of batch.
    frames = in_turns(models, frames)
    pose = edgert.Engine(models[1], device="cuda:0", max_batch=2)
    options = {"tracker": None, "max_detections": 2}
    with edgert.Pipeline(models[0], pose=pose, device="cuda:0", lanes=4, **options) as pipe:
        people = Counter(len(result) for result in pipe.run(frames))
        done = sum(1 for _ in pipe.run(frames * 4))
        first, start = memory(), time.perf_counter()
        rows = [first]
        while done < replays:
            done += sum(1 for _ in pipe.run(frames * 20))
            rows.append(memory())
        return {
            "frames": done,
            "seconds": time.perf_counter() - start,
            "first": 5 * len(frames),
            "people": {str(count): people[count] for count in sorted(people)},
            "before": first,
            "after": rows[-1],
            "most": {key: max(row[key] for row in rows) for key in first},
        }


def device_name():
    try:
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return context(0).name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--pose", required=True)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--soak", type=int, default=100_000, help="frames; 0: none")
    parser.add_argument("--parts", default="equal,speed,overhead,soak")
    parser.add_argument("--precisions", default="fp32,fp16", help="of speed; soak: the first")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    parts = args.parts.split(",")
    args.results.mkdir(parents=True, exist_ok=True)
    preload()

    figures = {"device": device_name(), "environment": environment()}
    frames = read_frames(args.video, args.frames)
    scenes = {people: frames if people < 16 else crowd(frames) for people in PEOPLE}

    def save():
        text = json.dumps(figures, indent=2) + "\n"
        (args.results / "gpu.json").write_text(text, encoding="utf-8")

    with tempfile.TemporaryDirectory() as folder:
        half = [Path(folder) / f"{Path(p).stem}.fp16.onnx" for p in (args.detector, args.pose)]
        for path, to in zip((args.detector, args.pose), half, strict=True):
            write_half(path, to)
        networks = {
            "fp32": (args.detector, args.pose),
            "fp16": tuple(half),
            "mixed": (args.detector, half[1]),
        }
        if "equal" in parts:
            wanted = {}
            auto, exact, mixed = ("auto", "auto"), ("fp32", "fp32"), ("fp32", "auto")
            # The same files on both, then what TF32 and FP16 themselves change; with the step to
            # the higher neighbour, which a last bit turns round, and with DARK's.
            for text, name, precisions, other, refine in (
                ("FP32", "fp32", exact, "fp32", "quarter"),
                ("FP32 with TF32 products", "fp32", auto, "fp32", "quarter"),
                ("FP16", "fp16", auto, "fp16", "quarter"),
                ("FP16", "fp16", auto, "fp32", "quarter"),
                ("FP16", "fp16", auto, "fp16", "dark"),
                ("FP16", "fp16", auto, "fp32", "dark"),
                ("detector FP32, pose network FP16", "mixed", mixed, "mixed", "quarter"),
                ("detector FP32, pose network FP16", "mixed", mixed, "mixed", "dark"),
            ):
                if (other, refine) not in wanted:
                    with make(networks[other], device="cpu", refine=refine) as pipe:
                        wanted[other, refine] = list(pipe.run(frames))
                row = equality(networks[name], frames, wanted[other, refine], precisions, refine)
                text += ", refined by DARK" if refine == "dark" else ""
                reference = "the same" if other == "mixed" else other.upper()
                figures.setdefault("equal", {})[f"{text} | {reference}"] = row
                print("equal", text, other, row, flush=True)
                save()
        for name in args.precisions.split(","):
            models = networks[name]
            if "overhead" in parts:
                row = figures.setdefault("overhead", {}).setdefault(name, {})
                row["alone"] = alone(models, 1)
                with make(models, lanes=1, people=1) as pipe:
                    row["host_frames"] = latency(pipe, frames)
                    row["device_frames"] = latency(pipe, on_device(frames[:64]))
                    row["run_fps"] = frames_per_second(pipe, frames)
                print("overhead", name, row, flush=True)
                save()
            if "speed" in parts:
                rows = figures.setdefault("speed", {}).setdefault(name, [])
                for people in PEOPLE:
                    for lanes, graphs in MODES:
                        with make(models, lanes=lanes, people=people, graphs=graphs) as pipe:
                            found = [len(r) for r in pipe.run(scenes[people][:20])]
                            fps = frames_per_second(pipe, scenes[people])
                        row = {"people": people, "lanes": lanes, "graphs": graphs, "fps": fps}
                        rows.append(row | {"found": sum(found) / len(found)})
                        print("speed", name, rows[-1], flush=True)
                        save()
        if "soak" in parts and args.soak:
            name = args.precisions.split(",")[0]
            figures["soak"] = {"networks": name, **soak(networks[name], frames, args.soak)}
            print("soak", figures["soak"], flush=True)
    save()
    print(describe(figures["environment"]), figures["device"])


if __name__ == "__main__":
    main()
