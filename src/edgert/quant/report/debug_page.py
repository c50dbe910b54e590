"""The page about two models of different precision."""

from __future__ import annotations

from pathlib import Path

from edgert.page.markup import (
    Cell,
    Column,
    Markup,
    details,
    page,
    picture,
    section,
    table,
    tag,
    tiles,
)
from edgert.quant.debugging.comparison import Comparison, FrameDifference, LayerDifference
from edgert.quant.report import charts
from edgert.quant.report.figures import decibels, number

__all__ = ["debug_page"]

_LAYER = (
    Column("layer", "code"),
    Column("op"),
    Column("SQNR, dB", "number"),
    Column("drop, dB", "number"),
    Column("NaN or infinite", "number"),
)


def debug_page(comparison: Comparison) -> str:
    """A comparison as one self-contained HTML page."""
    parts = [
        ("layers", "Layers", _layers(comparison)),
        ("frames", "Worst frames", _worst(comparison)),
        ("all", "All frames", _all_frames(comparison)),
    ]
    if comparison.missing:
        parts.append(("missing", "Not compared", _missing(comparison)))
    parts[0] = (*parts[0][:2], Markup(_tiles(comparison) + parts[0][2]))
    return page(
        f"{Path(comparison.other).name} against {Path(comparison.model).name}",
        f"{len(comparison.frames)} frames of {comparison.source}",
        parts,
        "SQNR: power of the first model's tensor over the power of the difference, all frames.",
    )


def _tiles(comparison: Comparison) -> Markup:
    frames = comparison.frames
    lost = sum(frame.agreement.lost for frame in frames)
    added = sum(frame.agreement.added for frame in frames)
    found = sum(frame.people[0] for frame in frames)
    farthest = max(
        (f.agreement.most_px for f in frames if f.agreement.most_px is not None), default=None
    )
    least = min(
        (f.agreement.least_iou for f in frames if f.agreement.least_iou is not None), default=None
    )
    first = comparison.first_parted
    where = "none" if first is None else decibels(first.signal_to_noise_db) or "not finite"
    by_name = {layer.name: layer for layer in comparison.layers}
    made = [
        (
            "First layer under the limit",
            "none" if first is None else f"{where} dB",
            f"all over {comparison.threshold_db:g} dB" if first is None else first.name,
        ),
        *(
            ("Output", f"{decibels(by_name[name].signal_to_noise_db)} dB", name)
            for name in comparison.outputs
            if name in by_name
        ),
        ("Detections lost, added", f"{lost}, {added}", f"of {found} in {len(frames)} frames"),
    ]
    if farthest is not None:
        made.append(("Farthest joint", f"{number(farthest)} px", "in frame pixels"))
    elif least is not None:
        made.append(("Least IoU", f"{least:.3f}", "of boxes that both have"))
    return tiles(made)


def _layers(comparison: Comparison) -> Markup:
    dots = [(layer.name, layer.signal_to_noise_db) for layer in comparison.layers]
    drops = comparison.largest_drops()
    return section(
        "layers",
        "Where the layers part",
        charts.profile(dots, comparison.threshold_db, "dB", "Signal to noise ratio of each layer"),
        tag("h3", "Largest drops"),
        table(_LAYER, map(_layer_row, drops)),
        details(f"All {len(dots)} layers", table(_LAYER, map(_layer_row, comparison.layers))),
        note="Every tensor that both models compute, in the order of the graph. A drop is how much "
        "noisier a layer is than the noisiest of those it is computed from.",
    )


def _layer_row(layer: LayerDifference) -> list[Cell]:
    return [
        layer.name,
        layer.op,
        decibels(layer.signal_to_noise_db),
        decibels(layer.drop_db),
        f"{layer.nonfinite:,}" if layer.nonfinite else None,
    ]


def _worst(comparison: Comparison) -> Markup:
    parts: list[str] = []
    for title, positions in (
        ("By what is seen", comparison.worst_seen),
        ("By the noise of the outputs", comparison.worst_noise),
    ):
        if positions:
            parts.append(tag("h3", title))
        for position in positions:
            frame = comparison.frames[position]
            parts.append(
                tag("p", f"Frame {frame.index} of {Path(frame.source).name}: {_words(frame)}")
            )
            pair = comparison.pictures.get(position)
            if pair is not None:
                models = (comparison.model, comparison.other)
                shown = (picture(jpeg, Path(m).name) for jpeg, m in zip(pair, models, strict=True))
                parts.append(tag("div", *shown, class_="pair"))
    if not parts:
        parts.append(tag("p", "No frame differs."))
    return section(
        "frames",
        "Worst frames",
        *parts,
        note="Who is in both results has the same colour and number; who is in one alone is grey.",
    )


def _words(frame: FrameDifference) -> str:
    found = frame.agreement
    parts = [f"{frame.people[0]} against {frame.people[1]} detections"]
    for count, what in (
        (found.lost, "lost"),
        (found.added, "added"),
        (found.joints_lost, "joints lost"),
        (found.joints_added, "joints added"),
    ):
        if count:
            parts.append(f"{count} {what}")
    if found.most_px is not None:
        parts.append(f"joints moved up to {number(found.most_px)} px")
    elif found.least_iou is not None:
        parts.append(f"least IoU {found.least_iou:.3f}")
    if frame.nonfinite:
        parts.append(f"{frame.nonfinite:,} output values not finite")
    if frame.signal_to_noise_db is not None:
        parts.append(f"output SQNR {decibels(frame.signal_to_noise_db)} dB")
    return ", ".join(parts) + "."


def _all_frames(comparison: Comparison) -> Markup:
    joints = any(frame.agreement.joints for frame in comparison.frames)
    columns = [
        Column("frame", "number"),
        Column("source"),
        Column("detections", "number"),
        Column("lost", "number"),
        Column("added", "number"),
        Column("mean IoU", "number"),
        *([Column("joints moved, px", "number"), Column("most, px", "number")] if joints else []),
        Column("output SQNR, dB", "number"),
    ]
    rows: list[list[Cell]] = []
    for frame in comparison.frames:
        found = frame.agreement
        moved = [number(found.mean_px), number(found.most_px)] if joints else []
        rows.append(
            [
                str(frame.index),
                Path(frame.source).name,
                f"{frame.people[0]} → {frame.people[1]}",
                str(found.lost),
                str(found.added),
                None if found.mean_iou is None else f"{found.mean_iou:.3f}",
                *moved,
                decibels(frame.signal_to_noise_db),
            ]
        )
    ratios = [(f"frame {f.index}", f.signal_to_noise_db) for f in comparison.frames]
    return section(
        "all",
        "All frames",
        charts.profile(ratios, None, "dB", "Signal to noise ratio of each frame's outputs"),
        details(f"All {len(rows)} frames", table(columns, rows)),
    )


def _missing(comparison: Comparison) -> Markup:
    columns = (Column("tensor", "code"), Column("why"))
    return section(
        "missing",
        "Not compared",
        details(
            f"{len(comparison.missing)} tensors of {Path(comparison.model).name}",
            table(columns, comparison.missing),
        ),
        note="Layers of the first model whose tensor the second does not have under the same name.",
    )
