"""From what the user gives to a source."""

import difflib
import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edgert.errors import SourceError
from edgert.io.address import redact, scheme_of
from edgert.io.arrays import ArraySource, is_array
from edgert.io.source import Source

__all__ = ["IMAGE_SUFFIXES", "open_source"]

# fmt: off
IMAGE_SUFFIXES = frozenset([
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif",
])
_VIDEO_SUFFIXES = frozenset([
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg",
    ".wmv", ".flv", ".3gp", ".ogv", ".gif", ".mjpeg", ".mjpg",
    ".h264", ".264", ".h265", ".265", ".hevc", ".y4m",
])
# fmt: on
_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"II*\0", b"MM\0*", b"P4", b"P5", b"P6")

_EXPECTED = "a path, a URL, a camera index, an array, an iterable of arrays, or a list of these"


def open_source(source: Any, *, fps: float | None = None) -> Source:
    """Opens whatever frames can come from.

    Args:
        source: One of

            - the path of a video, of an image, of a folder of images, or a glob (``"dir/*.jpg"``)
            - a camera: its index (``0`` is /dev/video0), ``"v4l2:///dev/video0"``, ``"csi://0"``
            - a URL: ``rtsp://`` and other live streams, ``http://``, ``https://``
            - (H, W, 3) uint8 BGR arrays: one, a stack (N, H, W, 3), or any iterable of them;
              (H, W), (H, W, 1) and (H, W, 4) too; DLPack tensors and buffers are not copied
            - a list or tuple of these, read side by side; `Frame.stream` is the position in it
        fps: Frames per second: assumed for images and arrays (default 30) and for containers
            that do not tell, asked of a camera.

    Raises:
        SourceError: It cannot be opened; the message says why.
        TypeError: Nothing of the above.
        ValueError: An array of the wrong dtype or shape, or `fps` not over 0.
    """
    if fps is not None and not fps > 0:
        raise ValueError(f"fps: found {fps}, expected a number over 0")
    if isinstance(source, Source):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _open_text(os.fspath(source), fps)
    if isinstance(source, (int, np.integer)) and not isinstance(source, bool):
        return _open_camera(int(source), fps)
    if is_array(source):
        return _open_array(source, fps)
    if isinstance(source, (list, tuple)):
        return _open_list(source, fps)
    if isinstance(source, Iterable) and not isinstance(source, (bytes, dict)):
        return ArraySource(source, fps=fps)
    raise TypeError(f"source: found {type(source).__name__}, expected {_EXPECTED}")


def _open_text(text: str, fps: float | None) -> Source:
    from edgert.io import camera

    scheme = scheme_of(text)
    if scheme in camera.LIVE_SCHEMES:
        return camera.open_network(text, fps=fps)
    if scheme in ("http", "https"):
        return camera.open_web(text, fps=fps)
    if scheme == "v4l2":
        return camera.open_v4l2(text, text, fps=fps)
    if scheme == "csi":
        from edgert.io.csi import CsiSource

        return CsiSource(text, fps=fps)
    if scheme == "file":
        return _open_path(text[len("file://") :], fps)
    if scheme is not None:
        known = ", ".join((*camera.LIVE_SCHEMES, "http", "https", "v4l2", "csi", "file"))
        raise SourceError(f"{redact(text)}: found the scheme {scheme!r}, expected one of {known}")
    if text.isdecimal() and not Path(text).exists():
        return _open_camera(int(text), fps)
    return _open_path(text, fps)


def _open_camera(index: int, fps: float | None) -> Source:
    from edgert.io import camera

    if index < 0:
        raise SourceError(f"camera {index}: expected an index from 0")
    return camera.open_v4l2(f"v4l2:///dev/video{index}", f"camera:{index}", fps=fps)


def _open_array(source: Any, fps: float | None) -> Source:
    # NumPy's word for the number of axes; tensors of other libraries have it too.
    stack = getattr(source, "ndim", 0) == 4
    return ArraySource(source if stack else [source], fps=fps)


def _open_list(items: "list[Any] | tuple[Any, ...]", fps: float | None) -> Source:
    from edgert.io.many import ManySource

    if not items:
        raise SourceError("source: found an empty list, expected at least one source")
    if all(is_array(item) for item in items):
        return ArraySource(items, fps=fps)
    opened: list[Source] = []
    try:
        for item in items:
            opened.append(open_source(item, fps=fps))
    except BaseException:
        for source in opened:
            source.close()
        raise
    return ManySource(opened)


def _open_path(text: str, fps: float | None) -> Source:
    path = Path(text)
    if path.is_dir():
        return _open_images(text, list(path.iterdir()), fps)
    if not path.exists():
        if glob.has_magic(text):
            found = [Path(match) for match in glob.glob(text, recursive=True)]  # noqa: PTH207
            return _open_images(text, found, fps)
        raise SourceError(f"{text}: no such file or folder{_suggestion(path)}")
    return _open_file(path, fps)


def _open_images(name: str, found: list[Path], fps: float | None) -> Source:
    from edgert.io.images import ImagesSource

    images = [
        path
        for path in found
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    if images:
        return ImagesSource(name, images, fps=fps)
    videos = sum(path.suffix.lower() in _VIDEO_SUFFIXES for path in found)
    hint = "; for several videos give a list of their paths" if videos else ""
    raise SourceError(
        f"{name}: found {len(found)} files, {videos} of them videos, expected images "
        f"({', '.join(sorted(IMAGE_SUFFIXES))}){hint}"
    )


def _open_file(path: Path, fps: float | None) -> Source:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    if not start:
        raise SourceError(f"{path}: found an empty file (0 bytes), expected a video or image")
    if _is_image(path, start):
        from edgert.io.images import ImageSource

        return ImageSource(path, fps=fps)
    return _open_video(path, start, fps)


def _is_image(path: Path, start: bytes) -> bool:
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES or suffix in _VIDEO_SUFFIXES:
        return suffix in IMAGE_SUFFIXES
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return webp or start.startswith(_IMAGE_STARTS)


def _open_video(path: Path, start: bytes, fps: float | None) -> Source:
    from edgert.io.media import Media
    from edgert.io.video import VideoSource

    try:
        # "file:" keeps FFmpeg from reading a colon in the path as a protocol.
        media = Media(f"file:{path}", str(path))
    except SourceError as error:
        text = str(error)
        if "Invalid data" not in text:
            raise
        hint = ""
        if start[4:8] == b"ftyp":
            hint = "; an MP4 whose end, which holds the index, is cut off reads like this"
        raise SourceError(text.replace(": ", ": not a video or image: ", 1) + hint) from None
    return VideoSource(media, fps=fps)


def _suggestion(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"; there is no folder {path.parent} either"
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""
