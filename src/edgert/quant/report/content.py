"""What a report holds. Every part is optional; a page leaves out what is not there.

The JSON has the attributes as keys, in their order. A float is a finite number or null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgert.quant.report.figures import plain

__all__ = [
    "Accuracy",
    "AuditRow",
    "Calibration",
    "Histogram",
    "LayerRow",
    "ModelFile",
    "Operator",
    "Report",
    "SearchStep",
    "Speed",
    "Threshold",
]

_FORMAT = "edgert quantization report"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file.

    Attributes:
        path: As given.
        size_bytes: Of the file.
        digest: SHA-256 of the file, hex.
    """

    path: str
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One figure before and after.

    Attributes:
        name: For example "box AP".
        before: Of the float model; None where it is the reference itself.
        after: Of the quantized one.
        against: What it is measured against: "annotations", or "float model" for an agreement.
        images: How many images it is of.
    """

    name: str
    before: float | None
    after: float | None
    against: str
    images: int | None = None

    @property
    def change(self) -> float | None:
        """After minus before."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer.

    Attributes:
        layer: The node's name.
        op: Its operator.
        rank: 1 costs most; None for what was not measured.
        score: The metric with this layer alone in the state that was tried.
        loss: What the layer costs; more is worse.
        sqnr: Signal to noise of the outputs in that state, dB.
        images: How many images it was measured on.
        action: "int8" or "float".
        reason: Why it stays in float; empty otherwise.
        kept: Whether it could be quantized and stays in float by choice.
    """

    layer: str
    op: str
    rank: int | None = None
    score: float | None = None
    loss: float | None = None
    sqnr: float | None = None
    images: int | None = None
    action: str = "int8"
    reason: str = ""
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a method clips a tensor.

    Attributes:
        method: Its name, e.g. "percentile 99.99".
        value: The |x| that maps to the last level.
        clipped: Share of all values beyond it.
        sqnr: Signal to noise of the tensor rounded so, dB, estimated from the histogram.
        chosen: Whether the model is written with it.
    """

    method: str
    value: float
    clipped: float
    sqnr: float | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Histogram:
    """How the magnitudes of a tensor are spread.

    Attributes:
        tensor: Its name.
        minimum: The least value seen.
        maximum: The greatest.
        zeros: Share of values that are 0.
        below: Share of values under the first edge, zeros included.
        edges: Of the bins of |x|, one more than these; each octave is cut into eight equal ones.
        shares: Share of all values in each bin.
        thresholds: Of each method.
    """

    tensor: str
    minimum: float | None
    maximum: float | None
    zeros: float
    below: float
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    thresholds: tuple[Threshold, ...]

    @property
    def sqnr(self) -> float | None:
        """Of the chosen threshold."""
        return next((t.sqnr for t in self.thresholds if t.chosen), None)


@dataclass(frozen=True, slots=True)
class SearchStep:
    """A state of the search for the layers to keep.

    Attributes:
        kept: Layers in float.
        score: The metric.
        drop: How much it is under the float model's.
        sqnr: Signal to noise of the outputs, dB.
    """

    kept: tuple[str, ...]
    score: float
    drop: float
    sqnr: float


@dataclass(frozen=True, slots=True)
class Operator:
    """What one kind of operator takes, in ms per run; None where the model has none of it."""

    op: str
    before_ms: float | None
    after_ms: float | None


