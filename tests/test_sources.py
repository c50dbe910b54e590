"""Recorded sources: videos, images, arrays, and lists of them, sound and damaged."""

import os
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgert.errors import SourceError
from edgert.io import Source, open_source
from edgert.io.images import natural_key
from edgert.io.picture import read_image
from edgert.io.timing import Clock

ASSETS = Path(os.environ.get("EDGERT_ASSETS", Path(__file__).parents[2] / "shared" / "assets"))
needs_assets = pytest.mark.skipif(not ASSETS.is_dir(), reason="EDGERT_ASSETS is not there")


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
        if matrix is not None:
            stream.set_display_matrix(matrix)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, *size), format="bgr24")
            frame = frame.reformat(format=pix_fmt)
            if pts is not None:
                frame.pts, frame.time_base = pts[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
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


# Videos


@needs_assets
def test_video_gives_every_frame_with_its_time_and_the_pixels_of_opencv() -> None:
    path = ASSETS / "videos" / "vtest.avi"
    reference = cv2.VideoCapture(str(path))
    with open_source(path) as source:
        assert (source.frame_count, source.fps, source.size) == (795, 10.0, (576, 768))
        assert source.live is False
        count = 0
        for frame in source:
            if count < 100:
                np.testing.assert_array_equal(frame.image, reference.read()[1])
            assert frame.index == count
            assert frame.time_s == pytest.approx(count / 10)
            assert (frame.source, frame.stream) == (str(path), 0)
            count += 1
    assert count == 795
    assert source.warnings == []
    assert (source.skipped, source.dropped) == (0, 0)


def test_variable_frame_rate_keeps_the_container_times(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 400, 410, 1500, 1533, 3000]
    path = make_video(tmp_path / "v.mkv", frames=8, pts=stamps)
    source = open_source(path)
    assert [frame.time_s for frame in source] == pytest.approx([ms / 1000 for ms in stamps])
    assert source.warnings == []


ONE = 65536
TURNS = {
    "none": ([ONE, 0, 0, ONE], lambda image: image),
    "90 counterclockwise": ([0, -ONE, ONE, 0], lambda image: np.rot90(image, 1)),
    "180": ([-ONE, 0, 0, -ONE], lambda image: np.rot90(image, 2)),
    "90 clockwise": ([0, ONE, -ONE, 0], lambda image: np.rot90(image, -1)),
    "mirrored": ([-ONE, 0, 0, ONE], lambda image: image[:, ::-1]),
    "upside down": ([ONE, 0, 0, -ONE], lambda image: image[::-1]),
    "transposed": ([0, ONE, ONE, 0], lambda image: image.transpose(1, 0, 2)),
    "anti-transposed": ([0, -ONE, -ONE, 0], lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_display_matrix_is_applied(tmp_path: Path, turn: str) -> None:
    (a, b, c, d), expected = TURNS[turn]
    plain = make_video(tmp_path / "plain.mp4", frames=3)
    turned = make_video(tmp_path / "v.mp4", frames=3, matrix=[a, b, 0, c, d, 0, 0, 0, 1 << 30])
    source = open_source(turned)
    for frame, original in zip(source, open_source(plain), strict=True):
        # Chroma is turned before it is interpolated, which may shift it by half a sample.
        difference = np.abs(frame.image.astype(int) - expected(original.image))
        assert difference[:, :, 0].mean() < 3
        assert source.size == frame.image.shape[:2]


@pytest.mark.parametrize("turn", ["90 counterclockwise", "180", "90 clockwise"])
def test_rotation_agrees_with_opencv(tmp_path: Path, turn: str) -> None:
    (a, b, c, d), _ = TURNS[turn]
    path = make_video(tmp_path / "v.mp4", frames=1, matrix=[a, b, 0, c, d, 0, 0, 0, 1 << 30])
    (frame,) = open_source(path)
    expected = cv2.VideoCapture(str(path)).read()[1]
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("size", [(37, 53), (1, 1), (2, 301)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = make_video(tmp_path / "v.avi", "ffv1", frames=2, size=size, pix_fmt="bgr0")
    frames = list(open_source(path))
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, picture(index, *size))
    assert len(frames) == 2


def test_odd_size_with_subsampled_chroma(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv", "ffv1", frames=2, size=(49, 67))
    for index, frame in enumerate(open_source(path)):
        assert frame.image.shape == (49, 67, 3)
        assert number_in(frame.image) == index


def test_grey_video(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv", "ffv1", frames=5, pix_fmt="gray")
    for index, frame in enumerate(open_source(path)):
        grey = cv2.cvtColor(picture(index), cv2.COLOR_BGR2GRAY)
        # The encoder's grey and OpenCV's round differently.
        assert np.abs(frame.image.astype(int) - grey[:, :, None]).max() <= 2


CONTAINERS = [
    ("mpeg4", "v.mp4", {"movflags": "faststart"}),
    ("mpeg4", "v.avi", {}),
    ("mpeg4", "v.mkv", {}),
    ("mjpeg", "v.avi", {}),
    ("mpeg4", "fragments.mp4", {"movflags": "frag_keyframe+empty_moov"}),
    ("libx264", "v.mkv", {}),
]


@pytest.mark.parametrize(("codec", "name", "muxer"), CONTAINERS)
def test_whole_video_gives_all_and_warns_of_nothing(
    tmp_path: Path, codec: str, name: str, muxer: dict[str, str]
) -> None:
    source = open_source(make_video(tmp_path / name, codec, muxer=muxer, pix_fmt=_format(codec)))
    assert [number_in(frame.image) for frame in source] == list(range(30))
    assert source.warnings == []


@pytest.mark.parametrize("share", [0.4, 0.93])
@pytest.mark.parametrize(("codec", "name", "muxer"), CONTAINERS)
def test_truncated_video_gives_what_is_there_and_one_warning(
    tmp_path: Path, codec: str, name: str, muxer: dict[str, str], share: float
) -> None:
    path = make_video(tmp_path / name, codec, muxer=muxer, pix_fmt=_format(codec))
    with av.open(str(path)) as container:
        ends = [p.pos + p.size for p in container.demux(video=0) if p.size]
    cut(path, share)
    whole = sum(end <= path.stat().st_size for end in ends)
    source = open_source(path)
    numbers = [number_in(frame.image) for frame in source]
    assert numbers == list(range(len(numbers)))
    # Reordered frames may wait for one that is lost; others must all be there.
    assert whole - (2 if codec == "libx264" else 0) <= len(numbers) <= whole
    (warning,) = source.warnings
    assert str(path) in warning
    assert "truncated" in warning
    assert f"frame {len(numbers) - 1} at {(len(numbers) - 1) / 10:.3f} s" in warning


@pytest.mark.parametrize("number", [12, 28])
@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg", "libx264"])
def test_damaged_frame_is_skipped_and_counted(tmp_path: Path, codec: str, number: int) -> None:
    path = make_video(tmp_path / "v.mp4", codec, pix_fmt=_format(codec))
    damage_packet(path, number)
    source = open_source(path)
    frames = list(source)
    # Near the end too, where frame threads hold sound frames back when the decoder fails.
    assert len(frames) == 29
    assert source.skipped == 1
    assert [frame.index for frame in frames[-1:]] == [29]
    times = [frame.time_s for frame in frames]
    assert all(before < after for before, after in pairwise(times))
    assert times[-1] == pytest.approx(2.9, abs=0.01)
    (warning,) = source.warnings
    assert "cannot be decoded" in warning


def _format(codec: str) -> str:
    return "yuvj420p" if codec == "mjpeg" else "yuv420p"


def test_mp4_without_its_index_says_so(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    cut(path, 0.8)
    with pytest.raises(SourceError, match=r"v\.mp4: not a video or image: .*index"):
        open_source(path)


def test_video_without_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.avi", frames=1)
    with av.open(str(path)) as container:
        start = next(container.demux(video=0)).pos
    path.write_bytes(path.read_bytes()[:start])
    with pytest.raises(SourceError, match=r"v\.avi: found no frames"):
        open_source(path)


def test_audio_only(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))
    with pytest.raises(SourceError, match=r"sound\.wav: found audio, expected a video stream"):
        open_source(path)


def test_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000, layout="stereo")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = 0x400
        frame = av.VideoFrame.from_ndarray(picture(1), format="bgr24")
        container.mux(cover.encode(frame))
        container.mux(cover.encode())
        samples = av.AudioFrame.from_ndarray(
            np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
        )
        samples.sample_rate = 8000
        container.mux(sound.encode(samples))
        container.mux(sound.encode())
    with pytest.raises(SourceError, match=r"found audio and video \(its cover picture\)"):
        open_source(path)


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4", "notes.jpg", "notes", "notes.nfo"])
def test_text_is_neither_video_nor_image(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("to be or not to be\n" * 99)
    with pytest.raises(SourceError, match=rf"{name}: not a video or image"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("name", ["v.mp4", "i.png"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(SourceError, match=rf"{name}: found an empty file \(0 bytes\)"):
        open_source(tmp_path / name)


def test_missing_file_suggests_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "street.mp4").touch()
    with pytest.raises(SourceError, match=r"stret\.mp4: no such file.*did you mean .*street\.mp4"):
        open_source(tmp_path / "stret.mp4")
    with pytest.raises(SourceError, match="no folder"):
        open_source(tmp_path / "nowhere" / "street.mp4")


def test_colons_and_brackets_in_a_path_are_only_letters(tmp_path: Path) -> None:
    path = make_video(tmp_path / "2024-01-01T12:30:00 [1] 100%d.avi", frames=2)
    assert len(list(open_source(path))) == 2


# Times


@settings(derandomize=True, deadline=None)
@given(st.lists(st.none() | st.integers(-5000, 5000).map(lambda n: n / 100), max_size=50))
def test_times_grow_whatever_the_stamps_are(stamps: list[float | None]) -> None:
    clock = Clock(0.04)
    times = [clock.time_s(stamp) for stamp in stamps]
    assert all(before < after for before, after in pairwise(times))
    forward = sorted({stamp for stamp in stamps if stamp is not None})
    clock = Clock(1e-9)
    assert [clock.time_s(stamp) for stamp in forward] == forward


def test_missing_late_and_reset_stamps() -> None:
    clock = Clock(0.1)
    stamps = [0, 0.1, None, 0.3, 0.25, 0.4, 1.5, 0, 0.1]
    times = [clock.time_s(stamp) for stamp in stamps]
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.3001, 0.4, 1.5, 1.6, 1.7])


# Images


@needs_assets
def test_images_have_the_pixels_of_opencv() -> None:
    paths = [*(ASSETS / "images").iterdir(), *sorted((ASSETS / "coco" / "images").iterdir())[:60]]
    assert len(paths) > 60
    for path in paths:
        np.testing.assert_array_equal(read_image(path), cv2.imread(str(path)), str(path))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_opencv_does(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "i.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture(3)).save(path, exif=exif)
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path)))


def _save(path: Path, mode: str) -> None:
    image = Image.fromarray(picture(9))
    if mode == "I;16":
        levels = np.random.default_rng(1).integers(0, 65536, (48, 64)).astype(np.uint16)
        cv2.imwrite(str(path), levels)
    elif mode == "RGB;16":
        levels = np.random.default_rng(1).integers(0, 65536, (48, 64, 3)).astype(np.uint16)
        cv2.imwrite(str(path), levels)
    elif mode == "P+transparency":
        image.convert("P", palette=Image.Palette.ADAPTIVE).save(path, transparency=bytes(range(9)))
    elif mode in ("RGBA", "LA"):
        image = image.convert(mode)
        image.putalpha(Image.fromarray(picture(4)[:, :, 0]))
        image.save(path)
    else:
        image.convert(mode).save(path)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("L", "i.png"),
        ("L", "i.jpg"),
        ("1", "i.png"),
        ("P", "i.png"),
        ("P+transparency", "i.png"),
        ("RGBA", "i.png"),
        ("LA", "i.png"),
        ("I;16", "i.png"),
        ("RGB;16", "i.png"),
        ("RGB", "i.bmp"),
        ("RGB", "i.tif"),
        ("RGB", "i.webp"),
        ("RGB", "i.ppm"),
        ("L", "i.pgm"),
    ],
)
def test_every_kind_of_image_comes_out_as_in_opencv(tmp_path: Path, mode: str, name: str) -> None:
    path = tmp_path / name
    _save(path, mode)
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    np.testing.assert_array_equal(image, cv2.imread(str(path)))


def test_cmyk(tmp_path: Path) -> None:
    path = tmp_path / "i.jpg"
    smooth = np.zeros((48, 64, 3), np.uint8)
    smooth[:, :32], smooth[:, 32:] = (200, 30, 60), (20, 180, 240)
    Image.fromarray(smooth).convert("CMYK").save(path, quality=100, subsampling=0)
    image = read_image(path)
    # OpenCV and Pillow round the same formula differently.
    assert np.abs(image.astype(int) - cv2.imread(str(path))).max() <= 2
    assert np.abs(image.astype(int) - smooth[:, :, ::-1]).max() <= 4


def test_single_image(tmp_path: Path) -> None:
    Image.fromarray(picture(2)).save(tmp_path / "i.png")
    source = open_source(str(tmp_path / "i.png"))
    assert (source.frame_count, source.size, source.live) == (1, (48, 64), False)
    (frame,) = source
    np.testing.assert_array_equal(frame.image, picture(2)[:, :, ::-1])
    assert (frame.index, frame.time_s, frame.source) == (0, 0.0, str(tmp_path / "i.png"))


def test_image_without_a_suffix(tmp_path: Path) -> None:
    Image.fromarray(picture(2)).save(tmp_path / "snapshot", format="webp", lossless=True)
    (frame,) = open_source(tmp_path / "snapshot")
    np.testing.assert_array_equal(frame.image, picture(2)[:, :, ::-1])


@pytest.mark.parametrize("share", [0.02, 0.6])
@pytest.mark.parametrize("name", ["i.jpg", "i.png"])
def test_broken_image_asked_for_by_name(tmp_path: Path, name: str, share: float) -> None:
    Image.fromarray(picture(2)).save(tmp_path / name)
    cut(tmp_path / name, share)
    with pytest.raises(SourceError, match=rf"{name}: (broken image|not a video or image)"):
        open_source(tmp_path / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (10, 2, 1, 3, 20):
        Image.fromarray(picture(number)).save(tmp_path / f"img{number}.png")
    (tmp_path / "img3.png").write_bytes(b"")
    cut(tmp_path / "img10.png", 0.5)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize("pattern", ["", "*.png", "*"])
def test_folder_in_natural_order_skips_names_and_counts_broken_ones(
    folder: Path, pattern: str
) -> None:
    source = open_source(folder / pattern, fps=5)
    assert (source.frame_count, source.fps) == (5, 5)
    frames = list(source)
    assert [Path(frame.source).name for frame in frames] == ["img1.png", "img2.png", "img20.png"]
    assert [frame.index for frame in frames] == [0, 1, 4]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.2, 0.8])
    assert [number_in(frame.image) for frame in frames] == [1, 2, 20]
    assert source.skipped == 2
    assert len(source.warnings) == 2
    assert "img3.png" in source.warnings[0]
    assert "img10.png" in source.warnings[1]


def test_folder_without_a_usable_image(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="found 0 files"):
        open_source(tmp_path)
    make_video(tmp_path / "v.avi", frames=1)
    with pytest.raises(SourceError, match=r"1 of them videos.*give a list"):
        open_source(tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(SourceError, match="found 1 images, none can be read"):
        list(open_source(tmp_path))
    with pytest.raises(SourceError, match="found 0 files"):
        open_source(tmp_path / "*.jpg")


@settings(derandomize=True)
@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1))
def test_natural_order_is_the_order_of_the_numbers(numbers: list[int]) -> None:
    paths = [Path(f"a/frame_{number}.jpg") for number in numbers]
    expected = [Path(f"a/frame_{number}.jpg") for number in sorted(numbers)]
    assert sorted(paths, key=natural_key) == expected


