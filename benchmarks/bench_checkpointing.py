"""What HRNet's gradient checkpointing saves in memory and costs in time, a training step each.

    python benchmarks/bench_checkpointing.py --batch 8

Each row is a process of its own: the peak of one is not that of the one before. On a CPU it is that
of the process less what it had before its first step, on a GPU what PyTorch has allocated.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

import torch

from edgert.architectures.catalogue import ARCHITECTURES
from edgert.architectures.hrnet import HRNet

# glibc keeps what is freed below a threshold that grows up to 32 MB, and the peak would be its.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def step(network, crops, wanted):
    loss = (network(crops) - wanted).square().mean()
    loss.backward()
    network.zero_grad(set_to_none=True)
    return loss.item()


def measure(name, checkpointing, batch, steps, device):
    torch.manual_seed(1)
    shape = ARCHITECTURES[name]
    network = HRNet(shape).to(device).train()
    network.checkpointing = checkpointing
    height, width = shape.size
    crops = torch.rand(batch, 3, height, width, device=device)
    wanted = torch.rand(batch, shape.joints, height // 4, width // 4, device=device)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds, losses = [], []
    for _ in range(steps + 1):
        start = time.perf_counter()
        losses.append(step(network, crops, wanted))
        seconds.append(time.perf_counter() - start)
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    # The first step has the libraries' preparations in it.
    return {"peak": peak, "seconds": statistics.median(seconds[1:]), "losses": losses}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--row", nargs=2, metavar=("NAME", "CHECKPOINTING"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.row:
        name, checkpointing = args.row
        row = measure(name, checkpointing == "True", args.batch, args.steps, args.device)
        print(json.dumps(row))
        return
    on = torch.cuda.get_device_name() if args.device == "cuda" else platform.processor() or "CPU"
    print("| network | crops | checkpointing | peak memory | a step | memory, time |")
    print("|---|---:|---|---:|---:|---:|")
    for name in ("hrnet_w32", "hrnet_w48"):
        rows = {}
        for checkpointing in (False, True):
            command = [sys.executable, __file__, "--batch", str(args.batch)]
            command += ["--steps", str(args.steps), "--device", args.device]
            command += ["--row", name, str(checkpointing)]
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, env=os.environ | _MALLOC
            )
            row = rows[checkpointing] = json.loads(done.stdout)
            plain = rows[False]
            assert row["losses"][0] == plain["losses"][0], "not the same step"
            ratio = f"{row['peak'] / plain['peak']:.2f}x, {row['seconds'] / plain['seconds']:.2f}x"
            where = "stages 3, 4" if checkpointing else "none"
            print(
                f"| {name} | {args.batch} at 384x288 | {where} "
                f"| {row['peak'] / 2**30:.2f} GiB | {row['seconds']:.2f} s | {ratio} |",
                flush=True,
            )
    print(f"\nOne training step, {on}, PyTorch {torch.__version__}.")


if __name__ == "__main__":
    main()
