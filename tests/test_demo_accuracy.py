"""The demo's own networks on streets they have not seen: what `edgert demo` is to show.

They are trained on scenes with seeds from 1,000,000 up.
"""

from __future__ import annotations

import os

import pytest

from edgert.demo import APPEARANCE, DETECTOR, POSE
from edgert.demo.show.figures import DROPS, GOALS, MOST_DROP
from edgert.demo.show.footage import Footage
from edgert.demo.show.quantized import quantize_pair
from edgert.demo.show.side import Side
from edgert.work import Work

FRAMES, PEOPLE, BLOCK = 300, 30, 50
UNSEEN = (2101, 2102)
# What both streets reach, less a little: goals may be far below. Ids hang on the last digits, which
# differ between processors.
FLOORS = {"ap50": 0.955, "ap": 0.72, "oks_ap": 0.80, "hota": 0.70}

absent = [path for path in (APPEARANCE, DETECTOR, POSE) if not path.is_file()]
needs_networks = pytest.mark.skipif(
    bool(absent), reason=f"not in the package: {', '.join(path.name for path in absent)}"
)


@pytest.mark.skipif(not os.environ.get("EDGERT_REQUIRE_DEMO"), reason="set in CI only")
def test_the_networks_are_here():
    """Where EDGERT_REQUIRE_DEMO is set, missing networks or metrics are no reason to skip."""
    assert not absent
    import lap  # noqa: F401
    import motrics  # noqa: F401
    import pycocotools  # noqa: F401


@pytest.fixture(scope="module")
def int8_pair(tmp_path_factory):
    pytest.importorskip("onnx", reason="pip install 'edgert[quant]'")
    folder = tmp_path_factory.mktemp("int8")
    return quantize_pair(DETECTOR, POSE, folder, UNSEEN[0], Work(quiet=True))


@pytest.fixture(scope="module", params=UNSEEN)
def figures(request, int8_pair):
    """Of the networks as they are, and in INT8."""
    for package in ("motrics", "lap", "pycocotools"):
        pytest.importorskip(package, reason="pip install 'edgert[demo]'")
    footage = Footage(request.param, PEOPLE, FRAMES, BLOCK)
    truths, missing = [], {}
    with (
        Side(DETECTOR, POSE, APPEARANCE, footage.frame_rate) as fp32,
        Side(*int8_pair, APPEARANCE, footage.frame_rate) as int8,
    ):
        for block in footage:
            images = [shot.image for shot in block]
            for side in (fp32, int8):
                side.run(images)
                side.look(images)
            truths += [shot.truth for shot in block]
        found = [side.figures(truths, missing) for side in (fp32, int8)]
    assert not missing
    return found


@needs_networks
@pytest.mark.parametrize("key", GOALS)
def test_goal_is_reached_on_a_street_not_seen(key, figures):
    assert getattr(figures[0], key) >= GOALS[key]


@needs_networks
@pytest.mark.parametrize("key", GOALS)
def test_accuracy_does_not_fall(key, figures):
    assert getattr(figures[0], key) >= FLOORS[key]


@needs_networks
@pytest.mark.parametrize("key", DROPS)
def test_int8_costs_no_more_than_it_may(key, figures):
    before, after = (getattr(each, key) for each in figures)
    assert after >= before - MOST_DROP


@needs_networks
def test_int8_reaches_the_goals_too(figures):
    assert all(getattr(figures[1], key) >= goal for key, goal in GOALS.items())