def test_large_images_pass_pillows_guard_which_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(picture(1)).save(tmp_path / "i.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_image(tmp_path / "i.png").shape == (48, 64, 3)
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr("edgert.io.picture.MAX_PIXELS", 48 * 64 - 1)
    with pytest.raises(SourceError, match="found 64x48 pixels, expected at most 3071"):
        read_image(tmp_path / "i.png")


@pytest.mark.parametrize("size", [(1, 1), (20, 20000), (20000, 20)])
def test_extreme_image_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.fromarray(np.full((*size, 3), 7, np.uint8)).save(tmp_path / "i.png")
    (frame,) = open_source(tmp_path / "i.png")
    assert frame.image.shape == (*size, 3)
    assert (frame.image == 7).all()


# Arrays


def test_arrays_are_passed_on_without_a_copy() -> None:
    block = np.zeros((60, 80, 6), np.uint8)
    arrays = [block[:, :, :3], block[::-2, ::3, 5:2:-1], np.zeros((4, 4, 3), np.uint8)]
    source = open_source(arrays)
    assert (source.frame_count, source.fps) == (3, 30)
    for index, frame in enumerate(source):
        assert frame.image is arrays[index]
        assert (frame.index, frame.source) == (index, "array")
        assert frame.time_s == pytest.approx(index / 30)


def test_grey_and_alpha() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    bgra = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    flat, column, alpha = open_source([grey, grey[:, :, None], bgra])
    for frame in (flat, column):
        np.testing.assert_array_equal(frame.image, np.stack([grey] * 3, axis=2))
    np.testing.assert_array_equal(alpha.image, bgra[:, :, :3])
    assert np.shares_memory(alpha.image, bgra)


class Tensor:
    """Speaks DLPack and nothing else."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **keywords: object) -> object:
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> object:
        return self._array.__dlpack_device__()


@pytest.mark.parametrize("wrap", [Tensor, memoryview])
def test_dlpack_and_buffers_are_not_copied(wrap: type) -> None:
    array = picture(1)
    (frame,) = open_source(wrap(array))
    np.testing.assert_array_equal(frame.image, array)
    assert np.shares_memory(frame.image, array)


def test_one_array_a_stack_and_a_generator() -> None:
    stack = np.stack([picture(index) for index in range(3)])
    assert len(list(open_source(stack[0]))) == 1
    assert [number_in(frame.image) for frame in open_source(stack)] == [0, 1, 2]
    generator = open_source((picture(index) for index in range(4)), fps=8)
    assert generator.frame_count is None
    assert [frame.time_s for frame in generator] == [0, 0.125, 0.25, 0.375]


def test_a_generator_is_asked_for_one_array_at_a_time() -> None:
    asked = []

    def arrays() -> Iterator[np.ndarray]:
        for index in range(5):
            asked.append(index)
            yield picture(index)

    frames = iter(open_source(arrays()))
    assert asked == []
    next(frames)
    next(frames)
    assert asked == [0, 1]


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((4, 4, 3), np.float32), "found dtype float32.*scale"),
        (np.zeros((4, 4, 3), np.int64), "found dtype int64"),
        (np.zeros((3, 4, 5), np.uint8), r"found shape \(3, 4, 5\).*transpose"),
        (np.zeros((4, 4, 2), np.uint8), r"found shape \(4, 4, 2\), expected \(H, W, 3\) uint8"),
        (np.zeros((0, 4, 3), np.uint8), r"found shape \(0, 4, 3\), expected at least one pixel"),
        (np.zeros(4, np.uint8), r"found shape \(4,\)"),
        (Image.new("RGB", (4, 4)), "PIL image, which is RGB"),
        ("frame.png", "found str"),
    ],
)
def test_wrong_arrays(array: object, found: str) -> None:
    with pytest.raises(ValueError, match=rf"array 1: .*{found}"):
        list(open_source(iter([np.zeros((4, 4, 3), np.uint8), array])))


# Lists


def test_files_take_turns(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.avi", frames=3)
    Image.fromarray(picture(9)).save(tmp_path / "i.png")
    source = open_source([video, tmp_path / "i.png", [picture(4), picture(5)], str(video)])
    assert source.frame_count == 9
    assert [(frame.stream, number_in(frame.image)) for frame in source] == [
        *[(0, 0), (1, 9), (2, 4), (3, 0)],
        *[(0, 1), (2, 5), (3, 1)],
        *[(0, 2), (3, 2)],
    ]


def test_warnings_and_counts_of_a_list_are_those_of_its_parts(folder: Path) -> None:
    video = make_video(folder / "v.mkv")
    cut(video, 0.5)
    source = open_source((video, (folder, picture(0))))
    streams = {frame.stream for frame in source}
    assert streams == {0, 1, 2}
    assert source.skipped == 2
    assert len(source.warnings) == 3
    assert threading.active_count() == 1


def test_a_list_with_one_that_cannot_be_opened_closes_the_others(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.avi", frames=2)
    opened = open_source(video)
    with pytest.raises(SourceError, match="no such file"):
        open_source([opened, tmp_path / "missing.mp4"])
    assert list(opened) == []
    with pytest.raises(SourceError, match="empty list"):
        open_source([])


# What is not a source, and the manners of all


@pytest.mark.parametrize("thing", [None, 1.5, True, {"a": 1}, b"v.mp4"])
def test_what_is_not_a_source(thing: object) -> None:
    with pytest.raises((TypeError, ValueError), match="found"):
        list(open_source(thing))


def test_fps_must_be_over_zero() -> None:
    with pytest.raises(ValueError, match="fps: found 0"):
        open_source([picture(0)], fps=0)


def _sources(tmp_path: Path) -> list[Source]:
    Image.fromarray(picture(1)).save(tmp_path / "i.png")
    video = make_video(tmp_path / "v.avi", frames=5)
    return [
        open_source(video),
        open_source(tmp_path / "i.png"),
        open_source(tmp_path),
        open_source(picture(0)),
        open_source([video, video]),
    ]


def test_sources_are_read_once_and_closed_twice(tmp_path: Path) -> None:
    for source in _sources(tmp_path):
        assert next(iter(source)).index == 0
        with pytest.raises(RuntimeError, match="read once"):
            iter(source)
        source.close()
        source.close()
    for source in _sources(tmp_path):
        with source:
            pass
        assert list(source) == []


def test_a_source_may_be_closed_while_another_thread_decodes(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.avi", "mpeg4", frames=30, size=(480, 640))
    for delay in np.linspace(0, 0.02, 20):
        source = open_source(video)
        closer = threading.Timer(delay, source.close)
        closer.start()
        numbers = [frame.index for frame in source]
        closer.join()
        assert numbers == list(range(len(numbers)))


def test_import_loads_no_library_that_only_some_sources_need() -> None:
    code = (
        "import sys, edgert.io; "
        "print(sorted({'av', 'PIL', 'gi', 'cv2', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "[]"
