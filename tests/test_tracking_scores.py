"""HOTA, IDF1, id switches and AP of frames whose truth is at hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import Error
from edgert.evaluation import box_scores, followed, keypoint_scores, tracking_scores
from tracked_scene import crowd, perfect, result, row_of_people, truth

for package in ("motrics", "lap", "pycocotools"):
    pytest.importorskip(package, reason="pip install 'edgert[demo]'")

# Of `crowd(seed)`: HOTA, IDF1 and IDSW of TrackEval 1.3.0 (numpy 2.4.6, scipy 1.17.1).
TRACKEVAL = {
    1: (0.45027945431066396, 0.6596877538128327, 155),
    2: (0.44283747249031397, 0.6458689202553268, 178),
    3: (0.44122520177260655, 0.6456165746856057, 194),
    4: (0.43844146216173907, 0.6571842725131365, 155),
}


@pytest.mark.parametrize("seed", TRACKEVAL)
def test_the_figures_are_those_of_trackeval(seed):
    scores = tracking_scores(*crowd(seed))
    hota, idf1, switches = TRACKEVAL[seed]
    assert scores.hota == pytest.approx(hota, abs=1e-9)
    assert scores.idf1 == pytest.approx(idf1, abs=1e-9)
    assert scores.id_switches == switches


def test_perfect_results_are_perfect():
    truths = row_of_people(20)
    results = perfect(truths)
    scores = tracking_scores(truths, results)
    assert scores.hota == pytest.approx(1, abs=1e-9)
    assert scores.idf1 == 1
    assert scores.id_switches == 0
    assert box_scores(truths, results).ap == pytest.approx(1)
    assert keypoint_scores(truths, results).ap == pytest.approx(1)


def test_two_who_swap_ids_are_two_switches():
    truths = row_of_people(20)
    results = perfect(truths)
    for found in results[8:]:
        found.ids[[1, 2]] = found.ids[[2, 1]]
    scores = tracking_scores(truths, results)
    assert scores.id_switches == 2
    assert scores.idf1 < 1
    # Boxes and skeletons know no ids.
    assert box_scores(truths, results).ap == pytest.approx(1)


def test_a_track_that_comes_back_is_no_switch_and_another_one_is():
    truths = row_of_people(20)
    results = perfect(truths)
    results[7:12] = [result(r.ids[1:], r.boxes[1:], r.keypoints[1:]) for r in results[7:12]]
    assert tracking_scores(truths, results).id_switches == 0
    for found in results[12:]:
        found.ids[0] = 99
    assert tracking_scores(truths, results).id_switches == 1


def with_ignored(truths, where):
    """The truth with one more person a frame, who does not count."""
    return [
        truth([*t.ids, 50], [*t.boxes, where], ignored=[False] * len(t) + [True]) for t in truths
    ]


AWAY, BESIDE = [1000, 500, 1060, 680], [130, 205, 190, 385]


@pytest.mark.parametrize("found", [False, True])
def test_ignored_people_change_nothing(found):
    """Missed or found, and even found as two people in turn."""
    plain = row_of_people(20)
    results = perfect(plain)
    for r in results[8:]:
        r.ids[[1, 2]] = r.ids[[2, 1]]
    truths = with_ignored(plain, AWAY)
    seen = [
        result([*r.ids, 60 + f % 2], [*r.boxes, AWAY], [*r.keypoints, truths[f].keypoints[-1]])
        for f, r in enumerate(results)
    ]
    seen = seen if found else results
    assert tracking_scores(truths, seen) == tracking_scores(plain, results)
    assert box_scores(truths, seen).ap == box_scores(plain, results).ap
    assert keypoint_scores(truths, seen).ap == keypoint_scores(plain, results).ap


def test_an_ignored_person_excuses_nobody_else():
    """A false alarm within an ignored person's box is one; a miss beside it is one."""
    truths = with_ignored(row_of_people(20), AWAY)
    results = perfect(truths)
    small = [1010, 510, 1030, 560]
    alarmed = [
        result([*r.ids, 70], [*r.boxes, small], [*r.keypoints, np.zeros((17, 2))], scores=[0.9] * 6)
        for r in results
    ]
    assert box_scores(truths, alarmed).ap < box_scores(truths, results).ap
    assert tracking_scores(truths, alarmed).hota < 0.999
    missed = [result(r.ids[1:], r.boxes[1:], r.keypoints[1:]) for r in results]
    assert box_scores(truths, missed).ap < 0.8
    assert keypoint_scores(truths, missed).ap < 0.8


