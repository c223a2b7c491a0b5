"""Figures of merit of labels against the truth: arrays of one element per track, categories as indices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from models.taxonomy import CATEGORIES, FUNCTIONAL, MUSIC

_FUNCTIONAL_INDEX = CATEGORIES.index(FUNCTIONAL)
_MUSIC_INDEX = CATEGORIES.index(MUSIC)


def balanced_accuracy(truth: npt.NDArray[np.int64], called: npt.NDArray[np.int64]) -> float:
    """Mean recall over the categories that occur in ``truth``, 0 to 1; NaN for no tracks."""
    recalls = [float((called[truth == c] == c).mean()) for c in np.unique(truth)]
    return float(np.mean(recalls)) if recalls else math.nan


def area_under_roc(positive: npt.NDArray[np.bool_], score: npt.NDArray[np.float64]) -> float:
    """Probability that a positive scores above a negative, ties counting half; NaN without one of both.

    The rank-sum form of the Mann-Whitney U statistic.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return math.nan
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    return float((mean_rank[inverse][positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def expected_calibration_error(
    correct: npt.NDArray[np.bool_], confidence: npt.NDArray[np.float64], bins: int = 10
) -> float:
    """Mean distance of confidence from accuracy over equal-width bins, weighted by their tracks; NaN for no tracks."""
    if not len(correct):
        return math.nan
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = [
        (index == b).sum() * abs(float(correct[index == b].mean()) - float(confidence[index == b].mean()))
        for b in np.unique(index)
    ]
    return float(sum(gaps) / len(correct))


def category_metrics(
    truth: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], auto: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """The figures of one set of tracks, JSON-ready (NaN as null).

    Parameters
    ----------
    truth
        Index of each track's category, shape (tracks,).
    probabilities
        Calibrated, shape (tracks, 3).
    auto
        Whether the label is acted on, shape (tracks,).
    """
    called = probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, np.int64)
    functional = truth == _FUNCTIONAL_INDEX
    music = truth == _MUSIC_INDEX
    wrong_functional = music & (called == _FUNCTIONAL_INDEX)
    confusion = np.zeros((3, 3), np.int64)
    np.add.at(confusion, (truth, called), 1)
    figures: dict[str, Any] = {
        "tracks": len(truth),
        "balanced_accuracy": balanced_accuracy(truth, called),
        "accuracy": float((truth == called).mean()) if len(truth) else math.nan,
        "recall": {name: float((called[truth == c] == c).mean()) if (truth == c).any() else math.nan
                   for c, name in enumerate(CATEGORIES)},
        "auroc_functional": area_under_roc(functional, probabilities[:, _FUNCTIONAL_INDEX]),
        "music_called_functional": int(wrong_functional.sum()),
        "music_called_functional_auto": int((wrong_functional & auto).sum()),
        "review_share": float((~auto).mean()) if len(auto) else math.nan,
        "accuracy_auto": float((truth == called)[auto].mean()) if auto.any() else math.nan,
        "expected_calibration_error": expected_calibration_error(truth == called, probabilities.max(axis=1, initial=0)),
        "confusion": {name: dict(zip(CATEGORIES, map(int, confusion[c]), strict=True))
                      for c, name in enumerate(CATEGORIES)},
    }  # fmt: skip
    cleaned: dict[str, Any] = _without_nan(figures)
    return cleaned


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
