"""Draw what `edgert run` found in a video: the way of each person, and the last frame's people.

    edgert run street.mp4 --detector yolov8n.onnx --pose pose.onnx --json out.jsonl --max-frames 200
    python docs/picture.py out.jsonl 768x576 docs/images/street.png

Nothing of the video is in the picture: it is drawn from the JSON lines alone.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import edgert
from edgert.draw.palette import id_colour

SCALE = 2


def background(height, width):
    """A dark street: lighter towards the viewer."""
    shade = np.linspace(26, 44, height)[:, None, None]
    return np.broadcast_to(shade * [1.15, 1.0, 0.9], (height, width, 3)).astype(np.uint8)


def paths(lines):
    """Where each person's feet have been, in scaled pixels, by id."""
    found = {}
    for line in lines:
        for person in line["people"]:
            x1, _, x2, y2 = person["box"]
            found.setdefault(person["id"], []).append((SCALE * (x1 + x2) / 2, SCALE * y2))
    return found


def result_of(line, size):
    """A line's people as a Result, scaled."""
    people = line["people"]
    joints = np.array([p["keypoints"] for p in people], np.float32).reshape(len(people), -1, 3)
    return edgert.Result(
        SCALE * np.array([p["box"] for p in people], np.float32).reshape(-1, 4),
        np.array([p["score"] for p in people], np.float32),
        np.array([p["class"] for p in people], np.int32),
        np.array([p["id"] for p in people], np.int64),
        np.ascontiguousarray(SCALE * joints[..., :2]),
        np.ascontiguousarray(joints[..., 2]),
        line["frame"],
        line["time"],
        size,
        line["source"],
    )


def main(source, size, target):
    """See the module."""
    width, height = (SCALE * int(side) for side in size.split("x"))
    lines = [json.loads(line) for line in Path(source).read_text().splitlines()]
    canvas = Image.fromarray(background(height, width))
    draw = ImageDraw.Draw(canvas)
    for person, points in paths(lines).items():
        draw.line(points, fill=tuple(int(c * 0.6) for c in id_colour(person)), width=2 * SCALE)
    picture = result_of(lines[-1], (height, width)).draw(np.asarray(canvas))
    Image.fromarray(picture[..., ::-1]).resize((width // 2 * 3 // 2, height // 2 * 3 // 2)).save(
        target, optimize=True
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
