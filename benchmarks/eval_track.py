"""HOTA, MOTA and IDF1 (trackeval) of edgert, of ByteTrack in plain Python, and of supervision.

    pip install trackeval lap "supervision==0.26.*"; python benchmarks/eval_track.py

The scene is made here, with seeds: people walk behind one another, and whoever is hidden is
detected with a low score or not at all. It says whether two trackers do the same, not how good
either is on film.
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
import trackeval

from edgert._core import ByteTrack
from edgert.baseline.track import Tracker, iou_matrix


def scene(people, frames, seed, size=(1920, 1080)):
    """Yields true ids, true boxes, detected boxes and scores of each frame."""
    rng = np.random.default_rng(seed)
    feet = rng.uniform((0, 300), size, (people, 2))
    speed = rng.normal(0, 3, (people, 2)) * (1, 0.3)
    for _ in range(frames):
        speed += rng.normal(0, 0.15, speed.shape)
        feet += speed
        outside = (feet < (0, 300)) | (feet > size)
        speed[outside] *= -1
        height = 60 + 0.2 * feet[:, 1]  # nearer is lower in the picture, and larger
        width = 0.4 * height
        boxes = np.stack(
            [feet[:, 0] - width / 2, feet[:, 1] - height, feet[:, 0] + width / 2, feet[:, 1]], 1
        )
        overlap = iou_matrix(boxes, boxes)
        hidden = np.where(feet[:, None, 1] < feet[None, :, 1], overlap, 0).max(axis=1)
        scores = np.clip(0.92 - 1.1 * hidden + rng.normal(0, 0.05, people), 0.01, 0.99)
        seen = rng.random(people) > 0.03 + 0.5 * hidden
        noise = rng.normal(0, 0.02, boxes.shape) * height[:, None]
        false = rng.poisson(0.5)
        corner = rng.uniform((0, 200), (1800, 900), (false, 2))
        yield (
            np.arange(people),
            boxes,
            np.vstack([(boxes + noise)[seen], np.hstack([corner, corner + np.array([60, 150])])]),
            np.concatenate([scores[seen], rng.uniform(0.1, 0.65, false)]),
        )


def edgert():
    tracker = ByteTrack()

    def step(boxes, scores):
        tracks = tracker.update(boxes, scores)
        return tracks.ids, tracks.boxes

    return step


def plain():
    tracker = Tracker()

    def step(boxes, scores):
        rows = np.reshape(tracker.update(boxes, scores), (-1, 6))
        return rows[:, 0].astype(int), rows[:, 1:5]

    return step


def supervision():
    import supervision as sv

    tracker = sv.ByteTrack(track_activation_threshold=0.5)

    def step(boxes, scores):
        classes = np.zeros(len(scores), int)
        out = tracker.update_with_detections(sv.Detections(boxes, None, scores, classes))
        return out.tracker_id, out.xyxy

    return step


def score(step, frames):
    """Metrics in percent, and the number of id switches."""
    known = {}
    true_ids, found_ids, similarity = [], [], []
    for ids, boxes, detected, scores in frames:
        found, where = step(detected, scores)
        true_ids.append(ids)
        found_ids.append(np.array([known.setdefault(int(i), len(known)) for i in found], int))
        similarity.append(iou_matrix(boxes, where))
    data = {
        "num_timesteps": len(frames),
        "num_gt_ids": len(frames[0][0]),
        "num_tracker_ids": len(known),
        "num_gt_dets": sum(map(len, true_ids)),
        "num_tracker_dets": sum(map(len, found_ids)),
        "gt_ids": true_ids,
        "tracker_ids": found_ids,
        "similarity_scores": similarity,
    }
    quiet = {"PRINT_CONFIG": False}
    clear = trackeval.metrics.CLEAR(quiet).eval_sequence(data)
    return {
        "HOTA": 100 * float(np.mean(trackeval.metrics.HOTA().eval_sequence(data)["HOTA"])),
        "MOTA": 100 * float(clear["MOTA"]),
        "IDF1": 100 * float(trackeval.metrics.Identity(quiet).eval_sequence(data)["IDF1"]),
        "switches": int(clear["IDSW"]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json-report", metavar="PATH")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the other packages
    report = []
    print("| people | tracker | HOTA | MOTA | IDF1 | id switches |\n|---|---|---|---|---|---|")
    for people in (20, 60):
        frames = list(scene(people, 600, seed=people))
        for name, make in (
            ("plain Python", plain),
            ("edgert", edgert),
            ("supervision 0.26", supervision),
        ):
            row = {"people": people, "tracker": name, **score(make(), frames)}
            report.append(row)
            print(
                f"| {people} | {name} | {row['HOTA']:.2f} | {row['MOTA']:.2f} | {row['IDF1']:.2f} "
                f"| {row['switches']} |"
            )
    if options.json_report:
        Path(options.json_report).write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
