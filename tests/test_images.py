"""Images: the pixels of OpenCV, folders, broken files, extreme sizes."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgert.errors import SourceError
from edgert.io import open_source
from edgert.io.images import natural_key
from edgert.io.picture import read_image

from media_files import cut, make_folder, make_video, number_in, picture

ASSETS = Path(os.environ.get("EDGERT_ASSETS", Path(__file__).parents[2] / "shared" / "assets"))
needs_assets = pytest.mark.skipif(not ASSETS.is_dir(), reason="EDGERT_ASSETS is not there")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


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
