"""Intervals by a cluster bootstrap: whole source packages are drawn, since the tracks of one are alike.

The percentile method of Efron & Tibshirani, An Introduction to the Bootstrap (1993), ch. 13, with packages as the
units that are drawn with replacement. It knows only errors that were seen: for a count of none it gives 0 to 0, which
is no proof that there are none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
#: One figure: from weights (replicates, tracks) to values (replicates,).
Figure = Callable[[Floats], Floats]
#: A figure as it stands in the JSON: ``value``, ``low`` and ``high``, null where there is none.
Estimate = dict[str, float | None]

REPLICATES: Final = 1000
SEED: Final = 20_261_122
LEVEL: Final = 0.95
#: A figure that fewer of the replicates have gets no interval.
_LEAST_DEFINED_SHARE: Final = 0.5
#: Weights held in memory at once: 32 MB.
_WEIGHTS_AT_ONCE: Final = 4_000_000


def resampled_weights(packages: Sequence[str], replicates: int = REPLICATES, seed: int = SEED) -> Iterator[Floats]:
    """Draw as many packages as there are, with replacement, over and over.

    Parameters
    ----------
    packages
        The source package of each track, at least one.
    replicates
        How many draws.
    seed
        Of the random numbers. The draws depend on it and on the set of packages, not on the tracks' order.

    Yields
    ------
    ndarray
        How often each track was drawn, shape (some replicates, tracks).
    """
    names, package_of_track = np.unique(np.asarray(packages, dtype=object).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    at_once = max(1, _WEIGHTS_AT_ONCE // max(len(packages), len(names)))
    for start in range(0, replicates, at_once):
        size = min(at_once, replicates - start)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size)
        yield drawn[:, package_of_track].astype(np.float64)


def estimate(figures: dict[str, Figure], packages: Sequence[str]) -> dict[str, Estimate]:
    """Each figure with its 95 % interval.

    Draws that lack a figure (say, because the only package with speech was not drawn) are left out of its interval. It
    has none when more than half of the draws lack it, or when there is one package only.

    Parameters
    ----------
    figures
        By name; all of them see the same draws.
    packages
        The source package of each track, shape (tracks,).
    """
    once = np.ones((1, len(packages)))
    values = {name: float(figure(once)[0]) for name, figure in figures.items()}
    drawn: dict[str, list[Floats]] = {name: [] for name in figures}
    if len(set(packages)) > 1:
        for weights in resampled_weights(packages):
            for name, figure in figures.items():
                drawn[name].append(figure(weights))
    return {name: _estimate(values[name], drawn[name]) for name in figures}


def _estimate(value: float, drawn: list[Floats]) -> Estimate:
    if math.isnan(value):
        return {"value": None, "low": None, "high": None}
    values = np.concatenate(drawn) if drawn else np.zeros(0)
    defined = values[~np.isnan(values)]
    if not len(defined) or len(defined) < _LEAST_DEFINED_SHARE * len(values):
        return {"value": value, "low": None, "high": None}
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": value, "low": float(low), "high": float(high)}
