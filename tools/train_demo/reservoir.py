"""Rendered items kept on the device: rendering goes on while they are trained on."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

__all__ = ["Reservoir"]

_CHUNK = 32  # items that a worker hands over at once
_FIRST, _PAUSE_S = 4096, 0.02


class Reservoir:
    """The last items of a stream, to draw batches from.

    A frame takes longer to render than to train on, by far: each is used several times, the
    oldest makes room for the newest.

    Args:
        items: Tuples of tensors, each of a fixed shape; without end.
        capacity: How many are kept.
        uses: How often an item is to be drawn, in the mean, before more are rendered than the
            first few thousand. Rendering takes the processor that a CPU trains on.
        workers: Processes that render.
        device: Where they are kept.
        seed: Of what is drawn.
    """

    def __init__(
        self,
        items: IterableDataset[tuple[Tensor, ...]],
        capacity: int,
        uses: float,
        workers: int,
        device: str,
        seed: int,
    ) -> None:
        loader = DataLoader(items, _CHUNK, num_workers=workers, worker_init_fn=_one_thread)
        self._stream = iter(loader)
        self._chance = torch.Generator().manual_seed(seed)
        self._capacity = -(-capacity // _CHUNK) * _CHUNK
        self._device = device
        self._kept: list[Tensor] = []
        self._error: Exception | None = None
        self._uses = uses
        self._drawn = 0
        self.rendered = 0
        self._over = threading.Event()
        self._taker = threading.Thread(target=self._run, daemon=True)
        self._take()

    def __enter__(self) -> Reservoir:
        """Take what is rendered from now on; until then there is a handful of items."""
        self._taker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._taker.join()

    def batch(self, count: int) -> list[Tensor]:
        """Items drawn by chance, each with the same chance.

        Raises:
            RuntimeError: Rendering has failed.
        """
        if self._error is not None:
            raise RuntimeError("rendering has failed") from self._error
        self._drawn += count
        held = min(self.rendered, self._capacity)
        drawn = torch.randint(held, (count,), generator=self._chance).to(self._device)
        return [kept[drawn] for kept in self._kept]

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                if self.rendered > _FIRST + self._drawn / self._uses:
                    self._over.wait(_PAUSE_S)
                else:
                    self._take()
        except Exception as error:  # whatever it is, the trainer is to hear of it
            self._error = error

    def _take(self) -> None:
        parts: Sequence[Tensor] = next(self._stream)
        if not self._kept:
            self._kept = [
                part.new_empty((self._capacity, *part.shape[1:]), device=self._device)
                for part in parts
            ]
        at = self.rendered % self._capacity
        for kept, part in zip(self._kept, parts, strict=True):
            kept[at : at + _CHUNK] = part.to(self._device)
        self.rendered += _CHUNK


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
