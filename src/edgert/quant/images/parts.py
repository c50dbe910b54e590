"""Three parts of the images: to calibrate, to tune, to measure; none sees another's images."""

from __future__ import annotations

from dataclasses import dataclass

from edgert.errors import SourceError
from edgert.quant.images.data import CalibrationData, Item

__all__ = ["Parts", "split", "whole_images"]

# Which image is in which part is the same in every run.
_SEED = 7
_LEAST = 4
# A fifth is for tuning and a fifth for measuring, up to what a decision needs. A trial holds its
# images in memory, and runs them a hundred times; measuring runs them twice.
_SHARE = 5
_TUNED, _TUNED_BY_AP, _MEASURED = 16, 32, 64


@dataclass(frozen=True)
class Parts:
    """The images of a quantization.

    Attributes:
        calibrate: What thresholds, ranges and biases are from.
        tune: What method and layers are chosen on.
        measure: What the result is measured on.
        notes: Why parts have images in common, where they have.
        dropped: Parts that could not be used.
    """

    calibrate: CalibrationData
    tune: CalibrationData
    measure: CalibrationData
    notes: tuple[str, ...] = ()
    dropped: tuple[CalibrationData, ...] = ()

    @property
    def skipped(self) -> list[str]:
        """What was broken in any of them, each named once."""
        every = (self.calibrate, self.tune, self.measure, *self.dropped)
        return list(dict.fromkeys(name for part in every for name in part.skipped))


def split(data: CalibrationData, by_accuracy: bool) -> Parts:
    """Deal the images out, the same way every time.

    Args:
        data: All of them.
        by_accuracy: Whether the tuning images have to give a figure such as AP, which needs more.

    Raises:
        ValueError: How many there are is not known beforehand.
    """
    try:
        count = len(data.pictures)
    except TypeError as error:
        raise ValueError(f"quantize goes through the images several times, but {error}") from None
    if count < _LEAST:
        return Parts(data, data, data, (_too_few(f"{count} images"),))
    tuned = min(max(count // _SHARE, 1), _TUNED_BY_AP if by_accuracy else _TUNED)
    measured = min(max(count // _SHARE, 1), _MEASURED)
    calibrate, held_out = data.split(1 - (tuned + measured) / count, _SEED)
    tune, measure = held_out.split(tuned / (tuned + measured), _SEED)
    if 0 in (len(calibrate.pictures), len(tune.pictures), len(measure.pictures)):
        return Parts(data, data, data, (_too_few(f"{count} images, most of them equal"),))
    notes: list[str] = []
    dropped: list[CalibrationData] = []
    parts: list[CalibrationData] = []
    for part, what in ((tune, "method and layers are chosen"), (measure, "the result is measured")):
        why = _unusable(part)
        if why is not None:
            notes.append(f"{why}; {what} on the images of calibration")
            dropped.append(part)
        parts.append(part if why is None else calibrate)
    tune, measure = parts
    return Parts(calibrate, tune, measure, tuple(notes), tuple(dropped))


def whole_images(data: CalibrationData, most: int) -> list[Item]:
    """Items of the first images, all of each, until there are `most`."""
    found: list[Item] = []
    for _, items in data.images():
        found += items
        if len(found) >= most:
            break
    return found


def _unusable(part: CalibrationData) -> str | None:
    """Why there is nothing in a part to run the network on."""
    try:
        next(iter(part))
    except SourceError as error:
        return f"of the {len(part.pictures)} images held out: {error}"
    return None


def _too_few(what: str) -> str:
    return (
        f"{what}: too few to hold some out, so what is measured is measured on images that the "
        f"thresholds are from; give at least {_LEAST} different ones"
    )
