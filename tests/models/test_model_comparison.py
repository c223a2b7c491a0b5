"""The exact test against counting every outcome, and a comparison that can be worked out by hand."""

import dataclasses
import itertools

import numpy as np
import pytest

from models.model_comparison import compare, mcnemar_p, paired_counts
from models.track_figures import NO_TYPE, JudgedTracks


def tracks(truth, called, package):
    called = np.array(called)
    none = np.full(len(called), NO_TYPE)
    return JudgedTracks(
        np.array(truth), called, np.eye(3)[called], np.ones(len(called), bool), none, none, np.array(package)
    )


@pytest.mark.parametrize("only_first", range(6))
@pytest.mark.parametrize("only_second", range(6))
def test_mcnemar_counts_the_outcomes_of_fair_coins(only_first, only_second):
    count = only_first + only_second
    heads = [sum(coins) for coins in itertools.product((0, 1), repeat=count)]
    as_uneven = sum(abs(2 * h - count) >= abs(only_first - only_second) for h in heads) / len(heads)
    assert mcnemar_p(only_first, only_second) == pytest.approx(as_uneven)


def test_mcnemar_of_many_tracks():
    assert mcnemar_p(5000, 5000) == 1
    assert 0 < mcnemar_p(4800, 5200) < 1e-4
    assert mcnemar_p(0, 20_000) == 0


def test_paired_counts():
    model, baseline = np.array([True, True, False, False, True]), np.array([True, False, True, False, False])
    assert paired_counts(model, baseline) == {"both": 1, "only_model": 2, "only_baseline": 1, "neither": 1}


def test_a_difference_is_significant_when_its_interval_is_apart_from_none():
    truth = [0, 1, 2] * 20
    package = [f"p{i // 3}" for i in range(60)]
    right = tracks(truth, truth, package)
    # The baseline calls the music of every other package functional.
    called = [1 if t == 0 and i // 3 % 2 else t for i, t in enumerate(truth)]
    every = np.ones(60, bool)
    record = compare(right, tracks(truth, called, package), {"all": every, "few": np.arange(60) < 12})
    assert record["right"]["music"] == {"both": 10, "only_model": 10, "only_baseline": 0, "neither": 0}
    assert record["right"]["speech"] == {"both": 20, "only_model": 0, "only_baseline": 0, "neither": 0}
    assert record["tests"]["accuracy"]["p_value"] == pytest.approx(2 / 1024)
    assert record["tests"]["music_called_functional"]["significant"]
    whole = record["slices"]["all"]
    assert whole["balanced_accuracy_difference"]["value"] == pytest.approx(1 / 6)
    assert whole["balanced_accuracy_difference"]["low"] > 0
    assert whole["significant"]
    assert not record["slices"]["few"]["significant"]  # four packages are too few to say so
    assert record["comparisons"] == 3
    assert len(record["significant"]) == 3
    turned = compare(tracks(truth, called, package), right, {"all": every})
    assert all("worse" in sentence for sentence in turned["significant"])


def test_a_model_does_not_differ_from_itself():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 40)
    model = tracks(truth, np.where(rng.random(40) < 0.8, truth, 1), [f"p{i % 8}" for i in range(40)])
    record = compare(model, dataclasses.replace(model), {"all": np.ones(40, bool)})
    assert record["significant"] == []
    assert record["tests"]["accuracy"]["p_value"] == 1
    assert record["slices"]["all"]["balanced_accuracy_difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