@dataclass(frozen=True, slots=True)
class Speed:
    """Time of one run on one input, both models in turns in one process.

    Attributes:
        runtime: What ran it, with its version.
        device: Where.
        threads: Within an operator.
        runs: How many of each model; the figures are medians.
        before_ms: The float model.
        after_ms: The quantized one.
        operators: Where the time goes, from a run with the runtime's profiler.
    """

    runtime: str
    device: str
    threads: int | None
    runs: int
    before_ms: float
    after_ms: float
    operators: tuple[Operator, ...] = ()


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the thresholds are from.

    Attributes:
        images: How many.
        items: Network inputs: images, or people cut out of them.
        preprocessing: How images become network inputs.
        data_digest: Of all items.
        model_digest: Of the model that ran.
        method: How thresholds were found.
        warnings: What is wrong with the set.
        skipped: Images that could not be read.
        tuned: Images that method and layers were chosen on; None: not known.
        measured: Images that the result was measured on; likewise.
        equalized: Tensors whose channels were brought to like ranges.
        corrected: Layers whose biases make up for the mean error of their rounded weights.
    """

    images: int
    items: int
    preprocessing: str
    data_digest: str
    model_digest: str
    method: str = ""
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    tuned: int | None = None
    measured: int | None = None
    equalized: int = 0
    corrected: int = 0


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One layer as planned and as TensorRT built it."""

    layer: str
    op: str
    planned: str
    built: str
    matches: bool
    note: str = ""


@dataclass(frozen=True)
class Report:
    """One quantization: what was done, why, and what it cost.

    Attributes:
        model: The float model.
        written: The quantized one.
        profile: What it is written for.
        command: The command line, or what was called.
        accuracy: Before and after, on images that neither calibration nor search have seen.
        outputs: SQNR of each output part against the float model, dB.
        layers: Every layer, the one that costs most first.
        mode: Of their scores: "one-in" or "one-out".
        metric: Of their scores.
        search: The states on the way to the layers kept.
        search_metric: Of the search's scores.
        budget: What the search may lose in it, or noise power over signal power of "sqnr".
        histograms: Of the tensors, the one that suffers most first.
        speed: On the runtime at hand.
        calibration: The images.
        audit: Planned and built precision.
        audit_target: Of what the audit is, e.g. "TensorRT-RTX 1.7, compute capability 8.6".
        versions: Of all that took part, and the machine.
    """

    model: ModelFile | None = None
    written: ModelFile | None = None
    profile: str | None = None
    command: str | None = None
    accuracy: tuple[Accuracy, ...] = ()
    outputs: Mapping[str, float] = field(default_factory=dict)
    layers: tuple[LayerRow, ...] = ()
    mode: str | None = None
    metric: str | None = None
    search: tuple[SearchStep, ...] = ()
    search_metric: str | None = None
    budget: float | None = None
    histograms: tuple[Histogram, ...] = ()
    speed: Speed | None = None
    calibration: Calibration | None = None
    audit: tuple[AuditRow, ...] = ()
    audit_target: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> tuple[LayerRow, ...]:
        """Layers that could be quantized and stay in float."""
        return tuple(row for row in self.layers if row.kept)

    @property
    def within_budget(self) -> bool | None:
        """Whether the search has met its budget; None where there was no search."""
        if self.budget is None or not self.search:
            return None
        return self.search[-1].drop <= self.budget

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        content: dict[str, Any] = plain(self)
        return {"format": _FORMAT, "version": _VERSION, **content}

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"

    def to_html(self) -> str:
        """One self-contained page."""
        from edgert.quant.report.sections import report_page

        return report_page(self)

    def save(self, path: str | Path) -> tuple[Path, Path]:
        """Write the page and the JSON beside it.

        Args:
            path: Of the page; with another ending than .html or .htm, a folder for `report.html`
                and `report.json`.

        Returns:
            Both paths.

        Raises:
            SinkError: One cannot be written.
        """
        from edgert.io.sinks.base import OutputFile, sink_error

        page = Path(path)
        if page.suffix.lower() not in (".html", ".htm"):
            page = page / "report.html"
        try:
            page.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sink_error("create its folder", str(page), error) from error
        paths = page, page.with_suffix(".json")
        for target, text in zip(paths, (self.to_html(), self.to_json()), strict=True):
            output = OutputFile(target)
            try:
                output.write(text.encode())
            finally:
                output.close()
        return paths
