"""The search for the cheapest decision rule, on labels whose cheapest rule is known."""

import numpy as np
import pytest

from models.decision import CostSettings, DecisionSettings
from models.decision_search import (
    AS_CONFIGURED,
    CONFIDENCE_ALONE,
    WRITABLE,
    cheapest,
    confidence_bounds,
    cost_curve,
    derive,
    held_out,
    outcome,
)
from models.errors import UserError
from models.labelled_tracks import labelled_tracks, reviewed
from models.package_folds import package_folds
from tests.models.labels_at_will import label_columns, sure

_, SHARES, CONFIDENCES = WRITABLE


def tracks_of(rows, **columns):
    return labelled_tracks(label_columns(rows, **columns), "labels")


def believed_too_much():
    """Functional labels of which those below 0.995 are wrong, and all of them sure enough for the costs."""
    wrong = [("music", sure("functional", 0.99))] * 12
    right = [("functional", sure("functional", 0.9985))] * 60
    return tracks_of(wrong + right)


def test_an_outcome_counts_costs_reviews_and_music_that_is_lost():
    tracks = tracks_of([("music", sure("functional")), ("music", sure("music")), ("speech", sure("music"))] * 2)
    review = np.array([False, False, False, True, False, False])
    found = outcome(tracks, review, DecisionSettings())
    assert found.cost_per_1000 == pytest.approx(1000 * (60 + 6 + 1 + 6) / 6)
    assert found.review_share == pytest.approx(1 / 6)
    assert (found.wrong_auto, found.music_called_functional_auto) == (3, 1)


def test_confidence_that_is_not_deserved_is_met_with_a_least_confidence():
    tracks = believed_too_much()
    derived = derive(tracks, DecisionSettings(), CONFIDENCES)
    assert 0.99 < derived.min_confidence.functional <= 0.9985
    assert (derived.min_confidence.music, derived.min_confidence.speech) == (0, 0)
    outcomes = {rule: held_out(tracks, DecisionSettings(), rule, 3) for rule in WRITABLE}
    assert outcomes[AS_CONFIGURED].music_called_functional_auto == 12
    assert outcomes[CONFIDENCES].music_called_functional_auto == 0
    assert cheapest(outcomes) is CONFIDENCES


def test_nothing_moves_without_a_reason_and_the_simplest_of_equals_is_chosen():
    tracks = tracks_of([(name, sure(name)) for name in ("music", "functional", "speech")] * 20)
    for rule in WRITABLE:
        assert derive(tracks, DecisionSettings(), rule) == DecisionSettings()
    assert cheapest({rule: held_out(tracks, DecisionSettings(), rule, 3) for rule in WRITABLE}) is AS_CONFIGURED


@pytest.mark.parametrize(
    ("truth", "fraction", "setting"),
    [("music", "music_fraction", "max_music_in_functional"), ("speech", "speech_fraction", "max_speech_in_functional")],
)
def test_a_share_moves_to_between_right_and_wrong(truth, fraction, setting):
    rows = [("functional", sure("functional"))] * 30 + [(truth, sure("functional"))] * 10
    tracks = tracks_of(rows, **{fraction: [0.1] * 30 + [0.4] * 10})
    # From either side: too lax at first, and too strict.
    for start in (0.9, 0.0):
        derived = derive(tracks, DecisionSettings(**{setting: start}), SHARES)
        assert 0.1 <= getattr(derived, setting) < 0.4
        assert not reviewed(tracks, derived)[:30].any()
        assert reviewed(tracks, derived)[30:].all()


def test_the_dominant_share_is_searched_when_it_is_known():
    rows = [("music", sure("music"))] * 30 + [("speech", sure("music"))] * 20
    known = tracks_of(rows, dominant_share=[0.9] * 30 + [0.7] * 20)
    assert 0.7 < derive(known, DecisionSettings(), SHARES).min_dominant_share <= 0.9
    flagged = tracks_of([("music", sure("music"))] * 30, flags=[["mixed_content"]] * 10 + [[]] * 20)
    assert derive(flagged, DecisionSettings(), SHARES).min_dominant_share == 0


def test_what_is_held_out_is_not_learned_from():
    # The one wrong package alone would teach the threshold: held out, it is paid for.
    rows = [("functional", sure("functional", 0.9985))] * 50 + [("music", sure("functional", 0.99))] * 10
    tracks = tracks_of(rows, package=[f"right-{i % 5}" for i in range(50)] + ["wrong"] * 10)
    assert derive(tracks, DecisionSettings(), CONFIDENCES).min_confidence.functional > 0.99
    assert held_out(tracks, DecisionSettings(), CONFIDENCES, 3).music_called_functional_auto == 10


def test_least_confidences_alone_may_be_laxer_than_the_costs():
    tracks = tracks_of([("functional", sure("functional", 0.9))] * 30)
    assert reviewed(tracks, DecisionSettings()).all()
    derived = derive(tracks, DecisionSettings(), CONFIDENCE_ALONE)
    assert not reviewed(tracks, derived, cost_rule=False).any()


def test_the_bounds_of_the_costs():
    bounds = confidence_bounds(CostSettings())
    assert bounds["functional"] == pytest.approx((1 - 1 / 20, 1 - 1 / 60))
    assert bounds["music"] == pytest.approx((1 - 1 / 6, 1 - 1 / 6))
    assert confidence_bounds(CostSettings(review=100)) == dict.fromkeys(("music", "functional", "speech"), (0, 0))
    for confidence, review in ((0.983, True), (0.984, False)):
        rest = 1 - confidence
        tracks = tracks_of([("music", (rest, confidence, 0.0))])
        assert reviewed(tracks, DecisionSettings()).tolist() == [review]


def test_the_cost_curve_falls_to_nothing():
    rng = np.random.default_rng(3)
    rows = [(str(rng.choice(["music", "functional"], p=[1 - p, p])), (1 - p, p, 0.0)) for p in rng.random(300)]
    curve = cost_curve(tracks_of(rows), DecisionSettings(), points=11)
    shares = [point["review_share"] for point in curve]
    costs = [point["wrong_label_cost_per_1000"] for point in curve]
    assert shares == pytest.approx(np.linspace(0, 1, 11))
    assert costs == sorted(costs, reverse=True)
    assert (costs[-1], curve[-1]["wrong_auto"]) == (0, 0)
    # The dearest half first: what is left costs far less than half.
    assert costs[5] < 0.2 * costs[0]


def test_folds_keep_packages_whole_and_categories_apart():
    rng = np.random.default_rng(0)
    package = np.repeat([f"p{i}" for i in range(12)], rng.integers(5, 40, 12))
    truth = np.array([int(name[1:]) % 3 for name in package])
    part = package_folds(package, truth, 4)
    assert all(len(set(part[package == name])) == 1 for name in np.unique(package))
    for held in range(4):
        assert set(truth[part != held]) == {0, 1, 2}
    shuffled = rng.permutation(len(package))
    assert (package_folds(package[shuffled], truth[shuffled], 4) == part[shuffled]).all()


def test_too_few_packages_for_the_folds():
    with pytest.raises(UserError, match="--folds 5: the labels are of 2 packages"):
        package_folds(np.array(["a", "b"]), np.array([0, 1]), 5)
