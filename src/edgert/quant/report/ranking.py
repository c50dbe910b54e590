"""The sensitivity ranking as a picture, for a page that is not ours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.quant.report.content import LayerRow
from edgert.quant.report.layers import bar_length, loss_text

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

__all__ = ["ranking_picture"]

# Twice the size that it is looked at, for sharp letters on dense screens.
_SCALE = 2
_WIDTH, _ROW, _MARGIN = 1000, 22, 24
_GROUND, _TEXT, _QUIET = (255, 255, 255), (23, 32, 43), (91, 104, 119)
_BAR, _KEPT = (120, 168, 208), (180, 84, 10)


def ranking_picture(
    rows: Sequence[LayerRow],
    path: str | Path | None = None,
    *,
    metric: str | None = "sqnr",
    mode: str | None = "one-in",
    top: int = 30,
    title: str = "",
) -> Image:
    """Draws the layers that cost most, a bar each; orange ones stay in float.

    Args:
        rows: `Report.layers`; those without a rank are left out.
        path: Where to save it; the ending tells the format.
        metric: Of the scores.
        mode: Of the scores.
        top: At most so many layers.
        title: Over the bars.

    Returns:
        The picture, RGB.

    Raises:
        SinkError: It cannot be written.
        ValueError: No row has a rank, or the ending is of no format.
    """
    from PIL import Image, ImageDraw

    shown = sorted((r for r in rows if r.rank is not None), key=lambda r: r.rank or 0)[:top]
    if not shown:
        raise ValueError("there is no layer with a rank to draw; give what sensitivity found")
    head = 40 if title else 0
    height = 2 * _MARGIN + head + _ROW * len(shown)
    image = Image.new("RGB", (_WIDTH * _SCALE, height * _SCALE), _GROUND)
    draw = ImageDraw.Draw(image)
    small, large = _font(13 * _SCALE), _font(17 * _SCALE)
    if title:
        draw.text((_MARGIN * _SCALE, _MARGIN * _SCALE), title, _TEXT, large)
    labels = [_fitted(row.layer, small, 430 * _SCALE) for row in shown]
    values = [loss_text(row, metric, mode) for row in shown]
    left = (_MARGIN + 10) * _SCALE + max(small.getlength(label) for label in labels)
    right = (_WIDTH - _MARGIN - 10) * _SCALE - max(small.getlength(value) for value in values)
    lengths = [bar_length(row, metric, mode) for row in shown]
    longest = max(lengths) or 1.0
    for index, (row, label, value, length) in enumerate(
        zip(shown, labels, values, lengths, strict=True)
    ):
        middle = (_MARGIN + head + _ROW * index + _ROW / 2) * _SCALE
        end = left + max((right - left) * length / longest, 1)
        draw.text((left - 10 * _SCALE, middle), label, _TEXT, small, anchor="rm")
        half = 0.3 * _ROW * _SCALE
        colour = _KEPT if row.action == "float" else _BAR
        draw.rectangle((left, middle - half, end, middle + half), colour)
        draw.text((end + 8 * _SCALE, middle), value, _QUIET, small, anchor="lm")
    if path is not None:
        _save(image, Path(path))
    return image


def _save(image: Image, path: Path) -> None:
    from edgert.io.sinks.base import sink_error

    try:
        image.save(path)
    except OSError as error:
        raise sink_error("write", str(path), error) from error
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path}: no picture format of this ending; use .png") from error


def _fitted(text: str, font: FreeTypeFont, most: float) -> str:
    """Cut in the middle: names of layers begin alike and end alike."""
    if font.getlength(text) <= most:
        return text
    keep = len(text) - 1
    while keep > 2 and font.getlength(f"{text[: keep // 2]}…{text[-(keep - keep // 2) :]}") > most:
        keep -= 1
    return f"{text[: keep // 2]}…{text[-(keep - keep // 2) :]}"


@lru_cache(maxsize=4)
def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
