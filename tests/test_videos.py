"""Videos: pixels, times, orientation, and what is no video."""

import gc
import os
import wave
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edgert.errors import SourceError
from edgert.io import open_source

from media_files import ONE, cut, make_video, number_in, picture

ASSETS = Path(os.environ.get("EDGERT_ASSETS", Path(__file__).parents[2] / "shared" / "assets"))
needs_assets = pytest.mark.skipif(not ASSETS.is_dir(), reason="EDGERT_ASSETS is not there")


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


@needs_assets
def test_decoded_frames_are_freed_without_the_cycle_collector() -> None:
    """Decoded frames that wait for the collector cost a hundred MB here."""
    gc.collect()
    gc.disable()
    try:
        used = []
        for frame in open_source(ASSETS / "videos" / "vtest.avi"):
            if frame.index in (50, 350):
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                used.append(pages * os.sysconf("SC_PAGE_SIZE"))
    finally:
        gc.enable()
    assert used[1] - used[0] < 20e6


def test_variable_frame_rate_keeps_the_container_times(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 400, 410, 1500, 1533, 3000]
    path = make_video(tmp_path / "v.mkv", frames=8, pts=stamps)
    source = open_source(path)
    assert [frame.time_s for frame in source] == pytest.approx([ms / 1000 for ms in stamps])
    assert source.warnings == []


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
        if not hasattr(cover, "disposition"):
            pytest.skip("this PyAV does not tell covers from videos")
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


def test_a_closed_video_leaves_no_frames_to_the_collector(tmp_path):
    """PyAV's frames and their side data hold each other: a megabyte a video until then."""
    path = tmp_path / "v.mp4"
    make_video(path, frames=3)
    gc.collect()
    gc.disable()
    try:
        with open_source(path) as source:
            assert sum(1 for _ in source) == 3
        del source
        # Not isinstance, which asks objects for their class: some of PyTorch's warn then.
        assert not [item for item in gc.get_objects() if issubclass(type(item), av.VideoFrame)]
    finally:
        gc.enable()
