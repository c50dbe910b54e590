"""What was seen of a model's tensors, and its file: the cache of a calibration."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgert.atomic import write_atomically
from edgert.errors import CalibrationError

__all__ = [
    "BINS",
    "NOTHING",
    "CalibrationStats",
    "TensorStats",
    "digest_of_all",
]

BINS = 32768
"""A magnitude's bin is its float32 bits without the sign, shifted right by 16."""

_FORMAT = "edgert calibration statistics"
_VERSION = 2


@dataclass(frozen=True, eq=False)
class TensorStats:
    """The values that one tensor took.

    Attributes:
        counts: (32768,) uint64, how many finite values x have the bin `float32 bits of |x| >> 16`:
            bin 0 holds zero (and what is under 1e-40), the others are 1/128 of an octave wide.
        minimum: The least finite value, exact; +inf where there is none.
        maximum: The greatest finite value, exact; -inf where there is none.
        nonfinite: How many values were infinite or not a number.
        saturated: The tensor comes from a Clip and has reached its end, over which nothing can be:
            minimum and maximum are those of the Clip, and nothing is counted.
    """

    counts: NDArray[np.uint64]
    minimum: float
    maximum: float
    nonfinite: int
    saturated: bool = False

    @classmethod
    def of_clip(cls, minimum: float, maximum: float) -> TensorStats:
        """Of a saturated tensor."""
        return cls(NOTHING.counts, minimum, maximum, 0, saturated=True)

    def __add__(self, other: TensorStats) -> TensorStats:
        if self.saturated or other.saturated:
            return self if self.saturated else other
        return TensorStats(
            self.counts + other.counts,
            min(self.minimum, other.minimum),
            max(self.maximum, other.maximum),
            self.nonfinite + other.nonfinite,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorStats):
            return NotImplemented
        mine = (self.minimum, self.maximum, self.nonfinite, self.saturated)
        theirs = (other.minimum, other.maximum, other.nonfinite, other.saturated)
        return mine == theirs and np.array_equal(self.counts, other.counts)


NOTHING = TensorStats(np.zeros(BINS, np.uint64), np.inf, -np.inf, 0)
"""Of a tensor that no value was seen of."""


