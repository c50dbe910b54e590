"""Where results go: JSON lines, MOTChallenge, COCO, video, a window, a live page."""

from edgert.io.sinks.base import Sink
from edgert.io.sinks.coco import Coco
from edgert.io.sinks.json_lines import JsonLines
from edgert.io.sinks.mot import Mot
from edgert.io.sinks.serve import Serve
from edgert.io.sinks.video import Video
from edgert.io.sinks.window import Window, WindowClosed

__all__ = ["Coco", "JsonLines", "Mot", "Serve", "Sink", "Video", "Window", "WindowClosed"]
