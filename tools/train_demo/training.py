"""What training both networks has in common."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["fit", "parser"]

_CLIP = 10.0
_WARMUP = 0.05


def parser(network: str, batch: int, steps: int) -> argparse.ArgumentParser:
    """The options of a training script."""
    made = argparse.ArgumentParser(
        description=f"Train {network} on rendered scenes; edgert export writes what it leaves.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = made.add_argument
    add("--steps", type=int, default=steps)
    add("--batch", type=int, default=batch)
    add("--rate", type=float, default=2e-3, help="the highest learning rate")
    add("--workers", type=int, default=8, help="processes that render")
    add("--seed", type=int, default=1_000_000, help="of the first scene, and of the weights")
    add("--size", type=int, nargs=2, metavar=("H", "W"), help="network input")
    add("--frame", type=int, nargs=2, metavar=("H", "W"), default=(720, 1280))
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("-o", "--output", type=Path, default=Path(f"{network}.pt"))
    return made


def fit(
    network: nn.Module,
    batches: Iterable[Any],
    loss_of: Callable[[Any], Tensor],
    args: argparse.Namespace,
) -> list[float]:
    """AdamW with a warm-up and a cosine down to nothing; the weights are written at the end.

    Args:
        network: On its device.
        batches: As many as there are steps, or more.
        loss_of: The loss of a batch.
        args: Of `parser`.

    Returns:
        The loss of each step.

    Raises:
        FloatingPointError: A loss is not finite.
    """
    plain = [p for p in network.parameters() if p.requires_grad and p.ndim < 2]
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim >= 2]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.rate)
    warm = max(1, round(_WARMUP * args.steps))

    def share(step: int) -> float:
        down = 0.5 * (1 + math.cos(math.pi * step / args.steps))
        return min(1, (step + 1) / warm) * down

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    network.train()
    losses, start = [], time.monotonic()
    for step, batch in zip(range(args.steps), batches, strict=False):
        loss = loss_of(batch)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"step {step}: the loss is {losses[-1]}; lower --rate")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        optimizer.step()
        schedule.step()
        if step % 50 == 49 or step + 1 == args.steps:
            mean = sum(losses[-50:]) / len(losses[-50:])
            spent_s = time.monotonic() - start
            print(f"step {step + 1} of {args.steps}: loss {mean:.4f}, {spent_s:.0f} s")
    torch.save(network.eval().cpu().state_dict(), args.output)
    return losses
