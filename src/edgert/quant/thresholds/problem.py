"""Problem: the histograms to solve, checked, with what the user wants of single tensors."""

from __future__ import annotations

import difflib
import math
import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgert.errors import DamagedInputWarning
from edgert.quant.thresholds._solvers import Distribution
from edgert.quant.thresholds.method import Method
from edgert.quant.thresholds.scales import SMALLEST_SCALE, Scales, levels

__all__ = ["Overrides", "Problem", "Statistics"]

Overrides = Mapping[str, "str | float | Mapping[str, Any]"]

_NAMED_IN_A_WARNING = 5


class Histogram(Protocol):
    """What is known of a tensor's values: see `TensorStats`."""

    @property
    def counts(self) -> NDArray[np.uint64]: ...
    @property
    def minimum(self) -> float: ...
    @property
    def maximum(self) -> float: ...
    @property
    def nonfinite(self) -> int: ...
    @property
    def saturated(self) -> bool: ...


class Statistics(Protocol):
    """Histograms by tensor name: see `CalibrationStats`."""

    @property
    def tensors(self) -> Mapping[str, Histogram]:
        """Every tensor that was collected."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Tensors with one threshold, mostly a single one.

    Attributes:
        distribution: Of those that were counted; None where all are saturated.
        absmax: Of these.
        end: Where the Clips of saturated ones end, the furthest; 0 where there are none.
    """

    names: tuple[str, ...]
    distribution: Distribution | None
    absmax: float
    end: float
    levels: int
    override: Method | None

    def threshold(self, method: Method) -> tuple[float, str]:
        """By this method or the override, and what it is called."""
        used = self.override or method
        if used.name == "fixed":
            return used.value, str(used)
        found = 0.0
        if self.distribution is not None:
            found = used.threshold(self.distribution, self.absmax, self.levels)
        return (self.end, "clip") if self.end > found else (found, str(used))


@dataclass(frozen=True, slots=True)
class Problem:
    """Statistics read and checked once, however many methods are tried on them."""

    order: tuple[str, ...]
    groups: tuple[_Group, ...]
    bounds: Mapping[str, float]
    nonfinite: tuple[str, ...]

    @classmethod
    def of(
        cls,
        stats: Statistics,
        overrides: Overrides,
        groups: Iterable[Sequence[str]],
        unsigned: Collection[str],
        bounds: Mapping[str, float],
        percentile: float = 99.99,
    ) -> Problem:
        """Read and check the arguments of `solve`, which documents them."""
        tensors = {name: t for name, t in stats.tensors.items() if name not in bounds}
        methods = _match(overrides, tensors, percentile)
        for name, bound in bounds.items():
            if not (math.isfinite(bound) and bound > 0):
                raise ValueError(f"bound of {name!r} must be finite and positive, not {bound}")
        _check_known("unsigned", (name for name in unsigned if name not in bounds), tensors)
        below = [name for name in unsigned if name in tensors and tensors[name].minimum < 0]
        if below:
            raise ValueError(
                f"unsigned tensor {below[0]!r} has values down to {tensors[below[0]].minimum:g}, "
                f"which 255 levels above zero cannot hold. Leave it out of unsigned."
            )
        members = _partition(tensors, (g for g in groups if len(g) != 1 or g[0] not in bounds))
        return cls(
            (*tensors, *bounds),
            tuple(_group(names, tensors, methods, frozenset(unsigned)) for names in members),
            bounds,
            tuple(f"{name} ({t.nonfinite} values)" for name, t in tensors.items() if t.nonfinite),
        )

    def warn(self) -> None:
        """Name the tensors that the data says too little of."""
        solved = [g for g in self.groups if g.override is None or g.override.name != "fixed"]
        dead = [n for group in solved if group.absmax == group.end == 0 for n in group.names]
        small = [
            f"{name} (up to {group.absmax:.3g})"
            for group in solved
            if 0 < max(group.absmax, group.end) < group.levels * SMALLEST_SCALE
            for name in group.names
        ]
        for names, what in (
            (self.nonfinite, "values that are not finite, which are left out"),
            (
                dead,
                "no value but zero in the calibration data; the smallest scale, 2**-14, is used",
            ),
            (small, "values so small that the smallest scale, 2**-14, leaves them fewer levels"),
        ):
            if names:
                more = len(names) - _NAMED_IN_A_WARNING
                listed = ", ".join(names[:_NAMED_IN_A_WARNING])
                text = f"tensors with {what}: {listed}{f' and {more} more' if more > 0 else ''}"
                warnings.warn(text, DamagedInputWarning, stacklevel=4)

    def solve(self, method: Method) -> Scales:
        """Every group's threshold, by its override or else by this method."""
        thresholds = dict(self.bounds)
        methods = dict.fromkeys(self.bounds, "bound")
        for group in self.groups:
            threshold, found_by = group.threshold(method)
            for name in group.names:
                thresholds[name], methods[name] = threshold, found_by
        order = self.order
        return Scales(
            {n: thresholds[n] for n in order}, {n: methods[n] for n in order}, str(method)
        )


