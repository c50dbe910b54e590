"""Figures of several splits as one table: means, and the spread from the lowest to the highest."""

import math


def _values(by_split, key):
    return [figures[key] for figures in by_split.values()]


def _spread(values, digits):
    mean = sum(values) / len(values)
    if math.isinf(mean):
        return "∞"
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({min(values):.{digits}f} .. {max(values):.{digits}f})"


def _losses(by_split, reference, key):
    """Points lost against FP32 on the same test images, split by split."""
    return [100 * (reference[name][key] - figures[key]) for name, figures in by_split.items()]


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


def markdown(found):
    """The table of one network: rows of `bench_quant_accuracy.Bench.rows`, by split."""
    reference = found["FP32", "", ""]
    first = next(iter(reference.values()))
    accuracy = [key for key in first if "AP" in key]
    moved = [key for key in first if key.startswith("moved")]
    noise = [key for key in first if key.startswith("SQNR")]
    total = first["convolutions"]
    header = [
        "tool",
        "method",
        "settings",
        *accuracy,
        f"{accuracy[0]} points lost",
        *moved,
        *(f"{key}, dB" for key in noise),
        f"float, of {total} convolutions",
        "chosen to keep",
        "CPU time, peak memory",
    ]
    lines = [_line(header), "|" + "---|" * 3 + "---:|" * (len(header) - 3)]
    for (tool, settings, method), by_split in found.items():
        losses = _losses(by_split, reference, accuracy[0])
        cells = [tool, method, settings]
        cells += [_spread(_values(by_split, key), 4) for key in accuracy]
        cells.append(_spread(losses, 2))
        cells += [_spread(_values(by_split, key), 2) for key in moved]
        cells += [_spread(_values(by_split, key), 1) for key in noise]
        lines.append(_line([*cells, *_layers(by_split), _cost(by_split)]))
    return "\n".join(lines)


def summary(found):
    """The table of one network in short: points lost, and the figures without steps."""
    reference = found["FP32", "", ""]
    first = next(iter(reference.values()))
    accuracy = next(key for key in first if "AP" in key)
    figures = [key for key in first if key.startswith(("moved", "SQNR")) and "output" not in key]
    value = sum(_values(reference, accuracy)) / len(reference)
    header = [
        "tool",
        "method, settings",
        f"{accuracy} points lost of {100 * value:.1f}",
        *(key if key.startswith("moved") else f"{key}, dB" for key in figures),
        "chosen to keep",
    ]
    lines = [_line(header), "|---|---|" + "---:|" * (len(header) - 2)]
    for (tool, settings, method), by_split in found.items():
        if tool == "FP32":
            continue
        cells = [tool, f"{method}; {settings}"]
        cells.append(_spread(_losses(by_split, reference, accuracy), 1))
        cells += [f"{sum(v) / len(v):.1f}" for v in (_values(by_split, key) for key in figures)]
        lines.append(_line([*cells, _layers(by_split)[1]]))
    return "\n".join(lines)


def _line(cells):
    return f"| {' | '.join(cells)} |"
