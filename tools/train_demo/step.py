"""One step of training: on a GPU recorded once and replayed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["Step"]

_CLIP = 10.0
_DECAY = 0.01
_WARM = 3  # steps before recording: libraries choose their algorithms and allocate


class Step:
    """AdamW's step on a batch.

    The networks are so small that a GPU waits for Python's launches nine tenths of the time: the
    whole step, optimizer included, is one CUDA graph. Shapes must not change, and the loss must
    not depend on values that come to the host.

    Args:
        network: In training mode, on its device.
        loss_of: The loss of a batch.
        batch: One, to get warm with; its rate is 0.
    """

    def __init__(
        self, network: nn.Module, loss_of: Callable[[list[Tensor]], Tensor], batch: list[Tensor]
    ) -> None:
        parameters = [p for p in network.parameters() if p.requires_grad]
        device = parameters[0].device
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": _DECAY},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        self._rate = torch.zeros((), device=device)
        on_gpu = device.type == "cuda"
        self._optimizer = torch.optim.AdamW(groups, lr=self._rate, capturable=on_gpu)
        self._parameters = parameters
        self._loss_of = loss_of
        self._batch = batch
        self._graph: torch.cuda.CUDAGraph | None = None
        if on_gpu:
            self._record()

    def __call__(self, batch: list[Tensor], rate: float) -> Tensor:
        """Take the step; returns its loss, a scalar on the device."""
        self._rate.fill_(rate)
        for kept, new in zip(self._batch, batch, strict=True):
            kept.copy_(new)
        if self._graph is None:
            return self._run()
        self._graph.replay()
        return self._loss.clone()

    def _run(self) -> Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss_of(self._batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, _CLIP, foreach=True)
        self._optimizer.step()
        return loss.detach()

    def _record(self) -> None:
        torch.backends.cudnn.benchmark = True
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM):
                self._run()
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._loss = self._run()
