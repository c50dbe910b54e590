"""A live view on the screen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgert.errors import SinkError
from edgert.io.sinks.base import Sink
from edgert.result import Result

__all__ = ["Window", "WindowClosed"]


class WindowClosed(Exception):  # noqa: N818 (a wish, not an error)
    """The user closed the window, or pressed q or Escape in it."""


class Window(Sink):
    """Shows the frames with the people drawn in.

    A window of Tk, which comes with Python. To be made, written and closed in one thread.

    Args:
        title: Title of the window.

    Raises:
        SinkError: There is no screen that answers, or Python has no Tk.
    """

    def __init__(self, title: str = "edgert") -> None:
        self._view: _TkView | None = _open_view(title)

    def write(self, result: Result, image: npt.NDArray[np.uint8] | None) -> None:
        """Shows a frame.

        Raises:
            WindowClosed: The user wants no more frames.
            ValueError: The image is missing.
        """
        if image is None:
            raise ValueError("image is None, the window draws on the frame of the result")
        if self._view is None or not self._view.show(result.draw(image)):
            self.close()
            raise WindowClosed("the window was closed")

    def close(self) -> None:
        """Closes the window."""
        if self._view is not None:
            self._view.close()
            self._view = None


def _open_view(title: str) -> _TkView:
    # Not cv2.imshow: OpenCV's Qt window hangs when PyAV is loaded (opencv-python 4.10 with av 12).
    try:
        import tkinter
    except ImportError as error:
        raise SinkError(
            f"window: cannot open it: this Python has no Tk ({error}); "
            "install it with: sudo apt install python3-tk"
        ) from error
    try:
        return _TkView(title)
    except (ImportError, tkinter.TclError) as error:
        raise SinkError(
            f"window: cannot open it: {error}; "
            "run it on a desktop, use 'ssh -X', or write a video instead"
        ) from error


class _TkView:
    def __init__(self, title: str) -> None:
        import tkinter

        from PIL import Image, ImageTk

        self._image, self._photo_image = Image, ImageTk.PhotoImage
        self._root = tkinter.Tk()
        self._root.title(title)
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._open = True
        self._root.protocol("WM_DELETE_WINDOW", self._stop)
        self._root.bind("<Key-q>", self._stop)
        self._root.bind("<Escape>", self._stop)

    def show(self, image: npt.NDArray[np.uint8]) -> bool:
        photo = self._photo_image(self._image.fromarray(image[..., ::-1]), master=self._root)
        self._label.configure(image=photo)
        # Tk keeps no reference of its own, and shows nothing once the picture is collected.
        self._shown = photo
        self._root.update()
        return self._open

    def close(self) -> None:
        self._root.destroy()

    def _stop(self, _event: object = None) -> None:
        self._open = False