@dataclass(frozen=True)
class CalibrationStats:
    """What `collect` has seen: enough to solve scales by any method, without the images.

    Attributes:
        tensors: By name, sorted.
        model_digest: Of graph and weights, in hex.
        preprocessing: How images became network inputs, in words: `CalibrationData.preprocessing`.
        items: The digests of the network inputs that were counted.
        finished: The digests of the images of which every item was counted.
    """

    tensors: Mapping[str, TensorStats]
    model_digest: str
    preprocessing: str
    items: frozenset[str]
    finished: frozenset[str]

    @property
    def images(self) -> int:
        """How many images were seen to the end."""
        return len(self.finished)

    @property
    def data_digest(self) -> str:
        """SHA-256 of the items' digests in order: the same for the same data in any order."""
        return digest_of_all(self.items)

    @classmethod
    def empty(
        cls, tensors: Collection[str], model_digest: str, preprocessing: str
    ) -> CalibrationStats:
        """Of no images at all."""
        return cls(
            dict.fromkeys(sorted(tensors), NOTHING),
            model_digest,
            preprocessing,
            frozenset(),
            frozenset(),
        )

    def merge(self, other: CalibrationStats) -> CalibrationStats:
        """The statistics of both sets of images.

        Raises:
            CalibrationError: They are of another model, preprocessing or list of tensors, or have
                seen some of the same items.
        """
        other.require(
            "the other statistics",
            model_digest=self.model_digest,
            preprocessing=self.preprocessing,
            tensors=self.tensors,
        )
        both = sorted(self.items & other.items)
        if both:
            raise CalibrationError(
                f"{len(both)} of {len(other.items)} items are in both statistics, the first with "
                f"the digest {both[0]}: they would count twice. Merge statistics of disjoint images"
            )
        return CalibrationStats(
            {name: mine + other.tensors[name] for name, mine in self.tensors.items()},
            self.model_digest,
            self.preprocessing,
            self.items | other.items,
            self.finished | other.finished,
        )

    def require(
        self,
        what: str | Path,
        *,
        model_digest: str | None = None,
        preprocessing: str | None = None,
        tensors: Collection[str] | None = None,
    ) -> None:
        """Make sure of what these statistics are of; what is None is not looked at.

        Raises:
            CalibrationError: They are of something else; the message shows both.
        """
        fix = "Collect anew, into another file, or give what it was collected with"
        for name, found, expected in (
            ("of a model with the digest", self.model_digest, model_digest),
            ("collected with the preprocessing", self.preprocessing, preprocessing),
        ):
            if expected is not None and found != expected:
                raise CalibrationError(f"{what}: {name} {found!r}, expected {expected!r}. {fix}")
        if tensors is not None and set(tensors) != set(self.tensors):
            missing = sorted(set(tensors) - set(self.tensors))
            surplus = sorted(set(self.tensors) - set(tensors))
            raise CalibrationError(
                f"{what}: of {len(self.tensors)} tensors, expected {len(set(tensors))}: "
                f"{_names('it lacks', missing)}{_names('it has beyond these', surplus)}{fix}"
            )

    def save(self, path: str | Path) -> None:
        """Write to a file, all of it or nothing; equal statistics give equal bytes.

        The file is a NumPy archive: `manifest`, JSON in UTF-8; `bins` (uint16) and `counts`
        (uint64), the bins that are not empty, tensor after tensor; `ends` (int64), where each
        tensor's end.
        """
        used = {name: np.flatnonzero(stats.counts) for name, stats in self.tensors.items()}
        manifest = {
            "format": _FORMAT,
            "version": _VERSION,
            "bins": "float32 bits of |x| >> 16",
            "model": self.model_digest,
            "preprocessing": self.preprocessing,
            "data": self.data_digest,
            "tensors": [
                {
                    "name": name,
                    "minimum": stats.minimum if math.isfinite(stats.minimum) else None,
                    "maximum": stats.maximum if math.isfinite(stats.maximum) else None,
                    "nonfinite": stats.nonfinite,
                    "saturated": stats.saturated,
                }
                for name, stats in self.tensors.items()
            ],
            "items": sorted(self.items),
            "finished": sorted(self.finished),
        }
        text = json.dumps(manifest, indent=1).encode()
        none = np.zeros(0, np.uint64)
        content = io.BytesIO()
        np.savez_compressed(
            content,
            manifest=np.frombuffer(text, np.uint8),
            bins=np.concatenate([none, *used.values()]).astype(np.uint16),
            counts=np.concatenate([none, *(s.counts[used[n]] for n, s in self.tensors.items())]),
            ends=np.cumsum([len(bins) for bins in used.values()], dtype=np.int64),
        )
        write_atomically(path, content.getvalue())

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        model_digest: str | None = None,
        preprocessing: str | None = None,
        tensors: Collection[str] | None = None,
    ) -> CalibrationStats:
        """Read what `save` wrote, and make sure of what it is of, as `require` does.

        Raises:
            CalibrationError: The file is missing or damaged, or of something else.
        """
        try:
            # Of bytes in memory: NumPy leaves a file that it cannot read open.
            with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as archive:
                stats = _decode(archive)
        except FileNotFoundError as error:
            raise CalibrationError(f"{path}: no such file") from error
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            EOFError,
            BadZipFile,
            zlib.error,
        ) as error:
            raise CalibrationError(
                f"{path}: not calibration statistics of this version of edgert, or damaged "
                f"({error}). Delete it and collect anew"
            ) from error
        stats.require(path, model_digest=model_digest, preprocessing=preprocessing, tensors=tensors)
        return stats


def _decode(archive: Any) -> CalibrationStats:
    manifest = json.loads(archive["manifest"].tobytes())
    found = manifest["format"], manifest["version"]
    if found != (_FORMAT, _VERSION):
        raise ValueError(f"found {found}, expected {(_FORMAT, _VERSION)}")
    rows, ends = manifest["tensors"], archive["ends"]
    bins, counts = archive["bins"], archive["counts"]
    if len(ends) != len(rows) or len(bins) != len(counts) or len(bins) != (*ends, 0)[len(rows) - 1]:
        raise ValueError("its parts do not fit together")
    tensors = {}
    for row, start, end in zip(rows, (0, *ends[:-1]), ends, strict=True):
        dense = np.zeros(BINS, np.uint64)
        dense[bins[start:end]] = counts[start:end]
        minimum = np.inf if row["minimum"] is None else float(row["minimum"])
        maximum = -np.inf if row["maximum"] is None else float(row["maximum"])
        odd, saturated = int(row["nonfinite"]), bool(row["saturated"])
        tensors[row["name"]] = TensorStats(dense, minimum, maximum, odd, saturated)
    stats = CalibrationStats(
        tensors,
        manifest["model"],
        manifest["preprocessing"],
        frozenset(manifest["items"]),
        frozenset(manifest["finished"]),
    )
    if stats.data_digest != manifest["data"]:
        raise ValueError(f"its items have the digest {stats.data_digest}, not {manifest['data']}")
    return stats


def digest_of_all(digests: Collection[str]) -> str:
    """SHA-256 in hex of digests in their own order: that of a set of them."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _names(what: str, names: list[str]) -> str:
    return f"{what} {', '.join(names[:3])}{' and others' if len(names) > 3 else ''}. " * bool(names)
