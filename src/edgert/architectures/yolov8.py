"""YOLOv8, from its public description; parameters are named as in its checkpoints."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from edgert.architectures.catalogue import Yolov8Shape

__all__ = ["Yolov8", "cell_centers"]

STRIDES = (8, 16, 32)
# What a class scores at first: about five objects a picture, whatever the size of the grid.
_OBJECTS, _PICTURE_PX = 5, 640


class Yolov8(nn.Module):
    """A detector without anchor boxes: a distance distribution for each side, a score a class.

    Args:
        shape: Its size and classes.
    """

    def __init__(self, shape: Yolov8Shape) -> None:
        super().__init__()
        self.shape = shape

        def channels(count: int) -> int:
            return 8 * math.ceil(min(count, shape.most_channels) * shape.width / 8)

        def blocks(count: int) -> int:
            return max(round(count * shape.depth), 1)

        c1, c2, c3, c4, c5 = (channels(count) for count in (64, 128, 256, 512, 1024))
        layers = [
            _Conv(3, c1, 3, 2),
            _Conv(c1, c2, 3, 2),
            _C2f(c2, c2, blocks(3), shortcut=True),
            _Conv(c2, c3, 3, 2),
            _C2f(c3, c3, blocks(6), shortcut=True),
            _Conv(c3, c4, 3, 2),
            _C2f(c4, c4, blocks(6), shortcut=True),
            _Conv(c4, c5, 3, 2),
            _C2f(c5, c5, blocks(3), shortcut=True),
            _SPPF(c5, c5),
            nn.Upsample(scale_factor=2, mode="nearest"),
            _Concat(6),
            _C2f(c5 + c4, c4, blocks(3)),
            nn.Upsample(scale_factor=2, mode="nearest"),
            _Concat(4),
            _C2f(c4 + c3, c3, blocks(3)),
            _Conv(c3, c3, 3, 2),
            _Concat(12),
            _C2f(c3 + c4, c4, blocks(3)),
            _Conv(c4, c4, 3, 2),
            _Concat(9),
            _C2f(c4 + c5, c5, blocks(3)),
            _Detect((c3, c4, c5), len(shape.names), shape.bins),
        ]
        self.model = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = 1e-3, 0.03
            elif isinstance(module, _Conv) and shape.relu:
                module.activation = nn.functional.relu

    def levels(self, images: Tensor) -> list[Tensor]:
        """The raw head: for each stride (B, 4 * bins + C, h, w), sides before classes as logits."""
        kept: list[Tensor] = []
        value = images
        *body, head = self.model
        for layer in body:
            value = layer(value, kept[layer.other]) if isinstance(layer, _Concat) else layer(value)
            kept.append(value)
        return [head.level(i, kept[layer]) for i, layer in enumerate((15, 18, 21))]

    def forward(self, images: Tensor) -> Tensor:
        """Boxes and scores.

        Args:
            images: (B, 3, H, W) RGB in [0, 1]; H and W are multiples of 32.

        Returns:
            (B, 4 + C, A): centre x and y, width and height in network pixels, C scores in [0, 1].
        """
        levels = self.levels(images)
        grids = [(int(level.shape[2]), int(level.shape[3])) for level in levels]
        centers, strides = cell_centers(grids, images.device)
        values = 4 * self.shape.bins + len(self.shape.names)
        # -1 stands for the batch: the only size that an exported model leaves open.
        flat = [
            level.reshape(-1, values, height * width)
            for level, (height, width) in zip(levels, grids, strict=True)
        ]
        rows = torch.cat(flat, 2)
        boxes = self.boxes(rows[:, : 4 * self.shape.bins], centers, strides)
        low, high = boxes.split(2, 1)
        scores = rows[:, 4 * self.shape.bins :].sigmoid()
        return torch.cat([(low + high) / 2, high - low, scores], 1)

    def boxes(self, sides: Tensor, centers: Tensor, strides: Tensor) -> Tensor:
        """Corners from distance distributions.

        Args:
            sides: (B, 4 * bins, A) logits: left, top, right, bottom.
            centers: (2, A) in network pixels.
            strides: (A,) in network pixels.

        Returns:
            (B, 4, A) xyxy in network pixels.
        """
        bins = sides.reshape(-1, 4, self.shape.bins, strides.shape[0])
        low, high = self.model[-1].dfl(bins).split(2, 1)
        return torch.cat([centers - low * strides, centers + high * strides], 1)


def cell_centers(grids: Sequence[tuple[int, int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Centres (2, A) and strides (A,) of all cells in network pixels, row by row."""
    centers, strides = [], []
    for stride, (height, width) in zip(STRIDES, grids, strict=True):
        x = (torch.arange(width, device=device) + 0.5) * stride
        y = (torch.arange(height, device=device) + 0.5) * stride
        centers.append(torch.stack([x.repeat(height), y.repeat_interleave(width)]))
        strides.append(torch.full((height * width,), float(stride), device=device))
    return torch.cat(centers, 1), torch.cat(strides)


