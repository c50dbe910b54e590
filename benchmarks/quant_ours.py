"""edgert's INT8 files of one network on one split: every method, without and with a keep-list."""

import hashlib
import json
import warnings
from dataclasses import replace
from types import MappingProxyType

from edgert import quant

# Few images are what this benchmark is about.
warnings.filterwarnings("ignore", message=r".*images", category=UserWarning)


# "auto" chooses among more; the profiles differ in placement, not in how methods compare.
METHODS = {
    "portable": ("minmax", "entropy", "percentile 99.99", "mse", "auto"),
    "onnxruntime": ("percentile 99.99",),
}


class Ours:
    """The files for one profile, in a folder; ranking and search are remembered there.

    Args:
        task: Of `quant_tasks`.
        split: The images.
        profile: Of `edgert.quant.Plan`.
        folder: For histograms, keep-lists and files.
    """

    def __init__(self, task, split, profile, folder):
        self.task, self.split, self.profile, self.folder = task, split, profile, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._data = quant.CalibrationData(task.model, task.paths(split.calibration), **task.people)
        self._model = folder / "equalized.onnx"
        # Ranges differ in their last bits from one processor to another. What is in the folder, and
        # the files that are made of it, are of this very model.
        if not self._model.exists() and not quant.equalize(task.model, self._data, self._model):
            self._model = task.model
        self.plan = quant.Plan.default(self._model, profile)
        self._rounding = quant.Rounding.fit(self._model, self._data, self.plan)
        self._trial = None
        self._ranking = None

    def files(self):
        """(method, settings, path, layers kept by choice) of each file."""
        stats = quant.collect(
            self._model, self._data, profile=self.profile, cache=self.folder / "histograms.npz"
        )
        solved = quant.candidates(
            stats,
            groups=set(self.plan.groups.values()),
            unsigned=self.plan.unsigned,
            bounds=self.plan.bounds,
        )
        self._ranked_by = solved["percentile 99.99"]
        solved["auto"] = quant.choose(solved, lambda s: self.trial.measure("sqnr", s)[0])
        for method in METHODS[self.profile]:
            scales = solved[method]
            for plan in (self.plan, self._searched(scales)):
                name = f"{method.replace(' ', '_')}{'_keep' if plan.kept else ''}.onnx"
                path = self.folder / name
                quant.write(self._model, scales, plan, path, weights=self._rounding)
                settings = f"{self.profile}{', keep-list' if plan is not self.plan else ''}"
                yield method, settings, path, len(plan.kept)
        if self.profile == "portable":
            yield self._bare()

    def _bare(self):
        """What the rest is worth: no equalization, no corrected biases, nothing kept."""
        plan = quant.Plan.default(self.task.model, self.profile)
        stats = quant.collect(
            self.task.model, self._data, profile=self.profile, cache=self.folder / "bare.npz"
        )
        path = self.folder / "bare.onnx"
        scales = quant.solve(stats, "percentile", groups=set(plan.groups.values()))
        quant.write(self.task.model, scales, plan, path)
        return "percentile 99.99", f"{self.profile}, thresholds alone", path, 0

    @property
    def trial(self):
        """The tuning images' trial, made when it is first needed."""
        if self._trial is None:
            tune = quant.CalibrationData(
                self._model, self.task.paths(self.split.tune), **self.task.people
            )
            self._trial = quant.Trial(self._model, tune, self.plan, weights=self._rounding)
        return self._trial

    def _searched(self, scales):
        key = hashlib.sha256(scales.to_json().encode()).hexdigest()[:16]
        remembered = self.folder / f"kept_{key}.json"
        if remembered.exists():
            kept = json.loads(remembered.read_text(encoding="utf-8"))
            return replace(self.plan, kept=MappingProxyType(kept))
        if self._ranking is None:  # one ranking for all methods: the search measures each anyway
            self._ranking = quant.sensitivity(self._model, self._ranked_by, None, trial=self.trial)
        rows = self._ranking
        found = quant.search(self._model, scales, None, rows, trial=self.trial)
        remembered.write_text(json.dumps(dict(found.kept)), encoding="utf-8")
        return found
