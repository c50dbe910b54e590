"""What training both networks has in common."""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from reservoir import Reservoir
from step import Step

__all__ = ["fit", "parser"]

_WARMUP = 0.03
_EVERY = 100  # steps between two lines, and two looks whether the loss is finite
_SAVED = 1000  # steps between two files of weights


def parser(network: str, batch: int, steps: int, kept: int) -> argparse.ArgumentParser:
    """The options of a training script."""
    made = argparse.ArgumentParser(
        description=f"Train {network} on rendered scenes; edgert export writes what it leaves.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = made.add_argument
    add("--steps", type=int, default=steps)
    add("--minutes", type=float, default=math.inf, help="be done by then, with fewer steps")
    add("--batch", type=int, default=batch)
    add("--kept", type=int, default=kept, help="rendered items on the device, to draw from")
    add("--uses", type=float, default=8, help="of a rendered item, at least, in the mean")
    add("--start", type=Path, help="weights to start from")
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
    items: IterableDataset[tuple[Tensor, ...]],
    mirror: Callable[..., tuple[Tensor, ...]],
    loss_of: Callable[[list[Tensor]], Tensor],
    args: argparse.Namespace,
) -> list[float]:
    """AdamW with a warm-up and a cosine down to nothing; a mean of the late weights is written.

    Args:
        network: On its device.
        items: What batches are drawn from.
        mirror: Turns half of a batch around.
        loss_of: The loss of a batch.
        args: Of `parser`.

    Returns:
        The loss of each step.

    Raises:
        FloatingPointError: A loss is not finite.
    """
    reservoir = Reservoir(items, args.kept, args.uses, args.workers, args.device, args.seed)
    if args.start:
        _begin_with(network, torch.load(args.start, weights_only=True))
    network.to(memory_format=torch.channels_last)

    def batch() -> list[Tensor]:
        return list(mirror(*reservoir.batch(args.batch)))

    mean = copy.deepcopy(network).eval()
    ours, theirs = _floats(mean), _floats(network)
    network.train()
    step = Step(network, loss_of, batch())
    losses: list[float] = []
    recent: list[Tensor] = []  # on the device: asking for each would make the GPU wait
    steps, done = 0, 0.0
    start = time.monotonic()
    with reservoir:
        while done < 1:
            rate = args.rate * min(1, done / _WARMUP + 1e-3) * 0.5 * (1 + math.cos(math.pi * done))
            recent.append(step(batch(), rate))
            steps += 1
            _draw_near(ours, theirs, steps)
            spent_min = (time.monotonic() - start) / 60
            done = max(steps / args.steps, spent_min / args.minutes)
            if steps % _EVERY == 0 or done >= 1:
                losses += torch.stack(recent).tolist()
                last = sum(losses[-len(recent) :]) / len(recent)
                recent.clear()
                if not math.isfinite(last):
                    raise FloatingPointError(
                        f"the loss is {last} by step {steps}; lower --rate {args.rate}"
                    )
                seen = f"{reservoir.rendered} rendered, {spent_min:.1f} min"
                print(f"step {steps}, {done:.0%}: loss {last:.4f}, {seen}", flush=True)
            if steps % _SAVED == 0 or done >= 1:
                torch.save(mean.state_dict(), args.output)
    return losses


def _begin_with(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Take weights of a network that may have another shape: what does not fit begins anew."""
    own = network.state_dict()
    fit = {
        name: value
        for name, value in weights.items()
        if name in own and own[name].shape == value.shape
    }
    network.load_state_dict(own | fit)
    if anew := sorted(own.keys() - fit.keys()):
        print(f"{len(anew)} of {len(own)} tensors begin anew: {', '.join(anew)}", flush=True)


def _floats(network: nn.Module) -> list[Tensor]:
    """Weights and statistics; a step changes them in place."""
    return [value for value in network.state_dict().values() if value.is_floating_point()]


@torch.no_grad()
def _draw_near(mean: list[Tensor], network: list[Tensor], steps: int) -> None:
    """An exponential mean over about a thousand steps, over fewer at first."""
    torch._foreach_lerp_(mean, network, 1 - min(0.999, (1 + steps) / (10 + steps)))
