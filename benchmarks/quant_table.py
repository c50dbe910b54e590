"""Figures of several splits as one table: means with their spread, differences with intervals."""

import math

FLOAT = "FP32", "", ""
DEFAULT = "edgert", "portable", "percentile 99.99"
_KEPT = ", keep-list"

_DIFFERENCES = {
    "lost": "points lost",
    "behind": "points behind",
    "by keeping": "points lost by keeping",
}


def compared_with(row):
    """By kind of difference, the row that this one is compared with."""
    tool, settings, method = row
    references = {"lost": FLOAT, "behind": DEFAULT}
    if settings.endswith(_KEPT):
        references["by keeping"] = tool, settings.removesuffix(_KEPT), method
    return references


def _values(by_split, key):
    return [figures[key] for figures in by_split.values()]


def _spread(values, digits):
    mean = sum(values) / len(values)
    if math.isinf(mean):
        return "∞"
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({min(values):.{digits}f} .. {max(values):.{digits}f})"


def _points(pooled, key):
    """A difference and its interval; bold where it is not of the choice of images."""
    found = pooled.get(key)
    if found is None or found["low"] == found["high"] == 0:
        return ""
    value = f"**{found['points']:.1f}**" if found["low"] * found["high"] > 0 else ""
    return f"{value or format(found['points'], '.1f')} [{found['low']:.1f}, {found['high']:.1f}]"


def _cost(by_split):
    costs = [figures["cost"] for figures in by_split.values() if "cost" in figures]
    if not costs:
        return ""
    seconds = sum(cost["cpu_seconds"] for cost in costs) / len(costs)
    return f"{seconds:.0f} s, {max(cost['peak_mib'] for cost in costs):.0f} MiB"


def _layers(by_split):
    kept = [figures["float convolutions"] for figures in by_split.values()]
    chosen = [figures.get("kept", 0) for figures in by_split.values()]
    total = next(iter(by_split.values()))["convolutions"]
    share = f"{100 * max(chosen) / total:.1f} %" if max(chosen) else ""
    return f"{min(kept)}" + (f" .. {max(kept)}" if max(kept) > min(kept) else ""), share


def markdown(found, pooled):
    """The table of one network.

    Args:
        found: Rows of `bench_quant_accuracy.Bench.rows`, by split.
        pooled: By row, `bench_quant_accuracy.compared`.
    """
    first = next(iter(found[FLOAT].values()))
    accuracy = [key for key in first if "AP" in key]
    moved = [key for key in first if key.startswith("moved")]
    noise = [key for key in first if key.startswith("SQNR")]
    total = first["convolutions"]
    header = [
        "tool",
        "method",
        "settings",
        *accuracy,
        f"{accuracy[0]} of all",
        *_DIFFERENCES.values(),
        *moved,
        *(f"{key}, dB" for key in noise),
        f"float, of {total} convolutions",
        "chosen to keep",
        "CPU time, peak memory",
    ]
    lines = [_line(header), "|" + "---|" * 3 + "---:|" * (len(header) - 3)]
    for row, by_split in found.items():
        tool, settings, method = row
        cells = [tool, method, settings]
        cells += [_spread(_values(by_split, key), 4) for key in accuracy]
        cells.append(f"{pooled[row]['AP']:.4f}")
        cells += [_points(pooled[row], key) for key in _DIFFERENCES]
        cells += [_spread(_values(by_split, key), 2) for key in moved]
        cells += [_spread(_values(by_split, key), 1) for key in noise]
        lines.append(_line([*cells, *_layers(by_split), _cost(by_split)]))
    return "\n".join(lines)


def summary(found, pooled):
    """The table of one network in short: points lost and behind, and the figures without steps."""
    first = next(iter(found[FLOAT].values()))
    accuracy = next(key for key in first if "AP" in key)
    figures = [key for key in first if key.startswith(("moved", "SQNR")) and "output" not in key]
    header = [
        "tool",
        "method, settings",
        f"{accuracy} points lost of {100 * pooled[FLOAT]['AP']:.1f}",
        *list(_DIFFERENCES.values())[1:],
        *(key if key.startswith("moved") else f"{key}, dB" for key in figures),
        "chosen to keep",
    ]
    lines = [_line(header), "|---|---|" + "---:|" * (len(header) - 2)]
    for row, by_split in found.items():
        if row == FLOAT:
            continue
        tool, settings, method = row
        cells = [tool, f"{method}; {settings}"]
        cells += [_points(pooled[row], key) for key in _DIFFERENCES]
        cells += [f"{sum(v) / len(v):.1f}" for v in (_values(by_split, key) for key in figures)]
        lines.append(_line([*cells, _layers(by_split)[1]]))
    return "\n".join(lines)


def _line(cells):
    return f"| {' | '.join(cells)} |"
