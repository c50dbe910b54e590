"""Which annotated images calibrate, tune and test: disjoint, seeded, with people in each.

A seed halves the images; either half calibrates once and tests once, so two splits come from one
seed and every image is tested in one of them.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TUNE_EVERY = 3


@dataclass(frozen=True)
class Split:
    """Image ids, ascending; `tune` is a part of `calibration`, `test` shares none with it."""

    name: str
    calibration: tuple[int, ...]
    tune: tuple[int, ...]
    test: tuple[int, ...]


def people_per_image(keypoints_json):
    """Annotated people that keypoint AP counts, per image id; 0 where there are none."""
    data = json.loads(Path(keypoints_json).read_text(encoding="utf-8"))
    counts = Counter({image["id"]: 0 for image in data["images"]})
    for row in data["annotations"]:
        if not row.get("iscrowd", 0) and row.get("num_keypoints", 0) > 0:
            counts[row["image_id"]] += 1
    return counts


def splits(keypoints_json, count):
    """`count` splits; images with alike numbers of people are dealt out evenly."""
    people = people_per_image(keypoints_json)
    ordered = sorted(people, key=lambda image: (people[image], image))
    return [_split(ordered, number) for number in range(count)]


def _split(ordered, number):
    seed, turned = divmod(number, 2)
    rng = np.random.default_rng(seed)
    halves = ([], [])
    for start in range(0, len(ordered), 2):
        pair = rng.permutation(ordered[start : start + 2]).tolist()
        for half, image in zip(halves, pair, strict=False):
            half.append(image)
    calibration, test = halves[::-1] if turned else halves
    # The half is in the order of its people, so that every third image has its share of them.
    tune = calibration[TUNE_EVERY - 1 :: TUNE_EVERY]
    name = f"seed {seed}, {'second' if turned else 'first'} half"
    return Split(name, *(tuple(sorted(ids)) for ids in (calibration, tune, test)))


def subset(annotations, ids, folder):
    """Path of a copy of a COCO annotation file with these images only, written into a folder."""
    source = Path(annotations)
    data = json.loads(source.read_text(encoding="utf-8"))
    wanted = set(ids)
    missing = wanted - {image["id"] for image in data["images"]}
    if missing:
        raise ValueError(f"{source} has no images {sorted(missing)}")
    data["images"] = [row for row in data["images"] if row["id"] in wanted]
    data["annotations"] = [row for row in data["annotations"] if row["image_id"] in wanted]
    path = Path(folder) / source.name
    path.write_text(json.dumps(data), encoding="utf-8")
    return path