def test_a_better_match_is_not_taken_by_an_ignored_neighbour():
    truths = with_ignored(row_of_people(1), BESIDE)
    results = perfect(row_of_people(1))
    assert tracking_scores(truths, results).hota == pytest.approx(1, abs=1e-9)


def test_untracked_people_are_no_tracks():
    truths = row_of_people(5)
    results = perfect(truths)
    more = [result([*r.ids, -1], [*r.boxes, AWAY]) for r in results]
    assert tracking_scores(truths, more) == tracking_scores(truths, results)


def test_more_than_twenty_people_count():
    """COCO's limit of 20 poses an image would make a third of a full street a miss."""
    truths = row_of_people(3, people=7)
    down = [np.array([0, 100 * k, 0, 100 * k]) for k in range(5)]
    wide = [truth(range(1, 36), np.concatenate([t.boxes + by for by in down])) for t in truths]
    assert keypoint_scores(wide, perfect(wide)).ap == pytest.approx(1)


def test_joints_that_are_off_cost_skeletons_alone():
    truths = row_of_people(5)
    results = [result(t.ids, t.boxes, t.keypoints + 25) for t in truths]
    assert keypoint_scores(truths, results).ap < 0.5
    assert box_scores(truths, results).ap == pytest.approx(1)


def test_followed_shows_the_switches_that_are_counted():
    truths, results = crowd(5, people=15, frames=60)
    last, switches = {}, 0
    for people, tracks in followed(truths, results):
        for person, track in zip(people.tolist(), tracks.tolist(), strict=True):
            if track >= 0:
                switches += last.get(person, track) != track
                last[person] = track
    assert switches == tracking_scores(truths, results).id_switches > 10


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 25))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_figures_stay_within_their_bounds_and_names_of_tracks_do_not_matter(seed, people, frames):
    truths, results = crowd(seed, people, frames)
    scores = tracking_scores(truths, results)
    assert 0 <= scores.hota <= 1
    assert 0 <= scores.idf1 <= 1
    assert scores.id_switches >= 0
    renamed = [result(9_000 - r.ids, r.boxes) for r in results]
    again = tracking_scores(truths, renamed)
    assert again.hota == pytest.approx(scores.hota, abs=1e-9)
    assert again.idf1 == pytest.approx(scores.idf1, abs=1e-9)
    assert again.id_switches == scores.id_switches


def test_nobody_there_and_nobody_found():
    empty = [truth([], []), truth([], [])]
    none = [result([], []), result([], [])]
    assert tracking_scores(empty, none).id_switches == 0
    assert tracking_scores(row_of_people(2), none).hota == 0
    assert box_scores(row_of_people(2), none).ap == 0


def test_what_does_not_fit_is_refused():
    truths = row_of_people(3)
    for score in (tracking_scores, followed, box_scores, keypoint_scores):
        with pytest.raises(ValueError, match="truth of 3 frames and results of 2"):
            score(truths, perfect(truths)[:2])
    bare = [result(t.ids, t.boxes, joints=False) for t in truths]
    with pytest.raises(ValueError, match="frame 0 has no keypoints"):
        keypoint_scores(truths, bare)


@pytest.mark.parametrize("package", ["motrics", "lap"])
def test_a_missing_package_is_named_with_what_to_type(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    truths = row_of_people(2)
    with pytest.raises(Error, match=rf"package {package}.*pip install 'edgert\[demo\]'"):
        tracking_scores(truths, perfect(truths))
