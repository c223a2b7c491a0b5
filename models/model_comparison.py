"""Two models on the same tracks, row by row: where they differ, and which differences are more than chance."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from models.bootstrap import LEVEL, estimate
from models.metrics import Bools, weighted_balanced_accuracy
from models.taxonomy import CATEGORIES
from models.track_figures import MUSIC_INDEX, JudgedTracks

#: An interval over fewer packages says too little to call a difference significant.
LEAST_PACKAGES: Final = 5
#: A difference below this is one of rounding.
_ROUNDING: Final = 1e-9


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Two-sided exact McNemar test: the probability of a split at least as uneven if both were as likely.

    Parameters
    ----------
    only_first, only_second
        Tracks that only the first, or only the second, of two models gets right.
    """
    count, smaller = only_first + only_second, min(only_first, only_second)
    logarithms = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) - count * math.log(2)
        for k in range(smaller + 1)
    ]
    return min(1.0, 2 * math.fsum(map(math.exp, logarithms)))


def paired_counts(first: Bools, second: Bools) -> dict[str, int]:
    """Tracks by which of two models is right: both, only the model, only the baseline, neither."""
    return {
        "both": int((first & second).sum()),
        "only_model": int((first & ~second).sum()),
        "only_baseline": int((~first & second).sum()),
        "neither": int((~first & ~second).sum()),
    }


def compare(model: JudgedTracks, baseline: JudgedTracks, slices: dict[str, Bools]) -> dict[str, Any]:
    """Compare two models on the same tracks in the same order.

    Parameters
    ----------
    model, baseline
        What each says; truth and package are the same in both.
    slices
        Members of each slice, shape (tracks,).

    Returns
    -------
    dict
        ``right`` (paired counts by category), ``tests`` (exact McNemar tests of accuracy and of music called
        functional), ``slices`` (difference of balanced accuracy, model less baseline, with its interval),
        ``comparisons`` (how many differences were looked at), ``expected_by_chance`` (how many of them would look
        significant if the models were alike) and ``significant`` (sentences).
    """
    by_category = {"all": np.ones(len(model), np.bool_)} | {
        name: model.truth == index for index, name in enumerate(CATEGORIES)
    }
    music = model.truth == MUSIC_INDEX
    tests = {
        "accuracy": _test(model.correct, baseline.correct),
        "music_called_functional": _test(
            ~model.music_called_functional[music], ~baseline.music_called_functional[music]
        ),
    }
    differences = {name: _difference(model.of(members), baseline.of(members)) for name, members in slices.items()}
    compared = len(tests) + sum(d["packages"] >= LEAST_PACKAGES for d in differences.values())
    return {
        "tracks": len(model),
        "packages": len(set(model.package)),
        "right": {
            name: paired_counts(model.correct[members], baseline.correct[members])
            for name, members in by_category.items()
        },
        "tests": tests,
        "slices": differences,
        "level": LEVEL,
        "comparisons": compared,
        "expected_by_chance": round((1 - LEVEL) * compared, 2),
        "significant": _sentences(tests, differences),
    }


def _test(model_right: Bools, baseline_right: Bools) -> dict[str, Any]:
    counts = paired_counts(model_right, baseline_right)
    p = mcnemar_p(counts["only_model"], counts["only_baseline"])
    return {**counts, "p_value": p, "significant": p <= 1 - LEVEL}


def _difference(model: JudgedTracks, baseline: JudgedTracks) -> dict[str, Any]:
    figures = estimate(
        {
            "balanced_accuracy_difference": lambda w: (
                weighted_balanced_accuracy(model.truth, model.called, w)
                - weighted_balanced_accuracy(baseline.truth, baseline.called, w)
            ),
        },
        list(model.package),
    )
    difference, packages = figures["balanced_accuracy_difference"], len(set(model.package))
    low, high = difference["low"], difference["high"]
    apart = low is not None and high is not None and (low > _ROUNDING or high < -_ROUNDING)
    once = np.ones((1, len(model)))
    return {
        "tracks": len(model),
        "packages": packages,
        "model": _number(weighted_balanced_accuracy(model.truth, model.called, once)[0]),
        "baseline": _number(weighted_balanced_accuracy(baseline.truth, baseline.called, once)[0]),
        **figures,
        "significant": apart and packages >= LEAST_PACKAGES,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _sentences(tests: dict[str, Any], differences: dict[str, Any]) -> list[str]:
    better = {True: "better", False: "worse"}
    words = {"accuracy": "right category", "music_called_functional": "music called functional"}
    found = [
        f"{words[name]}: the model is {better[test['only_model'] > test['only_baseline']]} "
        f"(alone right {test['only_model']}, the baseline alone {test['only_baseline']}, p = {test['p_value']:.2g})"
        for name, test in tests.items()
        if test["significant"]
    ]
    for name, slice_ in differences.items():
        if slice_["significant"]:
            value, low, high = (slice_["balanced_accuracy_difference"][key] for key in ("value", "low", "high"))
            found.append(
                f"balanced accuracy of {name}: the model is {better[value > 0]} by {abs(value):.3f} "
                f"(95 % interval of the difference {low:+.3f} to {high:+.3f})"
            )
    return found
