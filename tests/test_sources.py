"""Arrays and lists as sources, and the manners that all sources share."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgert.errors import SourceError
from edgert.io import Source, open_source

from media_files import cut, make_folder, make_video, number_in, picture


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


def test_warnings_and_counts_of_a_list_are_those_of_its_parts(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    video = make_video(folder / "v.mkv")
    cut(video, 0.5)
    source = open_source((video, (folder, picture(0))))
    streams = {frame.stream for frame in source}
    assert streams == {0, 1, 2}
    assert source.skipped == 2
    assert len(source.warnings) == 3
    assert not [t for t in threading.enumerate() if t.name.startswith("edgert")]


def test_a_list_with_one_that_cannot_be_opened_closes_the_others(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.avi", frames=2)
    opened = open_source(video)
    with pytest.raises(SourceError, match="no such file"):
        open_source([opened, tmp_path / "missing.mp4"])
    assert list(opened) == []
    with pytest.raises(SourceError, match="empty list"):
        open_source([])


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
