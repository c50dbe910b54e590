"""CSI cameras of a Jetson, through the system's GStreamer."""

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgert.errors import SourceError
from edgert.io.address import options_of
from edgert.io.frame import Frame
from edgert.io.source import Source

__all__ = ["CsiSource"]

_POLL_NS = 100_000_000
"""How long a pull waits before it looks whether the source was closed."""

_ELEMENTS = {
    "nvarguscamerasrc": "sudo apt install nvidia-l4t-gstreamer",
    "nvvidconv": "sudo apt install nvidia-l4t-gstreamer",
    "appsink": "sudo apt install gstreamer1.0-plugins-base",
}

# The camera's processor writes NV12 in device memory and nvvidconv makes BGRx of it in hardware;
# BGR would cost a videoconvert on the CPU. The sink keeps the newest frame only.
_PIPELINE = (
    "nvarguscamerasrc sensor-id={sensor} ! "
    "video/x-raw(memory:NVMM),width={width},height={height},framerate={fps}/1,format=NV12 ! "
    "nvvidconv flip-method={flip} ! video/x-raw,format=BGRx ! "
    "appsink name=sink max-buffers=1 drop=true sync=false"
)


class CsiSource(Source):
    """Frames of a camera on a Jetson's CSI port, such as ``csi://0``.

    The address takes options: ``csi://0?width=1920&height=1080&fps=30&flip=2`` (`flip` is the
    flip-method of nvvidconv: 2 turns the picture upside down).
    """

    def __init__(self, address: str, *, fps: float | None = None) -> None:
        """Starts the camera.

        Args:
            address: ``csi://SENSOR``, with options.
            fps: Frame rate to ask the camera for.

        Raises:
            SourceError: GStreamer, its Python bindings or a plugin is missing, or the address is
                wrong, or the camera does not start. It names what is missing and the command
                that installs it.
        """
        known = {"width": "1280", "height": "720", "fps": f"{round(fps or 30)}", "flip": "0"}
        sensor, options = options_of(address, known)
        values = {"sensor": sensor or "0", **options}
        for option, value in values.items():
            if not value.isdecimal():
                raise SourceError(f"{address}: found {option} {value!r}, expected a whole number")
        super().__init__(f"csi://{values['sensor']}", live=True, fps=float(values["fps"]))
        self._gst = _load_gstreamer(self.name)
        self._pipeline: Any = self._gst.parse_launch(_PIPELINE.format(**values))
        self._sink = self._pipeline.get_by_name("sink")
        if self._pipeline.set_state(self._gst.State.PLAYING) == self._gst.StateChangeReturn.FAILURE:
            reason = self._failure() or "the pipeline does not start"
            self._release()
            raise SourceError(f"{self.name}: {reason}")

    def _frames(self) -> Iterator[Frame]:
        index = 0
        first_ns: int | None = None
        while not self._closed.is_set():
            sample = self._sink.emit("try-pull-sample", _POLL_NS)
            if sample is None:
                reason = self._failure()
                if reason is not None:
                    raise SourceError(f"{self.name}: {reason}")
                continue
            buffer = sample.get_buffer()
            shape = sample.get_caps().get_structure(0)
            height, width = shape.get_value("height"), shape.get_value("width")
            mapped, memory = buffer.map(self._gst.MapFlags.READ)
            if not mapped:
                self._skipped += 1
                index += 1
                continue
            try:
                # The memory returns to the camera with unmap, so this copy is needed.
                rows = np.frombuffer(memory.data, np.uint8).reshape(height, -1).copy()
            finally:
                buffer.unmap(memory)
            if first_ns is None:
                first_ns = buffer.pts
            self.size = (height, width)
            image = rows[:, : width * 4].reshape(height, width, 4)[:, :, :3]
            yield Frame(image, index, (buffer.pts - first_ns) * 1e-9, self.name)
            index += 1

    def _failure(self) -> str | None:
        """The error that stopped the pipeline, or None while it runs."""
        kinds = self._gst.MessageType.ERROR | self._gst.MessageType.EOS
        message = self._pipeline.get_bus().pop_filtered(kinds)
        if message is None:
            return None
        if message.type == self._gst.MessageType.EOS:
            return "the camera stopped"
        error, _ = message.parse_error()
        return str(error.message)

    def _release(self) -> None:
        self._pipeline.set_state(self._gst.State.NULL)


def _load_gstreamer(name: str) -> Any:
    try:
        gi = importlib.import_module("gi")
        gi.require_version("Gst", "1.0")
        gst = importlib.import_module("gi.repository.Gst")
    except (ImportError, ValueError) as error:
        raise SourceError(
            f"{name}: CSI cameras are read through GStreamer, which is not usable ({error}). "
            "sudo apt install python3-gi gir1.2-gstreamer-1.0 gstreamer1.0-plugins-base, and make "
            "the virtual environment with --system-site-packages"
        ) from error
    gst.init(None)
    for element, fix in _ELEMENTS.items():
        if gst.ElementFactory.find(element) is None:
            raise SourceError(f"{name}: GStreamer has no {element!r}. {fix}")
    return gst
