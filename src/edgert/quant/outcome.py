"""What the written model makes of images, beside what the float model makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgert.engines.onnxruntime_graph import OnnxRuntimeGraph
from edgert.quant.images.data import Item
from edgert.quant.report import accuracy_rows
from edgert.quant.report.content import Accuracy
from edgert.quant.trials.fidelity import Fidelity
from edgert.quant.trials.metrics import SignalToNoise
from edgert.quant.trials.task import Task
from edgert.result import Result

__all__ = ["outcome"]


def outcome(
    model: str | Path,
    other: str | Path,
    items: Iterable[Item],
    *,
    task: Task | None = None,
    threads: int | None = None,
) -> tuple[dict[str, float], tuple[Accuracy, ...]]:
    """Run both files as the runtime at hand does.

    Args:
        model: The float model.
        other: The quantized one.
        items: Images, or people cut out, that calibration has not seen.
        task: The figure against annotations, where there are any.
        threads: Threads within an operator; None: all cores.

    Returns:
        SQNR of each part of the outputs in dB; the task's figures before and after, and the
        agreement of the results.
    """
    graphs = [OnnxRuntimeGraph(path, threads=threads) for path in (model, other)]
    names = [spec.name for spec in graphs[0].outputs]
    agreed = Fidelity(model, threads)
    noise = SignalToNoise()
    pairs: list[tuple[Result, Result]] = []
    judged: tuple[list[Result], list[Result]] = ([], [])
    for item in items:
        first, second = (graph.run({graph.inputs[0].name: item.tensor}) for graph in graphs)
        noise.add(names, first, second)
        pairs.append((agreed.read(item, first), agreed.read(item, second)))
        if task is not None:
            for results, outputs in zip(judged, (first, second), strict=True):
                results.append(task.read(item, outputs))
    images = len({result.source for result, _ in pairs})
    accuracy = [Accuracy(agreed.name, None, agreed.share(pairs), "float model", images)]
    if task is not None:
        before, after = map(task.report, judged)
        accuracy = [*accuracy_rows(before, after), *accuracy]
    return dict(noise.per_part), tuple(accuracy)
