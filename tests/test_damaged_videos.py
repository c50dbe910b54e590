"""Videos that are cut off or damaged, and the times of frames with odd stamps."""

from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.io import open_source
from edgert.io.timing import Clock

from media_files import cut, damage_packet, make_video, number_in

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
