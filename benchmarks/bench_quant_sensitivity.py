"""What the sensitivity of every layer costs, against plain inference.

    python benchmarks/bench_quant_sensitivity.py MODEL --data IMAGES [--annotations COCO.json]

Every layer that can be quantized is tried alone on all of `--images` network inputs. The unit is
one plain inference: the model in an ONNX Runtime session with all of its optimisations, with the
same threads, timed before, between and after on the same inputs. Exit status 1 over the goal.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from itertools import islice

from edgert import quant
from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph

from timing import add_report_option, describe, environment, write_report

GOAL = 1.6


class Plain:
    """The model as anyone would run it; remembers how long it took."""

    def __init__(self, model, items, threads):
        self._network = OnnxRuntimeGraph(model, threads=threads)
        self._feeds = [{self._network.inputs[0].name: item.tensor} for item in items]
        self.seconds = []

    def run(self):
        for feed in self._feeds:
            start = time.perf_counter()
            self._network.run(feed)
            self.seconds.append(time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--annotations")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    add_report_option(parser)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    data = quant.CalibrationData(args.model, args.data, annotations=args.annotations)
    items = list(islice(data, args.images))
    plan = quant.Plan.default(args.model)
    scales = quant.solve(quant.collect(args.model, data))
    plain = Plain(args.model, items, args.threads)
    plain.run()
    plain.seconds.clear()

    def between(_layer, done, total):
        nonlocal waited
        if done % (total // 4) == 0:
            start = time.perf_counter()
            plain.run()
            waited += time.perf_counter() - start

    waited = 0.0
    plain.run()
    start = time.perf_counter()
    rows = quant.sensitivity(
        args.model, scales, data, plan=plan, screen=1, refine=len(items), top=None,
        threads=args.threads, on_step=between,
    )  # fmt: skip
    seconds = time.perf_counter() - start - waited
    plain.run()
    unit = statistics.median(plain.seconds)
    found = {
        "layers": len(rows),
        "images": len(items),
        "seconds": seconds,
        "plain_ms": 1e3 * unit,
        "ratio": seconds / (len(rows) * len(items) * unit),
        "worst": [row.layer for row in rows[:3]],
    }
    if args.json_report != "-":
        print("| layers | images | seconds | plain inference | ratio |\n|---:|---:|---:|---:|---:|")
        print(
            f"| {found['layers']} | {found['images']} | {seconds:.1f} | {found['plain_ms']:.1f} ms "
            f"| {found['ratio']:.2f} |\n\nRatio: seconds over layers x images x plain inference, "
            f"building the switched network included; goal {GOAL:g}. {args.threads} threads. "
            f"{describe(environment())}."
        )
    write_report(args.json_report, found)
    return 0 if found["ratio"] <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
