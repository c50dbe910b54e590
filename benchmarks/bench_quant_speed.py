"""How fast INT8 is on this CPU beside FP32, in ONNX Runtime, and which operators are why.

    python benchmarks/bench_quant_speed.py MODEL.onnx INT8.onnx [MORE.onnx ...] --threads 1 2

The rows are named after the files.
Every file takes turns with the float model in one process. Times by operator are from a profile of
its own, so that profiling is not in the ratio.
"""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime as ort

from timing import add_report_option, describe, environment, interleaved, write_report

PROFILED_RUNS = 10
GROUPS = {
    "convolutions, INT8": ("QLinearConv", "ConvInteger"),
    "convolutions, float": ("Conv", "FusedConv", "NchwcConv"),
    "conversions": ("QuantizeLinear", "DequantizeLinear"),
    "layout": ("ReorderInput", "ReorderOutput", "Transpose"),
}


def session(path, threads, profile=None):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feed_for(model, size):
    """A fixed random image: which values are in it does not change how long it takes."""
    (given,) = model.get_inputs()
    fixed = zip(given.shape, (1, 3, *size), strict=True)
    shape = [found if isinstance(found, int) else wanted for found, wanted in fixed]
    return {given.name: np.random.default_rng(0).random(shape, dtype=np.float32)}


def operators(path, feed, threads):
    """Milliseconds and number of nodes per run, by operator as ONNX Runtime executes it."""
    with tempfile.TemporaryDirectory() as folder:
        model = session(path, threads, Path(folder) / "profile")
        for _ in range(PROFILED_RUNS + 1):
            model.run(None, feed)
        events = json.loads(Path(model.end_profiling()).read_text(encoding="utf-8"))
    kernels = [e for e in events if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
    first = len(kernels) // (PROFILED_RUNS + 1)  # the first run warms up
    time_ms, count = Counter(), Counter()
    for event in kernels[first:]:
        name = _operator(event)
        time_ms[name] += event["dur"] / 1e3 / PROFILED_RUNS
        count[name] += 1
    return {name: (time_ms[name], count[name] // PROFILED_RUNS) for name in time_ms}


def _operator(event):
    name, kernel = event["args"]["op_name"], event["name"]
    return "NchwcConv" if name == "Conv" and "nchwc" in kernel.lower() else name


def grouped(by_operator):
    """By group of operators; the rest by name, the slowest three."""
    rows, left = {}, dict(by_operator)
    for group, names in GROUPS.items():
        found = [left.pop(name) for name in names if name in left]
        rows[group] = (sum(ms for ms, _ in found), sum(number for _, number in found))
    others = sorted(left.items(), key=lambda item: item[1][0], reverse=True)
    rows["other"] = (sum(ms for _, (ms, _) in others), sum(number for _, (_, number) in others))
    slowest = ", ".join(f"{name} {ms:.1f} ms" for name, (ms, _) in others[:3])
    return rows, slowest


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the float model")
    parser.add_argument("quantized", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--size", type=int, nargs=2, default=(640, 640), help="where it is open")
    parser.add_argument("--seconds", type=float, default=5.0, help="per comparison")
    add_report_option(parser)
    args = parser.parse_args()
    speeds, profiles = [], []
    for threads in args.threads:
        plain = session(args.model, threads)
        feed = feed_for(plain, args.size)
        for path in args.quantized:
            other = session(path, threads)
            speeds.append(
                interleaved(
                    f"{path.stem}, {threads} thread{'s' * (threads > 1)}",
                    lambda model=other, feed=feed: model.run(None, feed),
                    lambda model=plain, feed=feed: model.run(None, feed),
                    seconds=args.seconds,
                )
            )
    for path in (args.model, *args.quantized):
        rows, slowest = grouped(operators(path, feed, args.threads[-1]))
        profiles.append({"file": path.stem, "groups": rows, "slowest others": slowest})
    if args.json_report != "-":
        print("| file | INT8, ms | FP32, ms | faster by (quartiles) |\n|---|---:|---:|---:|")
        for row in speeds:
            print(
                f"| {row.name} | {row.edgert_ms:.1f} | {row.baseline_ms:.1f} | {row.ratio:.2f}x "
                f"({row.ratio_low:.2f} to {row.ratio_high:.2f}) |"
            )
        groups = [*GROUPS, "other"]
        print(
            f"\nms a run (nodes), {args.threads[-1]} threads\n\n| file | {' | '.join(groups)} | |"
        )
        print("|---|" + "---:|" * len(groups) + "---|")
        for row in profiles:
            cells = " | ".join(f"{ms:.1f} ({number})" for ms, number in row["groups"].values())
            print(f"| {row['file']} | {cells} | {row['slowest others']} |")
        print(f"\n{describe(environment())}.")
    write_report(args.json_report, {"speeds": [vars(s) for s in speeds], "profiles": profiles})


if __name__ == "__main__":
    main()
