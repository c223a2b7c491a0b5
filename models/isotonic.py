"""Isotonic regression by pooling adjacent violators; NumPy only.

Ayer et al., "An empirical distribution function for sampling with incomplete information", Annals of Mathematical
Statistics 26 (1955).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class IsotonicMap:
    """A rising function: linear between its knots, flat outside.

    Attributes
    ----------
    scores, values
        The knots, shape (knots,), both rising.
    """

    scores: Array
    values: Array

    def apply(self, scores: npt.ArrayLike) -> Array:
        """Values of the function at scores of any shape."""
        return np.interp(np.asarray(scores, np.float64), self.scores, self.values)


def fit_isotonic(scores: npt.ArrayLike, wanted: npt.ArrayLike, weights: npt.ArrayLike) -> IsotonicMap:
    """The rising function with the least weighted squared distance from ``wanted``.

    Parameters
    ----------
    scores, wanted, weights
        Shape (tracks,); weights are positive. Equal scores are pooled before anything else.
    """
    score, target, weight = (np.asarray(values, np.float64) for values in (scores, wanted, weights))
    knots, place = np.unique(score, return_inverse=True)
    total = np.bincount(place, weight)
    mean = np.bincount(place, weight * target) / total
    # Blocks of neighbouring scores with one value; a block that falls below the one before is pooled with it.
    blocks: list[tuple[float, float, int]] = []
    for value, mass in zip(mean, total, strict=True):
        block = (float(value), float(mass), 1)
        while blocks and blocks[-1][0] >= block[0]:
            last = blocks.pop()
            both = last[1] + block[1]
            block = ((last[0] * last[1] + block[0] * block[1]) / both, both, last[2] + block[2])
        blocks.append(block)
    return IsotonicMap(knots, np.repeat([b[0] for b in blocks], [b[2] for b in blocks]))
