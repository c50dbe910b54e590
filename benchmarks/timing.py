"""Fair comparisons on noisy machines: calls in turns, medians, and where and when they ran."""

import datetime
import importlib.metadata
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import edgert


@dataclass(frozen=True)
class Comparison:
    """Median times of two programs for one job, and how often the first is faster.

    `ratio` is the median of the ratios of neighbouring calls, in which slow phases of the machine
    cancel; `ratio_low` and `ratio_high` are their quartiles.
    """

    name: str
    edgert_ms: float
    baseline_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    goal: float | None = None


# "cpu" is the time of all threads of this process: what "wall" is on an idle machine, for programs
# of one thread, and still that on a busy one.
CLOCKS = {"wall": time.perf_counter_ns, "cpu": time.process_time_ns}


def interleaved(name, edgert, baseline, *, goal=None, seconds=3.0, clock="wall", warmup=5):
    """Time two callables in turns for about `seconds`, at least 15 turns."""
    now = CLOCKS[clock]
    for _ in range(warmup):
        edgert()
        baseline()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 15:
        start = now()
        edgert()
        middle = now()
        baseline()
        times.append((middle - start, now() - middle))
    one, other = np.array(times, dtype=np.float64).T / 1e6
    low, ratio, high = np.percentile(other / one, [25, 50, 75])
    return Comparison(
        name,
        float(np.median(one)),
        float(np.median(other)),
        float(ratio),
        float(low),
        float(high),
        goal,
    )


def markdown(rows):
    """Comparisons as a markdown table."""
    lines = [
        "| stage | edgert, ms | pure Python, ms | faster by (quartiles) | goal |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal:g}x"
        lines.append(
            f"| {row.name} | {row.edgert_ms:.3f} | {row.baseline_ms:.3f} "
            f"| {row.ratio:.1f}x ({row.ratio_low:.1f} to {row.ratio_high:.1f}) | {goal} |"
        )
    return "\n".join(lines)


def _cpu():
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def environment():
    """Machine, versions and date that figures belong to."""
    packages = ("numpy", "opencv-python-headless", "onnxruntime")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {
            "edgert": edgert.__version__,
            **{package: _version(package) for package in packages},
        },
    }


def describe(where):
    """The environment in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    return f"{where['cpu']}, {where['cores']} cores; Python {where['python']}, {versions}"


def add_report_option(parser):
    parser.add_argument("--json-report", metavar="PATH", help="write JSON; - for standard output")


def write_report(path, figures):
    """The figures with their environment, as JSON, to a path, standard output (-) or nowhere."""
    if path is None:
        return
    rows = [asdict(f) for f in figures] if isinstance(figures, list) else figures
    text = json.dumps({"environment": environment(), "figures": rows}, indent=2) + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        Path(path).write_text(text, encoding="utf-8")
