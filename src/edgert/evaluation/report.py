"""What an evaluation found: figures, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Report", "Scores"]


@dataclass(frozen=True)
class Scores:
    """COCO's figures of one task, each 0 to 1.

    Attributes:
        ap: AP over IoU (boxes) or OKS (keypoints) 0.50:0.95, all sizes.
        ap50: AP at 0.50.
        ap75: AP at 0.75.
        ar: Recall over 0.50:0.95, at 100 boxes or 20 people per image.
        truths: Annotated objects that count (crowds and, for keypoints, unlabelled people do not).
        results: Results that were scored.
    """

    ap: float
    ap50: float
    ap75: float
    ar: float
    truths: int
    results: int


@dataclass(frozen=True)
class Report:
    """The figures of one evaluation; a task that was not asked for is None.

    Attributes:
        images: Images that were evaluated.
        boxes: Box AP over every class that model and annotations share.
        person: Box AP of the class person alone.
        keypoints: Keypoint AP.
        keypoint_boxes: Where the people came from, "detector" or "annotated".
        milliseconds: Per pass over the images ("boxes", "keypoints"), the wall time of the
            callable per image: mean and p50. The first image, which warms up, does not count.
    """

    images: int
    boxes: Scores | None = None
    person: Scores | None = None
    keypoints: Scores | None = None
    keypoint_boxes: str | None = None
    milliseconds: dict[str, dict[str, float]] = field(default_factory=dict)

    def merged(self, other: Report) -> Report:
        """This report with the tasks of another over the same images filled in."""
        found = {
            name: value
            for name in ("boxes", "person", "keypoints", "keypoint_boxes")
            if (value := getattr(other, name)) is not None
        }
        return replace(self, **found, milliseconds={**self.milliseconds, **other.milliseconds})

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)

    def table(self) -> Table:
        """The report as a rich table, one row a task."""
        from rich.table import Table

        table = Table(title=f"COCO accuracy on {self.images} images")
        table.add_column("task")
        for column in ("AP", "AP50", "AP75", "AR", "annotated", "results"):
            table.add_column(column, justify="right")
        people = f"keypoints, {self.keypoint_boxes} boxes"
        tasks = (("boxes", self.boxes), ("person boxes", self.person), (people, self.keypoints))
        for name, scores in tasks:
            if scores is not None:
                figures = (scores.ap, scores.ap50, scores.ap75, scores.ar)
                table.add_row(
                    name,
                    *(f"{figure:.4f}" for figure in figures),
                    str(scores.truths),
                    str(scores.results),
                )
        if self.milliseconds:
            table.caption = "; ".join(
                f"{name} pass: {times['mean']:.1f} ms per image (median {times['p50']:.1f})"
                for name, times in self.milliseconds.items()
            )
        return table
