"""Reading a model's key-value notes."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from edgert import _core
from edgert.engine import Engine
from edgert.errors import ModelError

__all__ = [
    "blur_kernel",
    "choice",
    "imagenet_normalization",
    "numbers",
    "padding",
    "size",
    "value",
]

_IMAGENET_MEAN = [0.485, 0.456, 0.406]
_IMAGENET_STD = [0.229, 0.224, 0.225]


def value(engine: Engine, key: str) -> Any:
    """The Python literal under `key`, or None where there is none.

    Raises:
        ModelError: The text is no literal.
    """
    text = engine.metadata.get(key)
    if text is None:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise ModelError(
            f"{engine.path}: metadata {key} is {text!r}, expected a literal"
        ) from error


def numbers(
    engine: Engine, key: str, count: int, given: Sequence[float] | None
) -> list[float] | None:
    """`given`, else the list under `key`, else None.

    Raises:
        ModelError: There are not `count` numbers.
    """
    found = given if given is not None else value(engine, key)
    if found is None:
        return None
    try:
        result = [float(number) for number in found]
    except (TypeError, ValueError):
        result = []
    if len(result) != count:
        raise ModelError(f"{engine.path}: {key} is {found!r}, expected {count} numbers")
    return result


def choice(
    engine: Engine, key: str, given: str | None, options: Sequence[str], default: str
) -> str:
    """`given`, else the word under `key`, else `default`.

    Raises:
        ModelError: It is none of `options`.
    """
    found = given if given is not None else engine.metadata.get(key, default)
    if found not in options:
        raise ModelError(f"{engine.path}: {key} is {found!r}, expected one of {', '.join(options)}")
    return found


def size(engine: Engine, default: tuple[int, int]) -> tuple[int, int]:
    """The input (height, width): the model's own, else as told, else `imgsz`, else `default`.

    Raises:
        ModelError: What was told contradicts the model, or is no size.
    """
    height, width = engine.inputs[0].shape[2:]
    if height is None or width is None:
        found = engine.size or value(engine, "imgsz") or default
        pair = (found, found) if isinstance(found, int) else tuple(found)
        if len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
            raise ModelError(f"{engine.path}: size is {found!r}, expected (height, width)")
        return height or pair[0], width or pair[1]
    if engine.size is not None and tuple(engine.size) != (height, width):
        raise ModelError(
            f"{engine.path}: size {tuple(engine.size)} was asked for, but the model's input is "
            f"fixed at {(height, width)}; leave size out, or export the model with open sizes"
        )
    return height, width


def padding(engine: Engine, default: float) -> float:
    """How much larger than its box a person's crop is: as told, else as noted, else `default`.

    Raises:
        ModelError: It is not one positive number.
    """
    given = None if engine.padding is None else [engine.padding]
    found = numbers(engine, "edgert.padding", 1, given) or [default]
    if not found[0] > 0:
        raise ModelError(f"{engine.path}: padding is {found[0]}, expected more than 0")
    return found[0]


def blur_kernel(engine: Engine) -> int:
    """The size in cells of the Gaussian that DARK blurs a heatmap with; 11 where none is noted.

    OpenCV's for the sigma of the Gaussians that the network was taught: 7 for 1.5 cells, 11 for 2,
    17 for 3.

    Raises:
        ModelError: It is no odd number from 3 to 31.
    """
    (found,) = numbers(engine, "edgert.blur_kernel", 1, None) or [11.0]
    if found not in range(3, 32, 2):
        raise ModelError(
            f"{engine.path}: edgert.blur_kernel is {found:g}, expected an odd number from 3 to 31"
        )
    return int(found)


def imagenet_normalization(engine: Engine) -> _core.Normalization:
    """ImageNet's mean and deviation, unless told or noted otherwise; black outside the frame."""
    mean = numbers(engine, "edgert.mean", 3, engine.mean) or _IMAGENET_MEAN
    std = numbers(engine, "edgert.std", 3, engine.std) or _IMAGENET_STD
    return _core.Normalization(mean, std, 0.0)
