"""Box AP and keypoint AP on annotated images, for a pipeline or anything that acts like one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgert.errors import Error
from edgert.evaluation.dataset import Dataset
from edgert.evaluation.report import Report
from edgert.evaluation.rows import (
    Row,
    box_report,
    box_rows,
    keypoint_rows,
    person_category,
    shared_categories,
)

__all__ = ["coco"]

OnImage = Callable[[str, int, int], None]


def _times(seconds: list[float]) -> dict[str, float]:
    milliseconds = 1e3 * np.array(seconds[1:] or seconds)
    return {"mean": float(milliseconds.mean()), "p50": float(np.median(milliseconds))}


def coco(
    pipeline: Callable[..., Any],
    images_dir: str | Path,
    instances_json: str | Path | None = None,
    keypoints_json: str | Path | None = None,
    *,
    boxes: str = "detector",
    class_names: Sequence[str] | None = None,
    on_image: OnImage | None = None,
) -> Report:
    """COCO's AP of a pipeline on annotated images, computed by pycocotools.

    Box AP wants every detection: a pipeline without tracker, with `score_threshold=0.001`,
    `nms_threshold=0.7`, `max_detections=300`, `classes=None`. Keypoint AP looks at the best 20
    people of an image, so `classes=("person",)` and `max_detections=20` lose nothing.

    Args:
        pipeline: Takes an (h, w, 3) uint8 BGR frame and gives an object with `boxes` (N, 4),
            `scores` (N,), `class_ids` (N,) and, for keypoints, `keypoints` (N, K, 2) and
            `keypoint_scores` (N, K), as `edgert.Pipeline` does. With `boxes="annotated"` it takes
            `(frame, boxes)` and gives `(keypoints, keypoint_scores)`, as `CropPose` does.
        images_dir: Folder of the images.
        instances_json: Box annotations; None: no box AP.
        keypoints_json: Keypoint annotations; None: no keypoint AP. Each task is a pass of its
            own over its images, for they usually want different pipelines (see above).
        boxes: "detector": people as the pipeline finds them; "annotated": keypoints on the
            annotated boxes, so that the detector's misses stay out of the figure.
        class_names: The name of each class index of the model; None: the annotations' categories
            in the order of their ids, which is the order of every 80-class COCO model.
        on_image: Called with the task, images done, images in all after each image.

    Returns:
        The report; scores of people in keypoint AP are box score times the mean of the keypoint
        scores over 0.2, as HRNet's evaluation has them.

    Raises:
        Error: pycocotools is missing, or model and annotations have no class in common.
        SourceError: An annotation file or an image cannot be read.
        ValueError: Neither file is given, or `boxes` is not one of the two, or annotated boxes
            are asked for without keypoint annotations.
    """
    if boxes not in ("detector", "annotated"):
        raise ValueError(f"boxes is {boxes!r}; expected 'detector' or 'annotated'")
    if instances_json is None and keypoints_json is None:
        raise ValueError("give instances_json for box AP, keypoints_json for keypoint AP, or both")
    if boxes == "annotated":
        if keypoints_json is None or instances_json is not None:
            raise ValueError("boxes='annotated' takes keypoints_json and no instances_json")
        return _annotated(pipeline, Dataset(keypoints_json, images_dir), on_image)
    reports = []
    if instances_json is not None:
        dataset = Dataset(instances_json, images_dir)
        reports.append(_boxes(pipeline, dataset, class_names, on_image))
    if keypoints_json is not None:
        dataset = Dataset(keypoints_json, images_dir)
        reports.append(_keypoints(pipeline, dataset, class_names, on_image))
    return reports[0] if len(reports) == 1 else reports[0].merged(reports[1])


def _boxes(
    pipeline: Callable[..., Any],
    dataset: Dataset,
    class_names: Sequence[str] | None,
    on_image: OnImage | None,
) -> Report:
    categories = shared_categories(dataset, class_names)
    rows: list[Row] = []
    seconds = []
    for done, (image_id, frame) in enumerate(dataset.frames(), start=1):
        start = time.perf_counter()
        result = pipeline(frame)
        seconds.append(time.perf_counter() - start)
        rows += box_rows(image_id, result, categories)
        if on_image is not None:
            on_image("boxes", done, len(dataset))
    report = box_report(dataset, rows, categories)
    return replace(report, milliseconds={"boxes": _times(seconds)})


def _keypoints(
    pipeline: Callable[..., Any],
    dataset: Dataset,
    class_names: Sequence[str] | None,
    on_image: OnImage | None,
) -> Report:
    person = person_category(dataset)
    names = list(dataset.categories if class_names is None else class_names)
    if "person" not in names:
        raise Error(
            f"keypoint AP is about people, but the model's classes are {names}: no 'person'"
        )
    index = names.index("person")
    rows: list[Row] = []
    seconds = []
    for done, (image_id, frame) in enumerate(dataset.frames(), start=1):
        start = time.perf_counter()
        result = pipeline(frame)
        seconds.append(time.perf_counter() - start)
        if result.keypoints is None:
            raise Error(
                "keypoint AP needs a pipeline with a pose network, but its result has no "
                "keypoints: give the pipeline pose=..., or leave keypoints_json out"
            )
        found = np.asarray(result.class_ids) == index
        points, scores = result.keypoints[found], result.keypoint_scores[found]
        rows += keypoint_rows(image_id, person, result.scores[found], points, scores)
        if on_image is not None:
            on_image("keypoints", done, len(dataset))
    return Report(
        images=len(dataset),
        keypoints=dataset.score("keypoints", rows, [person]),
        keypoint_boxes="detector",
        milliseconds={"keypoints": _times(seconds)},
    )


def _annotated(estimate: Callable[..., Any], dataset: Dataset, on_image: OnImage | None) -> Report:
    person = person_category(dataset)
    rows: list[Row] = []
    seconds = []
    for done, (image_id, frame) in enumerate(dataset.frames(), start=1):
        boxes = dataset.people(image_id)
        if len(boxes):
            start = time.perf_counter()
            points, scores = estimate(frame, boxes)
            seconds.append(time.perf_counter() - start)
            certain = np.ones(len(boxes), dtype=np.float32)
            rows += keypoint_rows(image_id, person, certain, points, scores)
        if on_image is not None:
            on_image("keypoints", done, len(dataset))
    return Report(
        images=len(dataset),
        keypoints=dataset.score("keypoints", rows, [person]),
        keypoint_boxes="annotated",
        milliseconds={"keypoints": _times(seconds)} if seconds else {},
    )
