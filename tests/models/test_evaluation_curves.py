"""Costs, reliability and the map of embeddings on cases that can be worked out by hand."""

import numpy as np
import pytest

from models.decision import CostSettings
from models.evaluation_curves import cost_curve, plane_of, reliability

COSTS = CostSettings()


def test_the_matrix_holds_the_settings():
    matrix = COSTS.matrix()
    assert matrix[0, 1] == COSTS.music_called_functional
    assert matrix[1, 0] == COSTS.functional_called_music
    assert matrix.diagonal().tolist() == [0, 0, 0]


def test_cost_curve_reviews_what_the_rule_would():
    probabilities = np.array([[0.02, 0.97, 0.01], [0.1, 0.85, 0.05], [0.98, 0.01, 0.01]])
    called = probabilities.argmax(axis=1)
    curve = cost_curve(np.array([1, 0, 0]), called, probabilities, np.array([False, False, True]), COSTS)
    expected = [COSTS.expected_cost("functional", p) for p in probabilities[:2]]
    for threshold, review, error, total in zip(
        curve.threshold, curve.review_share, curve.error_cost, curve.total_cost, strict=True
    ):
        reviewed = [cost > threshold for cost in expected]
        assert review == pytest.approx((sum(reviewed) + 1) / 3)
        assert error == pytest.approx(0 if reviewed[1] else 60 / 3)
        assert total == pytest.approx(error + review)
    assert curve.review_share[0] == 1
    assert curve.review_share[-1] == pytest.approx(1 / 3)


def test_reliability_bins():
    bins = reliability(np.array([True, False, True]), np.array([0.95, 0.95, 1.0]))
    assert bins == [(3, pytest.approx(2.9 / 3), pytest.approx(2 / 3))]


def test_the_plane_shows_the_directions_of_most_spread():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(16, 3)))[0]
    wanted = rng.normal(size=(200, 3)) * [5.0, 2.0, 0.1]
    places, shares = plane_of((wanted @ axes.T + 3.0).astype(np.float32))
    for axis in range(2):
        assert abs(np.corrcoef(places[:, axis], wanted[:, axis])[0, 1]) > 0.99
    assert shares[0] > 0.8 > 0.2 > shares[1] > 0.1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_or_equal_embeddings_have_a_place(count):
    places, shares = plane_of(np.ones((count, 8), np.float32))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert np.isfinite(shares).all()
