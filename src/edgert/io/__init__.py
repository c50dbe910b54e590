"""Where frames come from and where results go. Importing this loads no video library."""

from edgert.io.frame import Frame
from edgert.io.open import open_source
from edgert.io.reader import Reader
from edgert.io.source import Source

__all__ = ["Frame", "Reader", "Source", "open_source"]
