"""A live view on the screen."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgert.errors import SinkError
from edgert.io.sinks.base import Sink
from edgert.result import Result

__all__ = ["Window", "WindowClosed"]

_ESCAPE = 27


class WindowClosed(Exception):  # noqa: N818 (a wish, not an error)
    """The user closed the window, or pressed q or Escape in it."""


class Window(Sink):
    """Shows the frames with the people drawn in.

    Uses OpenCV's window if an OpenCV with windows is installed, else Tk. To be made, written and
    closed in one thread.

    Args:
        title: Title of the window.

    Raises:
        SinkError: There is no screen, or neither OpenCV's windows nor Tk are installed.
    """

    def __init__(self, title: str = "edgert") -> None:
        self._view: _View | None = _open_view(title)

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


class _View(Protocol):
    def show(self, image: npt.NDArray[np.uint8]) -> bool:
        """Shows a BGR image; False once the user has closed the window."""

    def close(self) -> None: ...


def _open_view(title: str) -> _View:
    # Looked at first: OpenCV built with Qt ends the process where there is no screen.
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform == "linux" and not screen:
        raise SinkError(
            "window: cannot open it: there is no screen (DISPLAY and WAYLAND_DISPLAY are not set); "
            "run it on a desktop, use 'ssh -X', or write a video instead"
        )
    reasons = []
    for view in (_OpenCvView, _TkView):
        try:
            return view(title)
        except Exception as error:  # cv2.error and TclError have no common base but this
            reasons.append(f"{view.needs}: {str(error).strip().splitlines()[-1]}")
    raise SinkError(
        f"window: cannot open it: {'; '.join(reasons)}; install one of them: "
        "pip install opencv-python, or your system's package of tkinter (python3-tk)"
    )


class _OpenCvView:
    needs = "OpenCV with windows"

    def __init__(self, title: str) -> None:
        import cv2

        self._cv2: Any = cv2
        self._title = title
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        self._sized = False

    def show(self, image: npt.NDArray[np.uint8]) -> bool:
        if not self._sized:
            self._cv2.resizeWindow(self._title, image.shape[1], image.shape[0])
            self._sized = True
        self._cv2.imshow(self._title, image)
        key = self._cv2.waitKey(1) & 0xFF
        visible = self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) >= 1
        return visible and key not in (_ESCAPE, ord("q"))

    def close(self) -> None:
        # The user may have closed it already.
        with contextlib.suppress(self._cv2.error):
            self._cv2.destroyWindow(self._title)


class _TkView:
    needs = "tkinter"

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
