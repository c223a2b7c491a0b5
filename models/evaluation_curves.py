"""The curves of an evaluation: confidence against accuracy, cost against the price of a review, a map of embeddings."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import numpy.typing as npt

from models.decision import CostSettings
from models.metrics import Bools, Floats, Indices

#: Review costs at which the cost curve is worked out.
REVIEW_COSTS: Final = np.logspace(-2, 2, 81)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CostCurve:
    """What decisions cost if a label is acted on when its expected cost is at most the threshold.

    Attributes
    ----------
    threshold
        Shape (points,), in the unit of the config's costs.
    review_share
        Share of tracks sent to review, shape (points,).
    error_cost, total_cost
        Mean cost per track of the labels acted on, without and with the reviews at the config's price, shape (points,).
    """

    threshold: Floats
    review_share: Floats
    error_cost: Floats
    total_cost: Floats


def cost_curve(
    truth: Indices, called: Indices, probabilities: Floats, always_review: Bools, costs: CostSettings
) -> CostCurve:
    """Vary the threshold on the expected cost of a label.

    Parameters
    ----------
    truth, called
        Index into ``CATEGORIES``, shape (tracks,), at least one track.
    probabilities
        Calibrated, shape (tracks, 3).
    always_review
        Tracks that a flag sends to a person at any threshold, shape (tracks,).
    costs
        Of errors and of a review.
    """
    matrix = costs.matrix()
    expected = (probabilities * matrix.T[called]).sum(axis=1)
    review = (expected[np.newaxis] > REVIEW_COSTS[:, np.newaxis]) | always_review
    review_share = review.mean(axis=1)
    error_cost = (~review * matrix[truth, called]).mean(axis=1)
    return CostCurve(REVIEW_COSTS, review_share, error_cost, error_cost + costs.review * review_share)


def reliability(correct: Bools, confidence: Floats, bins: int = 10) -> list[tuple[int, float, float]]:
    """Tracks, mean confidence and accuracy of each equal-width bin of confidence that is not empty."""
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    return [
        (int((place == b).sum()), float(confidence[place == b].mean()), float(correct[place == b].mean()))
        for b in np.unique(place)
    ]


def plane_of(embeddings: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """The plane in which embeddings spread most: principal components.

    Parameters
    ----------
    embeddings
        Shape (tracks, size), at least one track.

    Returns
    -------
    places
        Shape (tracks, 2); zeros in a direction in which the tracks do not differ.
    shares
        Share of the variance along each axis, shape (2,).
    """
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    # An axis may point either way: its largest part is made positive, so that the same input gives the same map.
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, np.newaxis]
    places, shares = np.zeros((len(centred), 2)), np.zeros(2)
    places[:, : len(axes)] = centred @ axes.T
    shares[: len(axes)] = spread[:2] ** 2 / max(float(spread @ spread), 1e-30)
    return places, shares
