"""HRNet for poses (Sun et al. 2019); parameters are named as in its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from edgert.architectures.catalogue import HRNetShape

__all__ = ["HRNet"]


class HRNet(nn.Module):
    """A pose network that keeps a fine grid all the way, beside coarser ones that it talks to.

    Args:
        shape: Its size.

    Attributes:
        checkpointing: Stages 3 and 4 forget what is within their modules and compute it again for
            the gradients: less memory, more time, the same gradients and running statistics.
    """

    def __init__(self, shape: HRNetShape) -> None:
        super().__init__()
        self.shape = shape
        self.checkpointing = False
        stem, out = shape.stem, 4 * shape.first
        self.conv1 = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, stem, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(
            _Bottleneck(stem, shape.first),
            *(_Bottleneck(out, shape.first) for _ in range(shape.bottlenecks - 1)),
        )
        widths = tuple(min(shape.width * 2**branch, shape.most_channels) for branch in range(4))
        self.transition1 = _transition((out,), widths[:2])
        self.stage2 = _stage(widths[:2], shape.modules[0], shape.blocks)
        self.transition2 = _transition(widths[:2], widths[:3])
        self.stage3 = _stage(widths[:3], shape.modules[1], shape.blocks)
        self.transition3 = _transition(widths[:3], widths)
        self.stage4 = _stage(widths, shape.modules[2], shape.blocks, last=True)
        self.final_layer = nn.Conv2d(shape.width, shape.joints, 1)

    def forward(self, crops: Tensor) -> Tensor:
        """Heatmaps.

        Args:
            crops: (N, 3, H, W) RGB, normalised; H and W are multiples of 32.

        Returns:
            (N, joints, H / 4, W / 4).
        """
        value = self.relu(self.bn1(self.conv1(crops)))
        value = self.layer1(self.relu(self.bn2(self.conv2(value))))
        branches = self._run(self.stage2, _pass(self.transition1, [value]), False)
        branches = self._run(self.stage3, _pass(self.transition2, branches), True)
        branches = self._run(self.stage4, _pass(self.transition3, branches), True)
        return self.final_layer(branches[0])

    def _run(self, stage: nn.Sequential, branches: list[Tensor], heavy: bool) -> list[Tensor]:
        for module in stage:
            if heavy and self.checkpointing and self.training and torch.is_grad_enabled():
                branches = _forgetting(module, branches)
            else:
                branches = module(branches)
        return branches


def _forgetting(module: nn.Module, branches: list[Tensor]) -> list[Tensor]:
    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(module)

    made: list[Tensor] = checkpoint(
        lambda *values: module(list(values)), *branches, use_reentrant=False, context_fn=contexts
    )
    return made


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """The second time through, running statistics have had this batch already."""
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(batches)


class _Module(nn.Module):
    """Residual blocks on each branch, then every branch hears of every other."""

    def __init__(self, widths: tuple[int, ...], blocks: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(_BasicBlock(width) for _ in range(blocks))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_exchange(widths, source, target) for source in range(len(widths)))
            for target in range(outputs)
        )
        self.relu = nn.ReLU()

    def forward(self, values: list[Tensor]) -> list[Tensor]:
        values = [branch(value) for branch, value in zip(self.branches, values, strict=True)]
        fused = []
        for row in self.fuse_layers:
            told = [layer(value) for layer, value in zip(row, values, strict=True)]
            total = told[0]
            for value in told[1:]:
                total = total + value
            fused.append(self.relu(total))
        return fused


class _BasicBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()

    def forward(self, value: Tensor) -> Tensor:
        made = self.relu(self.bn1(self.conv1(value)))
        return self.relu(value + self.bn2(self.conv2(made)))


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, inner: int) -> None:
        super().__init__()
        outputs = 4 * inner
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.downsample = nn.Identity()
        if inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, value: Tensor) -> Tensor:
        made = self.relu(self.bn1(self.conv1(value)))
        made = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(made)))))
        return self.relu(self.downsample(value) + made)


def _stage(
    widths: tuple[int, ...], modules: int, blocks: int, *, last: bool = False
) -> nn.Sequential:
    """The last module of the last stage puts out its finest branch only."""
    outputs = [len(widths)] * (modules - 1) + [1 if last else len(widths)]
    return nn.Sequential(*(_Module(widths, blocks, count) for count in outputs))


def _transition(before: tuple[int, ...], after: tuple[int, ...]) -> nn.ModuleList:
    """To the branches of the next stage: those that are there change their width where they must.

    The new one, coarser by half than the last, comes of the last.
    """
    layers = [
        nn.Identity() if old == new else _down(old, new, 1)
        for old, new in zip(before, after, strict=False)
    ]
    layers.append(nn.Sequential(_down(before[-1], after[-1], 2)))
    return nn.ModuleList(layers)


def _pass(transition: nn.ModuleList, branches: list[Tensor]) -> list[Tensor]:
    values = [*branches, branches[-1]]
    return [layer(value) for layer, value in zip(transition, values, strict=True)]


def _exchange(widths: tuple[int, ...], source: int, target: int) -> nn.Module:
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            nn.Conv2d(widths[source], widths[target], 1, bias=False),
            nn.BatchNorm2d(widths[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    steps = [widths[source]] * (target - source) + [widths[target]]
    layers = [_down(old, new, 2) for old, new in pairwise(steps)]
    layers[-1] = layers[-1][:2]  # the sum of all branches is rectified, not its parts
    return nn.Sequential(*layers)


def _down(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
