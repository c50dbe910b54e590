"""`--shape NAME=NxCxHxW`: the shape of an input with open sizes."""

from __future__ import annotations

import argparse

__all__ = ["add_shape", "shapes_of"]


def add_shape(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--shape",
        metavar="NAME=NxCxHxW",
        nargs="+",
        default=[],
        help="shape of an input with open sizes beyond the batch",
    )


def shapes_of(args: argparse.Namespace) -> dict[str, tuple[int, ...]]:
    """What was said, by input."""
    return dict(_shape(text, args) for text in args.shape)


def _shape(text: str, args: argparse.Namespace) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.rpartition("=")
    parts = sizes.split("x")
    if not name or not all(part.isdigit() and int(part) > 0 for part in parts):
        args.usage_error(f"--shape {text}: expected NAME=NxCxHxW, as in images=1x3x640x640")
    return name, tuple(map(int, parts))
