"""Isotonic regression, and forms of calibration against each other on tracks whose true probabilities are known."""

import numpy as np
import pytest

from models.calibration import Calibration
from models.calibration_comparison import compare_calibrations, quality
from models.isotonic import fit_isotonic


def test_adjacent_violators_are_pooled():
    fitted = fit_isotonic([1, 2, 3, 4, 5], [0, 1, 0, 1, 1], np.ones(5))
    np.testing.assert_allclose(fitted.values, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(fitted.apply([0, 1.5, 2.5, 9]), [0, 0.25, 0.5, 1])


def test_weights_and_equal_scores_count():
    fitted = fit_isotonic([1, 1, 2], [1, 0, 0], [3, 1, 4])
    np.testing.assert_allclose(fitted.values, [3 / 8, 3 / 8])


def test_an_isotonic_fit_is_the_best_rising_one():
    rng = np.random.default_rng(0)
    scores, wanted, weights = rng.random(60), rng.random(60), rng.random(60) + 0.1
    fitted = fit_isotonic(scores, wanted, weights)
    assert (np.diff(fitted.values) >= 0).all()
    error = weights @ (fitted.apply(scores) - wanted) ** 2
    for _ in range(200):
        other = np.sort(np.clip(fitted.values + rng.normal(0, 0.05, 60), 0, 1))
        assert weights @ (np.interp(scores, fitted.scores, other) - wanted) ** 2 >= error - 1e-12


def drawn(count, calibration, seed=0):
    rng = np.random.default_rng(seed)
    mean = rng.dirichlet([0.5, 0.5, 0.5], count)
    truth = np.array([rng.choice(3, p=row) for row in calibration.apply(mean)])
    return mean, truth, np.array([f"package-{i % 12}" for i in range(count)])


def test_the_form_that_is_true_wins_on_held_out_packages():
    mean, truth, package = drawn(1000, Calibration(0.5, (-0.6, 0.6, 0.0)))
    found = compare_calibrations(mean, truth, package, 2)
    assert found["scale and bias"].log_loss < found["temperature"].log_loss < found["none"].log_loss
    assert found["scale and bias"].log_loss < found["isotonic per category"].log_loss < found["none"].log_loss
    assert found["none"].expected_calibration_error > 0.1
    assert found["scale and bias"].expected_calibration_error < 0.06


def test_quality_of_probabilities_that_are_known():
    found = quality(np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]), np.array([0, 0, 2]))
    assert found.log_loss == pytest.approx(-(np.log(0.8) + np.log(0.1)) / 2)
    assert found.accuracy == pytest.approx(2 / 3)


def test_undo_gives_the_means_back():
    mean = np.random.default_rng(1).dirichlet([0.3, 0.3, 0.3], 50)
    calibration = Calibration(1.3, (-0.3, 0.2, 0.1))
    np.testing.assert_allclose(calibration.undo(calibration.apply(mean)), mean, atol=1e-9)