class _Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.activation: Callable[[Tensor], Tensor] = nn.functional.silu

    def forward(self, value: Tensor) -> Tensor:
        return self.activation(self.bn(self.conv(value)))


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = _Conv(channels, channels, 3)
        self.cv2 = _Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, value: Tensor) -> Tensor:
        made = self.cv2(self.cv1(value))
        return value + made if self.shortcut else made


class _C2f(nn.Module):
    """Two halves of the channels; one goes through the blocks, and all that came by is kept."""

    def __init__(self, inputs: int, outputs: int, blocks: int, *, shortcut: bool = False) -> None:
        super().__init__()
        half = self.half = outputs // 2
        self.cv1 = _Conv(inputs, 2 * half)
        self.cv2 = _Conv((2 + blocks) * half, outputs)
        self.m = nn.ModuleList(_Bottleneck(half, shortcut) for _ in range(blocks))

    def forward(self, value: Tensor) -> Tensor:
        parts = list(self.cv1(value).split(self.half, 1))
        for block in self.m:
            parts.append(block(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class _SPPF(nn.Module):
    """Maxima over 5, 9 and 13 cells, each from the one before."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.cv1 = _Conv(inputs, inputs // 2)
        self.cv2 = _Conv(inputs // 2 * 4, outputs)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, value: Tensor) -> Tensor:
        pooled = itertools.accumulate(
            range(3), lambda last, _: self.m(last), initial=self.cv1(value)
        )
        return self.cv2(torch.cat(list(pooled), 1))


class _Concat(nn.Module):
    def __init__(self, other: int) -> None:
        super().__init__()
        self.other = other

    def forward(self, value: Tensor, kept: Tensor) -> Tensor:
        return torch.cat([value, kept], 1)


class _Expectation(nn.Module):
    """The mean of the distributions that logits over bins are: (B, 4, bins, A) to (B, 4, A).

    Softmax and weighted sum, written out: ONNX Runtime's CPU provider takes a softmax along any
    axis but the last through two transpositions, which cost more than all of this. The weights
    are a convolution's because checkpoints have them so.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(bins, 1, 1, bias=False).requires_grad_(False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.arange(bins).view(1, bins, 1, 1))

    def forward(self, logits: Tensor) -> Tensor:
        shares = torch.exp(logits - logits.amax(2, keepdim=True))
        return (shares * self.conv.weight.view(1, 1, -1, 1)).sum(2) / shares.sum(2)


class _Detect(nn.Module):
    def __init__(self, inputs: tuple[int, int, int], classes: int, bins: int) -> None:
        super().__init__()
        sides = max(16, inputs[0] // 4, 4 * bins)
        scores = max(inputs[0], min(classes, 100))

        def branch(count: int, inner: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(
                _Conv(count, inner, 3), _Conv(inner, inner, 3), nn.Conv2d(inner, outputs, 1)
            )

        self.cv2 = nn.ModuleList(branch(count, sides, 4 * bins) for count in inputs)
        self.cv3 = nn.ModuleList(branch(count, scores, classes) for count in inputs)
        self.dfl = _Expectation(bins)
        for stride, box, score in zip(STRIDES, self.cv2, self.cv3, strict=True):
            cells = (_PICTURE_PX / stride) ** 2
            nn.init.constant_(box[-1].bias, 1.0)
            nn.init.constant_(score[-1].bias, math.log(_OBJECTS / classes / cells))

    def level(self, index: int, value: Tensor) -> Tensor:
        return torch.cat([self.cv2[index](value), self.cv3[index](value)], 1)
