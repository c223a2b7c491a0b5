from __future__ import annotations

import numpy as np
import pytest

from models.calibration import Calibration


def test_plain_calibration_changes_almost_nothing():
    mean = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(Calibration().apply(mean), mean, atol=5e-4)


def test_zero_probability_stays_finite_and_sums_to_one():
    out = Calibration(3.0, (1.0, -2.0, 1.0)).apply([1.0, 0.0, 0.0])
    assert np.isfinite(out).all() and out.min() > 0
    assert out.sum() == pytest.approx(1)


def test_scale_sharpens_and_bias_moves():
    mean = [0.5, 0.3, 0.2]
    assert Calibration(2.0).apply(mean)[0] > 0.6
    assert Calibration(1.0, (0.0, 2.0, 0.0)).apply(mean).argmax() == 1


def drawn(count, scale, seed=0):
    """Tracks whose true probabilities are a sharpened or flattened form of what the model says."""
    rng = np.random.default_rng(seed)
    said = rng.dirichlet([0.6, 0.6, 0.6], count)
    true = Calibration(scale).apply(said)
    return said, np.array([rng.choice(3, p=row) for row in true])


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_fit_finds_the_scale(scale):
    said, truth = drawn(4000, scale)
    fitted = Calibration.fit(said, truth, strength=1e-4)
    assert fitted.scale == pytest.approx(scale, rel=0.15)
    assert sum(fitted.bias) == pytest.approx(0, abs=1e-9)


def test_regularisation_keeps_few_tracks_near_plain():
    fitted = Calibration.fit([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]], [0, 1, 2], strength=10.0)
    assert fitted.scale == pytest.approx(1, abs=0.1)


def test_categories_count_alike_however_many_tracks_they_have():
    said, truth = drawn(600, 1.0)
    said, truth = np.concatenate([said, said[truth == 0]]), np.concatenate([truth, truth[truth == 0]])
    once = Calibration.fit(*drawn(600, 1.0))
    twice = Calibration.fit(said, truth)
    np.testing.assert_allclose([once.scale, *once.bias], [twice.scale, *twice.bias], atol=0.02)


def test_weights_leave_tracks_out():
    said, truth = drawn(300, 1.0)
    wrong = (truth + 1) % 3
    both = Calibration.fit(np.vstack([said, said]), np.concatenate([truth, wrong]), np.repeat([1.0, 1e-9], 300))
    alone = Calibration.fit(said, truth)
    assert both.scale == pytest.approx(alone.scale, rel=1e-3)


def test_fit_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        Calibration.fit(np.full((2, 3), 1 / 3), [0])
