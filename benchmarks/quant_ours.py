"""edgert's INT8 files of one network on one split: every method, without and with a keep-list."""

import hashlib
import json
import warnings
from dataclasses import replace
from types import MappingProxyType

from edgert.quant.collect import collect
from edgert.quant.data import CalibrationData
from edgert.quant.plan import Plan
from edgert.quant.search import search
from edgert.quant.sensitivity import sensitivity
from edgert.quant.solve import candidates, choose
from edgert.quant.trial import Trial
from edgert.quant.write import write

# Few images are what this benchmark is about.
warnings.filterwarnings("ignore", message=r".*images", category=UserWarning)


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
        self.plan = Plan.default(task.model, profile)
        self._trial = None

    def files(self):
        """(method, settings, path, layers kept by choice) of each file."""
        groups = set(self.plan.groups.values())
        stats = collect(
            self.task.model,
            self._data(self.split.calibration),
            profile=self.profile,
            cache=self.folder / "histograms.npz",
        )
        solved = candidates(stats, groups=groups, unsigned=self.plan.unsigned)
        solved["auto"] = choose(solved, lambda scales: self.trial.signal_to_noise(scales).mean)
        for method, scales in solved.items():
            for plan in (self.plan, self._searched(scales)):
                name = f"{method.replace(' ', '_')}{'_keep' if plan.kept else ''}.onnx"
                write(self.task.model, scales, plan, self.folder / name)
                settings = f"{self.profile}{', keep-list' if plan is not self.plan else ''}"
                yield method, settings, self.folder / name, len(plan.kept)

    @property
    def trial(self):
        """The tuning images' trial, made when it is first needed."""
        if self._trial is None:
            self._trial = Trial(self.task.model, self._data(self.split.tune), self.plan)
        return self._trial

    def _data(self, ids):
        return CalibrationData(self.task.model, self.task.paths(ids), **self.task.people)

    def _searched(self, scales):
        key = hashlib.sha256(scales.to_json().encode()).hexdigest()[:16]
        remembered = self.folder / f"kept_{key}.json"
        if remembered.exists():
            kept = json.loads(remembered.read_text(encoding="utf-8"))
            return replace(self.plan, kept=MappingProxyType(kept))
        rows = sensitivity(self.task.model, scales, None, trial=self.trial)
        found = search(self.task.model, scales, None, rows, trial=self.trial)
        remembered.write_text(json.dumps(dict(found.kept)), encoding="utf-8")
        return found
