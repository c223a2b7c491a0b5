"""Figures of merit on cases that can be worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics import (
    area_under_roc,
    balanced_accuracy,
    category_metrics,
    expected_calibration_error,
    weighted_area_under_roc,
    weighted_average_precision,
    weighted_balanced_accuracy,
    weighted_calibration_error,
    weighted_recall_at,
)

#: Truth, label and score of a few tracks, and how often each was drawn.
DRAWN_TRACKS = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 2), st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.95, 1.0]), st.integers(0, 3)
    ),
    min_size=1,
    max_size=25,
)


def test_balanced_accuracy_weighs_categories_alike():
    truth = np.array([0] * 8 + [1, 1])
    called = np.array([0] * 8 + [1, 0])
    assert balanced_accuracy(truth, called) == pytest.approx(0.75)
    assert math.isnan(balanced_accuracy(truth[:0], called[:0]))


def test_auroc_counts_ties_half():
    positive = np.array([True, True, False, False])
    assert area_under_roc(positive, np.array([0.9, 0.8, 0.2, 0.1])) == 1
    assert area_under_roc(positive, np.array([0.5, 0.5, 0.5, 0.5])) == 0.5
    assert area_under_roc(positive, np.array([0.1, 0.8, 0.8, 0.05])) == pytest.approx((1 + 0 + 0.5 + 1) / 4)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30))
def test_auroc_is_the_share_of_pairs_in_order(pairs):
    positive = np.array([p for p, _ in pairs])
    score = np.array([s for _, s in pairs], float)
    wins = [(a > b) + (a == b) / 2 for a in score[positive] for b in score[~positive]]
    if wins:
        assert area_under_roc(positive, score) == pytest.approx(np.mean(wins))
    else:
        assert math.isnan(area_under_roc(positive, score))


def test_calibration_error_is_the_gap():
    confidence = np.full(10, 0.95)
    assert expected_calibration_error(np.array([True] * 10), confidence) == pytest.approx(0.05)
    assert expected_calibration_error(np.array([True] * 5 + [False] * 5), confidence) == pytest.approx(0.45)


def test_category_metrics_count_the_costly_error():
    truth = np.array([0, 0, 1, 2])
    probabilities = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    figures = category_metrics(truth, probabilities, auto=np.array([True, False, True, True]))
    assert figures["music_called_functional"] == 1
    assert figures["music_called_functional_auto"] == 0
    assert figures["review_share"] == 0.25
    assert figures["confusion"]["music"] == {"music": 1, "functional": 1, "speech": 0}
    assert figures["accuracy_auto"] == 1


def test_no_tracks_give_nulls_not_nan():
    figures = category_metrics(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0, bool))
    assert figures["tracks"] == 0
    assert figures["balanced_accuracy"] is None


@given(DRAWN_TRACKS)
def test_weights_are_repeated_tracks(tracks):
    truth, called, score, times = (np.array(column) for column in zip(*tracks, strict=True))
    weights = np.stack([np.ones(len(times)), times]).astype(float)
    once, drawn = (
        (
            weighted_balanced_accuracy(truth, called, weights),
            weighted_area_under_roc(truth == 1, score, weights),
            weighted_average_precision(truth == 1, score, weights),
            weighted_calibration_error(truth == called, score, weights),
            *(weighted_recall_at(truth == 1, truth == 0, score, share, weights) for share in (0.0, 0.25, 1.0)),
        ),
        (
            slow_balanced_accuracy(truth, called, times),
            area_under_roc(np.repeat(truth == 1, times), np.repeat(score, times)),
            slow_average_precision(np.repeat(truth == 1, times), np.repeat(score, times)),
            expected_calibration_error(np.repeat(truth == called, times), np.repeat(score, times)),
            *(
                slow_recall_at(*(np.repeat(a, times) for a in (truth == 1, truth == 0, score)), share)
                for share in (0.0, 0.25, 1.0)
            ),
        ),
    )
    assert [values[1] for values in once] == pytest.approx(list(drawn), nan_ok=True)


def slow_balanced_accuracy(truth, called, times):
    recalls = []
    for category in set(truth.tolist()):
        of = np.repeat(called, times)[np.repeat(truth, times) == category]
        if not len(of):
            return math.nan
        recalls.append(sum(c == category for c in of) / len(of))
    return sum(recalls) / len(recalls)


def slow_average_precision(positive, score):
    if not positive.any():
        return math.nan
    precisions = [positive[score >= s].mean() for s in score[positive]]
    return sum(precisions) / len(precisions)


def slow_recall_at(positive, negative, score, share):
    if not positive.any() or not negative.any():
        return math.nan
    recalls = [0.0]
    for threshold in score:
        if (negative & (score >= threshold)).sum() <= share * negative.sum() + 1e-9:
            recalls.append((positive & (score >= threshold)).sum() / positive.sum())
    return max(recalls)


def test_recall_at_a_share_of_music_takes_ties_whole():
    functional = np.array([True, True, True, False, False])
    score = np.array([0.9, 0.8, 0.8, 0.8, 0.1])
    ones = np.ones((1, 5))
    assert weighted_recall_at(functional, ~functional, score, 0.01, ones)[0] == pytest.approx(1 / 3)
    assert weighted_recall_at(functional, ~functional, score, 0.5, ones)[0] == 1
