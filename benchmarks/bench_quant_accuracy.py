"""What INT8 costs in accuracy: FP32, edgert's methods, quantize_static and modelopt, same images.

    python benchmarks/bench_quant_accuracy.py --assets ../shared/assets --work out/quant \\
        --modelopt-python /path/to/python --results benchmarks/results

A split calibrates on one half of the annotated images, chooses what to keep in float on a third of
that half, and tests on the other half. What is in the work folder is not computed again.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

import quant_baselines as baselines
from quant_ours import Ours
from quant_pooled import DRAWS, Pooled, difference
from quant_splits import splits
from quant_table import DEFAULT, FLOAT, compared_with, markdown, summary
from quant_tasks import TASKS

from timing import describe, environment

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from reference.media import assets

ROOT = Path(__file__).parent

EXPLAINED = """\
{splits} splits of 80 annotated COCO images: 40 calibrate, a third of them tunes, the other 40 test;
mean (lowest .. highest). Points are AP times 100, of the test images of all splits as one set, and
[the ends of 95 %] of a paired bootstrap over images, {draws} draws: in **bold** where 0 is outside,
that is, where the choice of images does not explain the difference; of twenty networks that are
equal one is bold. "Lost": FP32's AP minus the row's. "Behind": that of edgert's default, {default},
minus the row's. "By keeping": that of the same method with nothing kept, minus the row's. "Other
order of sums": the same file in other float kernels. SQNR: 10 log10(sum y² / sum (y - y')²), sums
over all values of the test images. "Moved": mean distance of the keypoints that FP32 scores over
0.2 from where FP32 has them, in pixels of the 384x288 crop. CPU time is that of calibrating and
writing one file, summed over its threads."""


class Bench:
    """One network on one split, with a folder for what it computes."""

    def __init__(self, task, split, folder, modelopt_python, profiles):
        name = split.name.replace(", ", "_").replace(" ", "_")
        self.task, self.split, self.folder = task, split, Path(folder) / task.model.stem / name
        self.modelopt_python, self.profiles = modelopt_python, profiles
        self.folder.mkdir(parents=True, exist_ok=True)

    def rows(self):
        """(tool, row, method), and figures with the results that they are of."""
        yield FLOAT, self.figures(self.task.model)
        pythons = {"onnxruntime": sys.executable, "modelopt": self.modelopt_python}
        for tool, methods in baselines.METHODS.items():
            for method in methods if pythons[tool] else ():
                yield from self._baseline(tool, pythons[tool], method)
        for profile in self.profiles:
            ours = Ours(self.task, self.split, profile, self.folder / f"edgert_{profile}")
            for method, settings, path, kept in ours.files():
                yield ("edgert", settings, method), self.figures(path, kept=kept)
                if ("edgert", settings, method) == DEFAULT:
                    row = ("edgert", f"{settings}, other order of sums", method)
                    yield row, self.figures(path, optimize=False)

    def figures(self, path, *, optimize=True, **more):
        """A file's figures on the test images and their results, once per content of the file."""
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
        cached = self.folder / f"tested_{digest}{'' if optimize else '_otherwise'}.json"
        if not cached.exists():
            found = self.task.figures(path, self.split.test, optimize=optimize)
            cached.write_text(json.dumps(found), encoding="utf-8")
        figures, results = json.loads(cached.read_text(encoding="utf-8"))
        return {**figures, **more}, results

    def _feeds(self):
        path = self.folder / "feeds.npy"
        if not path.exists():
            np.save(path, self.task.calibration(self.split.calibration))
        return path

    def _baseline(self, tool, python, method):
        folder = self.folder / f"{tool}_{method}"
        done = folder / "tool.json"
        if not done.exists():
            folder.mkdir(exist_ok=True)
            job = {
                "model": str(self.task.model.resolve()),
                "feeds": str(self._feeds().resolve()),
                "method": method,
                "folder": str(folder.resolve()),
            }
            (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
            script, log = ROOT / "quant_baselines.py", folder / "log.txt"
            with log.open("w", encoding="utf-8") as file:
                command = [str(python), str(script), tool, str(folder / "job.json")]
                code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT).returncode
            if code:
                raise SystemExit(f"{' '.join(command)} failed with {code}: see {log}")
        cost = json.loads(done.read_text(encoding="utf-8"))
        for row in baselines.ROWS[tool]:
            path = folder / baselines.file_name(row)
            yield (tool, row, method), self.figures(path, cost=cost)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", type=Path, default=assets(), help="folder of the test assets")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is computed")
    parser.add_argument("--modelopt-python", help="a Python with modelopt; without, no such rows")
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--models", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--profiles", nargs="*", default=["portable", "onnxruntime"])
    parser.add_argument("--results", type=Path, help="folder for the tables")
    args = parser.parse_args()
    coco = args.assets / "coco"
    tasks = {
        name: TASKS[name](args.assets / "models" / f"{name}.onnx", coco) for name in args.models
    }
    found = {name: {} for name in tasks}
    results = {name: {} for name in tasks}
    dealt = list(splits(coco / "person_keypoints_train2017.json", args.splits))
    for split in dealt:
        for name, task in tasks.items():
            bench = Bench(task, split, args.work, args.modelopt_python, args.profiles)
            for row, (figures, rows) in bench.rows():
                found[name].setdefault(row, {})[split.name] = figures
                results[name].setdefault(row, {})[split.name] = rows
                print(split.name, name, *row, figures, sep=" | ", flush=True)
    if args.results:
        pooled = {
            name: compared(task, dealt, results[name], args.work / name)
            for name, task in tasks.items()
        }
        write_results(args.results, found, pooled, args)


