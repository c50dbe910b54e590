"""Videos and images that the tests of sources make for themselves."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

ONE = 1 << 16
"""1.0 in a display matrix."""


def picture(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Noise, so that every packet is big, with the frame's number as a grey level at the left."""
    image = np.random.default_rng(index).integers(0, 255, (height, width, 3), np.uint8)
    image[:, : width // 2] = 8 * index
    return image


def number_in(image: np.ndarray) -> int:
    """The frame number that `picture` wrote."""
    return round(float(image[8:-8, 8:20].mean()) / 8)


def make_video(
    path: Path,
    codec: str = "mpeg4",
    *,
    frames: int = 30,
    size: tuple[int, int] = (48, 64),
    pix_fmt: str = "yuv420p",
    muxer: dict[str, str] | None = None,
    pts: list[int] | None = None,
    matrix: list[int] | None = None,
) -> Path:
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        stream.bit_rate = 8_000_000
        stream.options = {"g": "5"}
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="bgr24")
            frame = frame.reformat(format=pix_fmt)
            if pts is not None:
                frame.pts, frame.time_base = pts[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if matrix is not None:
        # As bytes: PyAV writes display matrices since 17 only. The last one is the track's.
        data = path.read_bytes()
        start = data.rindex(struct.pack(">9i", ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30))
        path.write_bytes(data[:start] + struct.pack(">9i", *matrix) + data[start + 36 :])
    return path


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def damage_packet(path: Path, number: int) -> None:
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        start, size = packet.pos, packet.size
    data = bytearray(path.read_bytes())
    data[start : start + size] = bytes(size)
    path.write_bytes(data)


def make_folder(path: Path) -> Path:
    """Images 1, 2, 3, 10, 20, of which 3 and 10 are broken, and what is no image at all."""
    for number in (10, 2, 1, 3, 20):
        Image.fromarray(picture(number)).save(path / f"img{number}.png")
    (path / "img3.png").write_bytes(b"")
    cut(path / "img10.png", 0.5)
    (path / "notes.txt").write_text("not an image")
    (path / ".hidden.png").write_bytes(b"x")
    return path
