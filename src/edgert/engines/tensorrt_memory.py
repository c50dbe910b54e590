"""The memory for what lies between the layers: one piece a stream, for all that runs there."""

from __future__ import annotations

import threading
import weakref

import numpy as np

from edgert import _core
from edgert.devices import address_of
from edgert.errors import ModelError

__all__ = ["Piece", "take"]

# Whoever works on a stream works after whoever worked there before: they need one piece, not one
# each. It goes with the last of them.
_pieces: weakref.WeakValueDictionary[tuple[int, int], Piece] = weakref.WeakValueDictionary()
_lock = threading.Lock()


class Piece:
    """Device memory that is of use to one run at a time.

    Attributes:
        address: Where it is.
        count: How many bytes.
    """

    def __init__(self, gpu: _core.CudaContext, count: int) -> None:
        self._array = gpu.empty([count], np.dtype(np.uint8))
        self.address = address_of(self._array)
        self.count = count


def take(path: str, gpu: _core.CudaContext, stream: int, count: int, reserve: int) -> Piece:
    """The piece of a stream, made where there is none as large.

    Args:
        path: Of the engine, for errors.
        gpu: The device.
        stream: The stream's address.
        count: Bytes that are needed.
        reserve: Bytes that others on the stream are going to need.

    Raises:
        ModelError: The device has not the memory.
    """
    with _lock:
        piece = _pieces.get((gpu.ordinal, stream))
        if piece is not None and piece.count >= count:
            return piece
        wanted = max(count, reserve)
        free_bytes, _ = gpu.memory
        try:
            piece = Piece(gpu, wanted)
        except RuntimeError as error:
            raise ModelError(
                f"{path}: needs {wanted / 1e6:.1f} MB of cuda:{gpu.ordinal} on each lane, and "
                f"{free_bytes / 1e6:.1f} MB are free: take fewer lanes, or build the engine for "
                f"smaller batches (edgert build --max-batch)"
            ) from error
        _pieces[gpu.ordinal, stream] = piece
        return piece
