"""COCO accuracy of edgert beside the reference's, and what each convention costs, per model.

    python benchmarks/bench_accuracy.py --assets ../shared/assets --json-report accuracy.json

Three tables: edgert against the independent float32 reference of the tests (equal within 0.003);
8-bit against float resampling; refinement and cell convention of the heatmaps, on annotated boxes
so that the detector stays out.
"""

import argparse
import sys
from pathlib import Path

import edgert
from edgert.baseline import preprocess as eight_bit
from edgert.evaluation import CropPose, coco

from timing import add_report_option, describe, environment, write_report

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from reference import ReferencePipeline
from reference.media import assets

DETECTOR = "yolov8n"
POSES = ("pose_heatmap_256x192", "pose_heatmap_384x288")
EVERY_BOX = {"score_threshold": 0.001, "nms_threshold": 0.7, "max_detections": 300}
BEST_PEOPLE = {**EVERY_BOX, "max_detections": 20, "classes": ("person",)}
REFINES = ("none", "quarter", "dark")
CELLS = ("corner", "center")


class Bench:
    """The models and the annotated images, and one method per table."""

    def __init__(self, folder):
        self.models = folder / "models"
        self.images = folder / "coco" / "images"
        self.instances = folder / "coco" / "instances_train2017.json"
        self.keypoints = folder / "coco" / "person_keypoints_train2017.json"
        self.detector = self.models / f"{DETECTOR}.onnx"

    def boxes(self, pipeline):
        return coco(pipeline, self.images, self.instances)

    def people(self, pipeline):
        return coco(pipeline, self.images, keypoints_json=self.keypoints).keypoints.ap

    def annotated(self, estimate):
        report = coco(estimate, self.images, keypoints_json=self.keypoints, boxes="annotated")
        return report.keypoints.ap

    def reference(self, pose=None, *, rounded=False, **settings):
        pipeline = ReferencePipeline(
            self.detector, pose and self.models / f"{pose}.onnx", **settings
        )
        if rounded:
            pipeline.letterbox = eight_bit.letterbox
            pipeline.crop_people = eight_bit.crop_people
        return pipeline

    def agreement(self):
        """Rows (what, edgert, reference)."""
        theirs = self.boxes(self.reference(**EVERY_BOX))
        settings = {"tracker": None, "device": "cpu"}
        with edgert.Pipeline(self.detector, classes=None, **settings, **EVERY_BOX) as pipe:
            ours = self.boxes(pipe)
        yield f"{DETECTOR}, box AP", ours.boxes.ap, theirs.boxes.ap
        yield f"{DETECTOR}, person box AP", ours.person.ap, theirs.person.ap
        for name in POSES:
            theirs = self.reference(name, **BEST_PEOPLE)
            path = self.models / f"{name}.onnx"
            with edgert.Pipeline(self.detector, pose=path, **settings, **BEST_PEOPLE) as pipe:
                yield f"{name}, OKS-AP, detected boxes", self.people(pipe), self.people(theirs)
            ours = CropPose(path)
            figures = self.annotated(ours), self.annotated(theirs.estimate)
            yield f"{name}, OKS-AP, annotated boxes", *figures

    def resampling(self):
        """Rows (what, float, 8-bit), all of the reference."""
        reports = [self.boxes(self.reference(rounded=r, **EVERY_BOX)) for r in (False, True)]
        yield f"{DETECTOR}, box AP", *(report.boxes.ap for report in reports)
        yield f"{DETECTOR}, person box AP", *(report.person.ap for report in reports)
        for name in POSES:
            figures = (
                self.annotated(self.reference(name, rounded=r).estimate) for r in (False, True)
            )
            yield f"{name}, OKS-AP, annotated boxes", *figures

    def conventions(self):
        """Rows (what, refine, cells, OKS-AP) of the reference on annotated boxes."""
        for name in POSES:
            pipeline = Remembered(self.reference(name))
            for refine in REFINES:
                for cells in CELLS:
                    pipeline.refine, pipeline.cells = refine, cells
                    yield name, refine, cells, self.annotated(pipeline)


class Remembered:
    """A reference whose heatmaps are computed once and decoded in every way that is asked for."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        self.refine = self.cells = None
        self._heatmaps = {}

    def __call__(self, frame, boxes):
        key = (frame.tobytes(), boxes.tobytes())
        if key not in self._heatmaps:
            self._heatmaps[key] = self.pipeline.heatmaps(frame, boxes)
        heatmaps, to_frame = self._heatmaps[key]
        stride = self.pipeline.pose.size[0] // heatmaps.shape[2]
        return self.pipeline.decode_heatmaps(heatmaps, to_frame, self.refine, self.cells, stride)


def print_pairs(rows, one, other):
    print(f"\n| model, metric | {one} | {other} | difference |\n|---|---:|---:|---:|")
    for what, first, second in rows:
        print(f"| {what} | {first:.4f} | {second:.4f} | {second - first:+.4f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", type=Path, default=assets(), help="folder of the test assets")
    add_report_option(parser)
    args = parser.parse_args()
    bench = Bench(args.assets)
    agreement = list(bench.agreement())
    resampling = list(bench.resampling())
    conventions = list(bench.conventions())
    if args.json_report != "-":
        print_pairs(agreement, "edgert", "reference")
        print_pairs(resampling, "float32", "8-bit")
        print("\n| model | refine | " + " | ".join(CELLS) + " |\n|---|---|---:|---:|")
        for row in range(0, len(conventions), len(CELLS)):
            name, refine = conventions[row][:2]
            aps = " | ".join(f"{ap:.4f}" for *_, ap in conventions[row : row + len(CELLS)])
            print(f"| {name} | {refine} | {aps} |")
        print(f"\n{describe(environment())}.")
    write_report(
        args.json_report,
        {"agreement": agreement, "resampling": resampling, "conventions": conventions},
    )


if __name__ == "__main__":
    main()
