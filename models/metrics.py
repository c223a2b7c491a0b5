"""Figures of merit of labels against the truth: arrays of one element per track, categories as indices.

The ``weighted_`` functions take a weight per track and replicate, shape (replicates, tracks), and give one figure per
replicate, NaN where a replicate has no track that the figure is about. Weights of one give the figure itself, the
weights of a bootstrap its spread.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from models.taxonomy import CATEGORIES, FUNCTIONAL, MUSIC

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_FUNCTIONAL_INDEX = CATEGORIES.index(FUNCTIONAL)
_MUSIC_INDEX = CATEGORIES.index(MUSIC)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Element by element ``part / whole``, NaN where ``whole`` is 0."""
    quotient: Floats = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def weighted_share(hit: Bools, among: Bools, weights: Floats) -> Floats:
    """Share of the tracks ``among`` that are a ``hit``, 0 to 1, shape (replicates,)."""
    return ratio(weights @ (hit & among).astype(np.float64), weights @ among.astype(np.float64))


def weighted_balanced_accuracy(truth: Indices, called: Indices, weights: Floats) -> Floats:
    """Mean recall over the categories that occur in ``truth``, 0 to 1.

    NaN for a replicate without a track of one of them: a mean over fewer categories would be another figure.
    """
    recalls = [weighted_share(called == c, truth == c, weights) for c in np.unique(truth)]
    mean: Floats = np.mean(recalls, axis=0) if recalls else np.full(len(weights), np.nan)
    return mean


def _by_score(positive: Bools, negative: Bools, score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of positives and of negatives at each distinct score, the largest first, each (replicates, scores)."""
    order = np.argsort(-score, kind="stable")
    first = np.flatnonzero(np.diff(score[order], prepend=np.inf))
    return (
        np.add.reduceat(weights[:, order] * positive[order], first, axis=1),
        np.add.reduceat(weights[:, order] * negative[order], first, axis=1),
    )


def weighted_area_under_roc(positive: Bools, score: Floats, weights: Floats) -> Floats:
    """Probability that a positive scores above a negative, ties counting half; NaN without one of both."""
    if not len(score):
        return np.full(len(weights), np.nan)
    positives, negatives = _by_score(positive, ~positive, score, weights)
    total = negatives.sum(axis=1)
    below = total[:, np.newaxis] - np.cumsum(negatives, axis=1)
    return ratio((positives * (below + negatives / 2)).sum(axis=1), positives.sum(axis=1) * total)


def weighted_average_precision(positive: Bools, score: Floats, weights: Floats) -> Floats:
    """Mean precision over the positives, each at the threshold of its own score; NaN without a positive."""
    if not len(score):
        return np.full(len(weights), np.nan)
    positives, negatives = _by_score(positive, ~positive, score, weights)
    found = np.cumsum(positives, axis=1)
    precision = np.nan_to_num(ratio(found, found + np.cumsum(negatives, axis=1)))
    return ratio((positives * precision).sum(axis=1), positives.sum(axis=1))


def weighted_recall_at(
    positive: Bools, negative: Bools, score: Floats, largest_negative_share: float, weights: Floats
) -> Floats:
    """Largest share of positives above a threshold that lets at most a given share of negatives through.

    Parameters
    ----------
    positive, negative
        Which tracks are one or the other, shape (tracks,); a track may be neither.
    score
        Shape (tracks,). A threshold takes all tracks of a score or none.
    largest_negative_share
        0 to 1.
    weights
        Shape (replicates, tracks).

    Returns
    -------
    ndarray
        Shape (replicates,); NaN without one of both.
    """
    if not len(score):
        return np.full(len(weights), np.nan)
    positives, negatives = _by_score(positive, negative, score, weights)
    all_negatives = negatives.sum(axis=1)
    allowed = largest_negative_share * all_negatives + 1e-9
    within = np.cumsum(negatives, axis=1) <= allowed[:, np.newaxis]
    found = np.where(within, np.cumsum(positives, axis=1), 0.0).max(axis=1)
    return np.where(all_negatives > 0, ratio(found, positives.sum(axis=1)), np.nan)


def weighted_calibration_error(correct: Bools, confidence: Floats, weights: Floats, bins: int = 10) -> Floats:
    """Mean distance of confidence from accuracy over equal-width bins, weighted by their tracks; NaN for no tracks."""
    members = np.eye(bins)[np.minimum((confidence * bins).astype(np.int64), bins - 1)].reshape(-1, bins)
    gaps = np.abs(weights @ (members * (correct - confidence)[:, np.newaxis]))
    return ratio(gaps.sum(axis=1), weights.sum(axis=1))


def balanced_accuracy(truth: Indices, called: Indices) -> float:
    """Mean recall over the categories that occur in ``truth``, 0 to 1; NaN for no tracks."""
    return float(weighted_balanced_accuracy(truth, called, np.ones((1, len(truth))))[0])


def area_under_roc(positive: Bools, score: Floats) -> float:
    """Probability that a positive scores above a negative, ties counting half; NaN without one of both."""
    return float(weighted_area_under_roc(positive, score, np.ones((1, len(score))))[0])


def expected_calibration_error(correct: Bools, confidence: Floats, bins: int = 10) -> float:
    """Mean distance of confidence from accuracy over equal-width bins, weighted by their tracks; NaN for no tracks."""
    return float(weighted_calibration_error(correct, confidence, np.ones((1, len(correct))), bins)[0])


def confusion_matrix(truth: Indices, called: Indices, rows: int, columns: int) -> Indices:
    """Tracks by true (rows) and called (columns) index, shape (rows, columns)."""
    matrix = np.zeros((rows, columns), np.int64)
    np.add.at(matrix, (truth, called), 1)
    return matrix


def category_metrics(truth: Indices, probabilities: Floats, auto: Bools) -> dict[str, Any]:
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
    confusion = confusion_matrix(truth, called, len(CATEGORIES), len(CATEGORIES))
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
