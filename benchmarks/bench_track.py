"""Time of one tracker update against the other ByteTracks that are installed, scaling, and memory.

    python benchmarks/bench_track.py [--budget SECONDS] [--json-report PATH]

Needs the tracking sequences beside the repository (EDGERT_ASSETS). Peers, where wanted:
pip install "supervision==0.26.*" trackers ioutrack-rs visiontrack-cpp edgefirst-tracker
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import track_peers
from edgert._core import ByteTrack

ASSETS = Path(os.environ.get("EDGERT_ASSETS", Path(__file__).parents[2] / "shared" / "assets"))
SEQUENCES = ["palace", *(f"syn_{n}" for n in (10, 50, 100, 200, 500, 1000))]
WARM_UP = 5  # frames in which every tracker may still be confirming


def load(name):
    """The frames of a sequence: boxes (N, 4) and scores (N,), float64."""
    if name == "palace":
        path = ASSETS / "tracking" / "palace_yolox" / "detection_results.json"
        rows = json.loads(path.read_text())["results"]
        columns = ("frame_id", "x", "y", "width", "height", "prob")
        table = np.array([[float(row[column]) for column in columns] for row in rows])
        frame, boxes, scores = table[:, 0].astype(int), table[:, 1:5].copy(), table[:, 5]
        boxes[:, 2:] += boxes[:, :2]
        count = frame.max() + 1
    else:
        with np.load(ASSETS / "tracking" / f"{name}.det.npz") as file:
            frame, boxes, scores = file["frame"] - 1, file["xyxy_e4"] / 1e4, file["score"]
            count = int(file["nframes"])
    return [
        (np.ascontiguousarray(boxes[frame == i]), np.ascontiguousarray(scores[frame == i]))
        for i in range(count)
    ]


def check_golden(name, frames):
    """edgert's ids on this sequence must be the reference's: a fast wrong answer is none."""
    path = ASSETS / "tracking" / f"{name}.demo.trk.npz"
    if not path.exists():
        return
    tracker = ByteTrack()
    with np.load(path) as file:
        frame, ids = file["frame"], file["track_id"]
    for i, (boxes, scores) in enumerate(frames):
        if tracker.update(boxes, scores).ids.tolist() != ids[frame == i + 1].tolist():
            raise SystemExit(f"{name}: ids differ from the reference's in frame {i + 1}")


def measure(peer, frames, budget_s):
    """Per-frame minima over passes until the budget is used; and people tracked per frame."""
    prepared = [peer.prepare(*frame) for frame in frames]
    best = np.full(len(frames), np.inf)
    end, passes = time.perf_counter() + budget_s, 0
    while passes == 0 or (time.perf_counter() < end and passes < 50):
        step, counts = peer.make(), []
        for i, frame in enumerate(prepared):
            start = time.perf_counter()
            output = step(frame)
            best[i] = min(best[i], time.perf_counter() - start)
            counts.append(peer.count(output))
        passes += 1
    return {
        "median_us": float(np.median(best)) * 1e6,
        "p99_us": float(np.percentile(best, 99)) * 1e6,
        "tracked": float(np.mean(counts[WARM_UP:])),
        "passes": passes,
    }


def compare(budget_s):
    """Rows of measurements, one a peer and sequence."""
    peers, missing = track_peers.installed()
    for reason in missing:
        print(f"not installed: {reason}", file=sys.stderr)
    rows = []
    for name in SEQUENCES:
        frames = load(name)
        check_golden(name, frames)
        ours = None
        for peer in peers:
            row = {"sequence": name, "peer": peer.title, "native": peer.native}
            row |= measure(peer, frames, budget_s)
            ours = ours or row
            row["times_edgert"] = row["median_us"] / ours["median_us"]
            # Others follow other rules: within a tenth of the people is doing the same work.
            row["plausible"] = abs(row["tracked"] - ours["tracked"]) <= 0.1 * ours["tracked"]
            rows.append(row)
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def crowd(people, frames, seed=0):
    """A walking crowd at the density of 100 people in 1920x1080."""
    rng = np.random.default_rng(seed)
    size = np.sqrt(people / 100) * np.array([1920.0, 1080.0])
    position, speed = rng.uniform(0, size, (people, 2)), rng.normal(0, 2, (people, 2))
    shape = np.stack([rng.uniform(40, 75, people), rng.uniform(100, 180, people)], 1)
    for _ in range(frames):
        position = (position + speed) % size
        corner = position + rng.normal(0, 1, position.shape)
        seen = rng.random(people) > 0.05
        scores = np.where(rng.random(people) < 0.15, 0.3, 0.85) + rng.uniform(0, 0.1, people)
        yield np.hstack([corner, corner + shape])[seen], scores[seen]


def scaling(budget_s):
    """Time of an update and per person while the scene grows with the crowd."""
    rows = []
    for people in (10, 30, 100, 300, 1000, 3000, 10000):
        frames = list(crowd(people, 60))
        row = measure(track_peers.edgert(), frames, budget_s)
        row |= {"people": people, "ns_per_person": row["median_us"] * 1e3 / people}
        rows.append(row)
    return rows


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory(kind):
    """Runs in a process of its own, so that nothing else is counted."""
    if kind == "updates":
        tracker, frames = ByteTrack(), list(crowd(20, 2000))
        for frame in frames:
            tracker.update(*frame)
        before = resident_bytes()
        for _ in range(500):
            for frame in frames:
                tracker.update(*frame)
        return {"updates": 500 * len(frames), "grown_bytes": resident_bytes() - before}
    trackers = 200
    corner = np.stack(np.meshgrid(np.arange(40) * 100.0, np.arange(25) * 200.0), -1).reshape(-1, 2)
    boxes, scores = np.hstack([corner, corner + np.array([60, 150])]), np.full(1000, 0.9)
    kept, before = [], resident_bytes()
    for _ in range(trackers):
        kept.append(ByteTrack())
        for _ in range(3):
            kept[-1].update(boxes, scores)
        if kind == "lost":
            kept[-1].update([], [])
    return {"tracks": 1000, "bytes": (resident_bytes() - before) // trackers}


def print_tables(report):
    sequences = [name for name in SEQUENCES if any(r["sequence"] == name for r in report["peers"])]
    print("Median / p99 of per-frame minima, microseconds an update, call from Python included.\n")
    print("| tracker | " + " | ".join(sequences) + " |")
    print("|---" * (len(sequences) + 1) + "|")
    for peer in dict.fromkeys(row["peer"] for row in report["peers"]):
        cells = []
        for row in (r for r in report["peers"] if r["peer"] == peer):
            flag = "" if row["plausible"] else " (!)"
            cells.append(f"{row['median_us']:,.1f} / {row['p99_us']:,.1f}{flag}")
        print(f"| {peer} | " + " | ".join(cells) + " |")
    print("\n| people, same density | median us | p99 us | ns a person |\n|---|---|---|---|")
    for row in report["scaling"]:
        print(
            f"| {row['people']:,} | {row['median_us']:,.1f} | {row['p99_us']:,.1f} "
            f"| {row['ns_per_person']:.0f} |"
        )
    live, lost, flat = (report["memory"][kind] for kind in ("live", "lost", "updates"))
    print("\n| memory | KiB |\n|---|---|")
    print(f"| tracker with 1,000 live tracks | {live['bytes'] / 1024:,.0f} |")
    print(f"| tracker with 1,000 lost tracks | {lost['bytes'] / 1024:,.0f} |")
    print(f"| growth over {flat['updates']:,} updates | {flat['grown_bytes'] / 1024:,.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=3.0, help="seconds a tracker and sequence")
    parser.add_argument("--json-report", metavar="PATH", help="- for standard output")
    parser.add_argument("--memory", choices=["live", "lost", "updates"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(memory(options.memory)))
        return
    warnings.simplefilter("ignore")  # of the peers
    report = {"peers": compare(options.budget), "scaling": scaling(options.budget), "memory": {}}
    for kind in ("live", "lost", "updates"):
        command = [sys.executable, __file__, "--memory", kind]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        report["memory"][kind] = json.loads(done.stdout)
    if options.json_report == "-":
        print(json.dumps(report))
        return
    print_tables(report)
    if options.json_report:
        Path(options.json_report).write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
