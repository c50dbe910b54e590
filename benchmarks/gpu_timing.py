"""What an operation takes on a GPU, as part of a replayed CUDA graph, beside what it must take."""

import functools
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

DEVICE = "cuda:0"
CACHE_BYTES = 160e6  # more than any chip's


@dataclass
class Row:
    """Microseconds a call; of the others, None where they cannot do it or are not installed."""

    name: str
    bytes: int
    floor_us: float
    copy_us: float | None
    edgert_us: float
    of_floor: float
    over_empty_us: float
    torch_us: float | None
    torch_graph: bool
    cvcuda_us: float | None = None


def replayed(enqueue, sets, launches=64, repeats=30):
    """Microseconds of enqueue(set), called on the current stream, as part of a replayed graph."""
    launches = max(launches, sets)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for i in range(sets):
            enqueue(i)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for i in range(launches):
            enqueue(i % sets)
    return timed(graph.replay, launches, repeats, warmup=5)


def timed(call, count, repeats, warmup):
    """Median microseconds of `call`, over `count`."""
    for _ in range(warmup):
        call()
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return 1e3 * median(times) / count


def graph_or_eager(call, sets):
    """Time of somebody else's operation, and whether it can be captured; else calls in turns."""
    try:
        return replayed(call, sets), True
    except RuntimeError:
        torch.cuda.synchronize()

    def everything():
        for i in range(sets):
            call(i)

    return timed(everything, sets, 20, warmup=3), False


def measured(name, moved, edgert, torch_call, *, cvcuda=None):
    """One row; `edgert(i, stream)` and the others work on buffer set i."""
    sets = set_count(moved)

    def enqueue(i):
        edgert(i, torch.cuda.current_stream().cuda_stream)

    own = replayed(enqueue, sets)
    theirs, captured = graph_or_eager(torch_call, sets)
    floor = moved / bandwidth() * 1e6
    other = None if cvcuda is None else graph_or_eager(cvcuda, sets)[0]
    return Row(
        name,
        moved,
        floor,
        copy_us(moved),
        own,
        floor / own,
        own - empty_us(),
        theirs,
        captured,
        other,
    )


def set_count(moved):
    return int(np.clip(np.ceil(CACHE_BYTES / moved), 1, 48))


@functools.cache
def bandwidth():
    """Bytes a second of a copy on the device, read and written."""
    size = 1 << 29
    source, target = (torch.zeros(size, dtype=torch.uint8, device=DEVICE) for _ in range(2))
    return 2 * size / (replayed(lambda i: target.copy_(source), 1, launches=8) * 1e-6)


@functools.cache
def empty_us():
    """A launch that does nothing: a wait of no cycles."""
    return replayed(lambda i: torch.cuda._sleep(0), 1, launches=200)


@functools.cache
def copy_us(moved):
    """A bare copy that moves as many bytes: what a kernel so short can come to at all."""
    half = -(-moved // 2 // 256) * 256  # both begin at a whole line: one that does not is slow
    sets = [torch.zeros(2, half, dtype=torch.uint8, device=DEVICE) for _ in range(set_count(moved))]
    return replayed(lambda i: sets[i][1].copy_(sets[i][0]), len(sets))