def compared(task, dealt, results, folder):
    """By row, its pooled AP, and how far it is from what `compared_with` names."""
    pooled = Pooled(task.annotated, task.judged_by, {split.name: split.test for split in dealt})
    with ProcessPoolExecutor() as processes:
        found = processes.map(partial(judged_once, pooled, folder), results.values())
        judged = dict(zip(results, found, strict=True))
    return {
        row: {
            "AP": of_row[0],
            **{
                key: difference(judged[other], of_row)
                for key, other in compared_with(row).items()
                if other in judged
            },
        }
        for row, of_row in judged.items()
    }


def judged_once(pooled, folder, by_split):
    """`Pooled.judge`, once for the same results."""
    key = hashlib.sha256(json.dumps([DRAWS, by_split]).encode()).hexdigest()[:16]
    cached = folder / f"judged_{key}.json"
    if not cached.exists():
        ap, draws = pooled.judge(by_split)
        cached.write_text(json.dumps([ap, draws.tolist()]), encoding="utf-8")
    ap, draws = json.loads(cached.read_text(encoding="utf-8"))
    return ap, np.array(draws)


def write_results(folder, found, pooled, args):
    """quant_accuracy.md, its short form quant_summary.md, and quant_accuracy.json."""
    for table, file in ((markdown, "quant_accuracy.md"), (summary, "quant_summary.md")):
        text = [f"### {name}\n\n{table(rows, pooled[name])}" for name, rows in found.items()]
        if not args.modelopt_python:
            text.append("No rows of modelopt: it was not given (`--modelopt-python`).")
        default = f"{DEFAULT[2]} {DEFAULT[1]}"
        text.append(EXPLAINED.format(splits=args.splits, draws=DRAWS, default=default))
        text.append(f"{describe(environment())}.")
        (folder / file).write_text("\n\n".join(text) + "\n", encoding="utf-8")
    rows = [
        {
            "model": name,
            "tool": row[0],
            "settings": row[1],
            "method": row[2],
            "pooled": pooled[name][row],
            "splits": by_split,
        }
        for name, of_model in found.items()
        for row, by_split in of_model.items()
    ]
    content = json.dumps({"environment": environment(), "rows": rows}, indent=1) + "\n"
    (folder / "quant_accuracy.json").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
