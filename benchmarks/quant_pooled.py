"""AP over the test images of all splits together, and how much of a difference is chance.

AP of 40 images moves by points from one half of the images to the other. The halves of a seed test
every image once, so their results make one AP of all images; a further seed tests each image once
more, with what another half has calibrated. Differences are those of two networks on the same
images. Their interval is a bootstrap's (B. Efron, "Bootstrap Methods: Another Look at the
Jackknife", 1979): images are drawn with replacement as often as there are images, with all that was
tested on them, and the 2.5th and 97.5th percentiles of the differences are its ends. All
networks are judged on the same draws. Nothing but pycocotools computes AP.
"""

import contextlib
import io
import itertools

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

DRAWS = 200

# pycocotools takes no empty list. No annotation has this category.
_NOTHING = {"category_id": -1, "bbox": [0, 0, 0, 0], "score": 0.0}


class Pooled:
    """Judges results of several splits.

    Args:
        annotated: COCO's file with the annotations of all images.
        task: "bbox" or "keypoints".
        tests: By split, the ids of its test images.
    """

    def __init__(self, annotated, task, tests):
        with contextlib.redirect_stdout(io.StringIO()):
            self._truth = COCO(str(annotated))
        self._task, self._tests = task, tests
        images = sorted({image for ids in tests.values() for image in ids})
        self._entries = {image: [] for image in images}
        for number, image in enumerate(image for ids in tests.values() for image in ids):
            self._entries[image].append(number)
        draws = np.random.default_rng(0).integers(len(images), size=(DRAWS, len(images)))
        self._draws = [[images[i] for i in draw] for draw in draws]

    def judge(self, results):
        """AP of all tests, and of each draw.

        Args:
            results: By split, rows of COCO's results format.

        Returns:
            AP, and (draws,) of it.
        """
        if not any(results.values()):
            return 0.0, np.zeros(DRAWS)
        judged = [self._judged(ids, results[split]) for split, ids in self._tests.items()]
        # By category, what pycocotools has found in each test image of each split.
        found = [[*itertools.chain(*parts)] for parts in zip(*judged, strict=True)]
        every = [n for numbers in self._entries.values() for n in numbers]
        draws = ([n for image in draw for n in self._entries[image]] for draw in self._draws)
        return self._ap(found, every), np.array([self._ap(found, draw) for draw in draws])

    def _judged(self, ids, rows):
        with contextlib.redirect_stdout(io.StringIO()):
            found = self._truth.loadRes(rows or [{**_NOTHING, "image_id": ids[0]}])
            evaluation = COCOeval(self._truth, found, self._task)
            self._restrict(evaluation.params, ids)
            evaluation.evaluate()
        images = len(ids)
        parts = evaluation.evalImgs
        return [parts[i : i + images] for i in range(0, len(parts), images)]

    def _restrict(self, params, ids):
        params.imgIds = list(ids)
        # What AP without a size and with the most results is of; the rest is not looked at.
        params.areaRng, params.areaRngLbl = params.areaRng[:1], params.areaRngLbl[:1]
        params.maxDets = params.maxDets[-1:]

    def _ap(self, found, numbers):
        evaluation = COCOeval(iouType=self._task)
        evaluation.params.catIds = list(range(len(found)))
        self._restrict(evaluation.params, range(len(numbers)))
        evaluation._paramsEval = evaluation.params
        evaluation.evalImgs = [parts[n] for parts in found for n in numbers]
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.accumulate()
        precision = evaluation.eval["precision"]
        known = precision[precision > -1]
        return float(known.mean()) if len(known) else 0.0


def difference(one, other):
    """How much more AP one network has than another, in points, with the ends of 95 %.

    Args:
        one: What `Pooled.judge` has found.
        other: Of the other network.
    """
    low, high = np.percentile(100 * (one[1] - other[1]), [2.5, 97.5])
    return {"points": 100 * (one[0] - other[0]), "low": float(low), "high": float(high)}
