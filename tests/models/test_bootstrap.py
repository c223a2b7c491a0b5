"""Intervals over packages: they cover what they should, and tracks of one package bring no certainty of their own."""

import numpy as np
import pytest

from models.bootstrap import estimate, resampled_weights


def mean_of(values):
    return lambda weights: weights @ values / weights.sum(axis=1)


def test_a_package_is_drawn_whole():
    packages = ["a", "a", "b", "b", "b", "c"]
    (weights,) = resampled_weights(packages, replicates=50, seed=1)
    assert weights.shape == (50, 6)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2] == weights[:, 4]).all()
    assert (weights[:, [0, 2, 5]].sum(axis=1) == 3).all()


def test_draws_depend_on_the_seed_and_not_on_the_order_of_tracks():
    (weights,) = resampled_weights(["b", "a", "b", "c"], replicates=20, seed=3)
    (turned,) = resampled_weights(["c", "b", "a", "b"], replicates=20, seed=3)
    (other,) = resampled_weights(["b", "a", "b", "c"], replicates=20, seed=4)
    assert (weights[:, [3, 0, 1, 2]] == turned).all()
    assert (weights != other).any()


def test_many_tracks_are_drawn_in_parts(monkeypatch):
    (whole,) = resampled_weights(["a", "b", "b"], replicates=10, seed=5)
    monkeypatch.setattr("models.bootstrap._WEIGHTS_AT_ONCE", 9)
    parts = list(resampled_weights(["a", "b", "b"], replicates=10, seed=5))
    assert len(parts) == 4
    assert (np.concatenate(parts) == whole).all()


def test_copies_of_a_track_in_its_package_do_not_narrow_the_interval():
    rng = np.random.default_rng(0)
    values = (rng.random(30) < 0.7).astype(float)
    packages = [f"p{i:02d}" for i in range(30)]
    single = estimate({"mean": mean_of(values)}, packages)["mean"]
    copied = estimate({"mean": mean_of(np.repeat(values, 20))}, np.repeat(packages, 20).tolist())["mean"]
    assert copied == pytest.approx(single)
    independent = estimate({"mean": mean_of(np.repeat(values, 20))}, [str(i) for i in range(600)])["mean"]
    assert independent["high"] - independent["low"] < 0.4 * (single["high"] - single["low"])


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(7)
    packages = np.repeat([f"p{i:02d}" for i in range(40)], 5).tolist()
    covered = 0
    for _ in range(60):
        # Tracks of a package share most of their value.
        values = np.repeat(rng.normal(0.0, 1.0, 40), 5) + rng.normal(0.0, 0.3, 200)
        interval = estimate({"mean": mean_of(values)}, packages)["mean"]
        covered += interval["low"] <= 0.0 <= interval["high"]
    assert 50 <= covered <= 59


def test_one_package_has_no_interval_and_no_track_no_value():
    assert estimate({"mean": mean_of(np.ones(2))}, ["a", "a"])["mean"] == {"value": 1.0, "low": None, "high": None}
    empty = estimate({"none": lambda weights: np.full(len(weights), np.nan)}, [])
    assert empty["none"] == {"value": None, "low": None, "high": None}


def test_a_figure_that_most_draws_lack_has_no_interval():
    packages = [f"p{i}" for i in range(10)]
    first = np.arange(10) < 1

    def share_of_first(weights):
        drawn = weights @ first
        return np.where(drawn > 1, 1.0, np.nan if len(weights) > 1 else 1.0)

    assert estimate({"rare": share_of_first}, packages)["rare"] == {"value": 1.0, "low": None, "high": None}
