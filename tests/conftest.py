"""What several test files need: real models and data where they are, and small models."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import models

ASSETS = Path(
    os.environ.get("EDGERT_ASSETS", Path(__file__).parent.parent.parent / "shared" / "assets")
)


# What a shell runs in its background ignores Ctrl-C, and so do its children. Some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def asset() -> Callable[[str], Path]:
    """The path of a file among the assets; the test is skipped where it is missing."""

    def find(name: str) -> Path:
        path = ASSETS / name
        if not path.exists():
            pytest.skip(f"{name} is not in EDGERT_ASSETS ({ASSETS})")
        return path

    return find


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`model("detector", classes=3)` writes one of tests/models.py to a file and gives its path."""
    folder = tmp_path_factory.mktemp("models")
    made: dict[str, Path] = {}

    def make(kind: str, **options: object) -> Path:
        key = f"{kind} {sorted(options.items())}"
        if key not in made:
            made[key] = folder / f"{kind}_{len(made)}.onnx"
            getattr(models, kind)(made[key], **options)
        return made[key]

    return make


@pytest.fixture
def detector(model: Callable[..., Path]) -> Path:
    return model("detector")


@pytest.fixture
def pose(model: Callable[..., Path]) -> Path:
    return model("pose")


@pytest.fixture
def crossing_people():
    """A red and a blue person meet and turn round, where their motion has them cross."""
    frames = []
    for x in [0, 8, 16, 24, 16, 8, 0]:
        image = np.full((64, 64, 3), 10, np.uint8)
        image[24:32, x : x + 8] = (60, 60, 255)
        image[24:32, 56 - x : 64 - x] = (255, 60, 60)
        frames.append(image)
    return frames


@pytest.fixture
def jetson(monkeypatch, tmp_path):
    """`jetson("10.3.0")`: a machine with this TensorRT and a GPU of 8.7; gives the package."""
    import tensorrt_double
    from tensorrt_models import Gpus

    Gpus(87).put_in(monkeypatch)
    monkeypatch.setenv("EDGERT_CACHE", str(tmp_path / "cache"))

    def install(version, **behaviour):
        package = tensorrt_double.tensorrt(version, **behaviour)
        monkeypatch.setitem(sys.modules, "tensorrt", package)
        return package

    return install


@pytest.fixture
def picture() -> np.ndarray:
    """A (120, 160, 3) picture with two bright people, as the models of tests/models.py see them."""
    image = np.full((120, 160, 3), 40, np.uint8)
    image[30:90, 30:50] = 220
    image[20:100, 100:130] = 200
    return image


@pytest.fixture
def live():
    """A live page on a port that was free."""
    from edgert.io.sinks import Serve

    from live_page import stats

    with Serve("0", stats) as sink:
        yield sink