def _match(
    overrides: Overrides, tensors: Mapping[str, Histogram], percentile: float
) -> dict[str, Method]:
    methods: dict[str, Method] = {}
    for pattern, given in overrides.items():
        try:
            matching = [name for name in tensors if re.search(pattern, name)]
            method = Method.parse(given, percentile=percentile)
        except (re.error, ValueError) as error:
            raise ValueError(f"override {pattern!r}: {error}") from error
        if not matching:
            _raise_unknown("override", pattern, tensors)
        methods.update(dict.fromkeys(matching, method))
    return methods


def _partition(
    tensors: Mapping[str, Histogram], groups: Iterable[Sequence[str]]
) -> list[tuple[str, ...]]:
    # Whoever lists the group of every tensor lists each group as often as it has tensors.
    members = list(dict.fromkeys(tuple(names) for names in groups if names))
    grouped: set[str] = set()
    for names in members:
        _check_known("group", names, tensors)
        twice = [n for i, n in enumerate(names) if n in grouped or n in names[:i]]
        if twice:
            raise ValueError(f"tensor {twice[0]!r} is in two groups: join them")
        grouped.update(names)
    return members + [(name,) for name in tensors if name not in grouped]


def _group(
    names: tuple[str, ...],
    tensors: Mapping[str, Histogram],
    methods: Mapping[str, Method],
    unsigned: frozenset[str],
) -> _Group:
    signs = {name in unsigned for name in names}
    if len(signs) > 1:
        raise ValueError(
            f"group {', '.join(names)} is partly unsigned: one scale needs all or none"
        )
    overrides = {methods[name] for name in names if name in methods}
    if len(overrides) > 1:
        raise ValueError(
            f"group {', '.join(names)} shares one threshold, and its overrides differ: "
            f"{', '.join(sorted(map(str, overrides)))}"
        )
    end = max((tensors[name].maximum for name in names if tensors[name].saturated), default=0.0)
    counted = [tensors[name] for name in names if not tensors[name].saturated]
    absmax = max(map(_absmax, counted), default=0.0)
    distribution = None
    if counted:
        counts = sum((tensor.counts for tensor in counted[1:]), np.asarray(counted[0].counts))
        try:
            distribution = Distribution(np.ascontiguousarray(counts), absmax)
        except ValueError as error:
            raise ValueError(f"statistics of {', '.join(names)}: {error}") from error
    override = next(iter(overrides), None)
    return _Group(names, distribution, absmax, end, levels(signs.pop()), override)


def _absmax(tensor: Histogram) -> float:
    if not (tensor.minimum <= tensor.maximum):  # nothing was finite, or nothing was seen
        return 0.0
    return max(abs(float(tensor.minimum)), abs(float(tensor.maximum)))


def _check_known(what: str, names: Iterable[str], tensors: Mapping[str, Histogram]) -> None:
    for name in names:
        if name not in tensors:
            _raise_unknown(what, name, tensors)


def _raise_unknown(what: str, name: str, tensors: Mapping[str, Histogram]) -> None:
    near = difflib.get_close_matches(name, tensors, n=3, cutoff=0.4)
    hint = f"near it: {', '.join(near)}" if near else f"e.g. {', '.join([*tensors][:3])}"
    raise ValueError(f"{what} {name!r} is none of the {len(tensors)} tensors collected; {hint}")
