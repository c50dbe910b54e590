"""What bench_gpu.py measured, as Markdown.

python benchmarks/gpu_table.py benchmarks/results/gpu.json > benchmarks/results/gpu.md
"""

import json
import sys
from pathlib import Path


def equal(figures):
    yield (
        "| networks in | on the CPU | frames | people with box and all joints within 1 px and "
        "0.02 of score | joints within | same ids |"
    )
    yield "|---|---|---:|---:|---:|---:|"
    for name, row in figures.items():
        yield (
            f"| {name} | {row['frames']} | {100 * row['alike']:.1f} % of {row['people']} "
            f"| {100 * row['joints_alike']:.2f} % "
            f"| {100 * row['frames_with_same_ids']:.0f} % of frames |"
        )


def overhead(figures):
    yield "| | networks alone, ms | a frame in `run`, ms | ratio | one call, ms | host, us |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, row in figures.items():
        alone = row["alone"]["detector_ms"] + row["alone"]["pose_ms"]
        frame = 1e3 / row["run_fps"]
        calls = [
            f"{part['wall_us'] / 1e3:.2f} | {1e3 * part['stages_ms']['host']:.0f} |"
            for part in (row["host_frames"], row["device_frames"])
        ]
        yield (
            f"| {name}, frames on the host | {alone:.3f} | {frame:.3f} | {frame / alone:.3f} "
            f"| {calls[0]}"
        )
        yield f"| {name}, on the GPU | {alone:.3f} | | | {calls[1]}"


def stages(figures):
    names = next(iter(figures.values()))["host_frames"]["stages_ms"]
    yield "| | " + " | ".join(names) + " |"
    yield "|---|" + "---:|" * len(names)
    for name, row in figures.items():
        times = row["host_frames"]["stages_ms"]
        yield f"| {name} | " + " | ".join(f"{times[stage]:.3f}" for stage in names) + " |"


def speed(figures):
    yield "| | people | lanes | replayed, FPS | enqueued, FPS |"
    yield "|---|---:|---:|---:|---:|"
    for name, rows in figures.items():
        enqueued = {(r["people"], r["lanes"]): r["fps"] for r in rows if not r["graphs"]}
        for row in rows:
            if not row["graphs"]:
                continue
            other = enqueued.get((row["people"], row["lanes"]))
            yield (
                f"| {name} | {row['people']} | {row['lanes']} | {row['fps']:.0f} "
                f"| {'' if other is None else f'{other:.0f}'} |"
            )


def soak(figures):
    def text(memory):
        return f"{memory['device_bytes'] / 2**20:.1f} and {memory['host_bytes'] / 2**20:.1f} MiB"

    yield (
        f"{figures['frames']:,} frames over four lanes in {figures['seconds']:.0f} s, networks in "
        f"{figures['networks'].upper()}, of one person and of two in turns, so that graphs of two "
        f"sizes of batch are replayed. Device memory in use and resident host memory after the "
        f"first {figures['first']}: {text(figures['before'])}; at the end "
        f"{text(figures['after'])}; the most in between {text(figures['most'])}."
    )


PARTS = (
    ("Equal to the CPU", "equal", equal),
    ("Beside the networks alone, one lane, one person", "overhead", overhead),
    ("Stages of one call, medians in ms", "overhead", stages),
    ("Lanes, people, graphs", "speed", speed),
    ("Memory", "soak", soak),
)


def markdown(figures):
    for title, key, part in PARTS:
        if key in figures:
            yield f"## {title}\n"
            yield from part(figures[key])
            yield ""
    versions = figures["environment"]["versions"]
    yield (
        f"{figures['device']}; {figures['environment']['cores']} cores; ONNX Runtime "
        f"{versions['onnxruntime']} with CUDA; `python benchmarks/bench_gpu.py`."
    )


if __name__ == "__main__":
    print("\n".join(markdown(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
