"""Whether two passes over the same images counted the same."""

from __future__ import annotations

import platform

import numpy as np

from edgert.quant.statistics.stats import CalibrationStats, TensorStats

_ARM = platform.machine() == "aarch64"


def same_tensor(found: TensorStats, wanted: TensorStats) -> bool:
    """Equal; on Arm nearly, where ONNX Runtime's last bits depend on which values are outputs.

    The passes leave out what is known to be saturated, sooner or later as their threads come to it.
    """
    if not _ARM:
        return found == wanted
    if found.saturated or wanted.saturated:
        return found == wanted
    ends = np.allclose(
        (found.minimum, found.maximum), (wanted.minimum, wanted.maximum), rtol=1e-5, atol=1e-6
    )
    moved = np.abs(found.counts.astype(np.int64) - wanted.counts.astype(np.int64)).sum()
    total = wanted.counts.sum()
    return bool(
        ends
        and found.nonfinite == wanted.nonfinite
        and found.counts.sum() == total
        and moved <= 0.002 * total + 2
    )


def same_counts(found: CalibrationStats, wanted: CalibrationStats) -> bool:
    """Of the same tensors of the same network on the same images, as `same_tensor`."""
    return (
        (found.model_digest, found.preprocessing, found.items, found.finished)
        == (wanted.model_digest, wanted.preprocessing, wanted.items, wanted.finished)
        and list(found.tensors) == list(wanted.tensors)
        and all(same_tensor(found.tensors[n], wanted.tensors[n]) for n in wanted.tensors)
    )
