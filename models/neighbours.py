"""Are a track's neighbours in the embedding of its kind? The query of a search team, asked of every track."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.bootstrap import Floats, estimate
from models.metrics import Bools, Indices, ratio
from models.taxonomy import CATEGORIES, FUNCTIONAL_TYPES
from models.track_figures import FUNCTIONAL_INDEX, NO_TYPE, JudgedTracks

#: Neighbours that are looked at.
NEIGHBOURS: Final = 10
#: Cosines are told apart to this; what is nearer counts as equal, and the earlier track goes first.
_STEPS_OF_COSINE: Final = 1_000_000_000
#: Cosines held in memory at once: 32 MB.
_AT_ONCE: Final = 4_000_000


def nearest(
    embeddings: npt.NDArray[np.floating[Any]], package: npt.NDArray[np.str_], count: int = NEIGHBOURS
) -> Indices:
    """The nearest tracks of other packages, by cosine.

    A track's own package is left out: the next track of the same album proves nothing, nor does a copy.

    Parameters
    ----------
    embeddings
        Shape (tracks, size), of any length; a vector of zeros is at right angles to all.
    package
        Of each track.
    count
        Neighbours wanted.

    Returns
    -------
    ndarray
        Indices of tracks, the nearest first, shape (tracks, count); -1 where other packages have no more tracks. Of
        equally near ones, the first goes first.
    """
    tracks = len(embeddings)
    chosen = np.full((tracks, count), -1, np.int64)
    if not tracks:
        return chosen
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True)
    unit = embeddings / np.where(lengths > 0, lengths, 1.0)
    _, number = np.unique(package, return_inverse=True)
    at_once = max(1, _AT_ONCE // tracks)
    kept = min(count, tracks)
    for start in range(0, tracks, at_once):
        block = slice(start, min(start + at_once, tracks))
        # Distance and place in one whole number: no two are equal, so the outcome is the same every time.
        distance = np.rint((1 - unit[block] @ unit.T) * _STEPS_OF_COSINE).astype(np.int64)
        key = distance * tracks + np.arange(tracks)
        own = number[block, np.newaxis] == number
        key[own] = np.iinfo(np.int64).max
        near = np.argpartition(key, kept - 1, axis=1)[:, :kept]
        near = np.take_along_axis(near, np.argsort(np.take_along_axis(key, near, axis=1), axis=1), axis=1)
        chosen[block, :kept] = np.where(np.take_along_axis(own, near, axis=1), -1, near)
    return chosen


def neighbour_figures(embeddings: npt.NDArray[np.floating[Any]], tracks: JudgedTracks) -> dict[str, Any]:
    """What the JSON says of neighbours.

    For every track the share of its ten neighbours with the same category; for a functional one whose type is known
    the share with the same type, where a neighbour of unknown type is not the same. Tracks of a kind that no other
    package has are left out; one with fewer than ten others of its kind cannot reach a share of 1. The chance level is
    the share that neighbours drawn at random from the other packages would have. Intervals draw the packages of the
    tracks that ask; their neighbours stay as they are.

    Parameters
    ----------
    embeddings
        Shape (tracks, size).
    tracks
        With their truth; what the model called them is no matter.

    Returns
    -------
    dict
        ``neighbours`` (how many are looked at), ``category`` and ``functional_type`` over all tracks, ``categories``
        and ``types`` by true category and type; each has ``tracks``, ``packages``, ``same`` and ``chance``.
    """
    near = nearest(embeddings, tracks.package)
    types = np.where(tracks.truth == FUNCTIONAL_INDEX, tracks.true_type, NO_TYPE)
    typed = types != NO_TYPE
    same_category, category_chance = _same(near, tracks.truth, tracks.package)
    same_type, type_chance = _same(near, types, tracks.package)

    def shares(same: Floats, chance: Floats, members: Bools) -> dict[str, Any]:
        asked = members & ~np.isnan(same)
        share, package = same[asked], tracks.package[asked]
        return {
            "tracks": int(asked.sum()),
            "packages": len(set(package)),
            **estimate({"same": lambda w: ratio(w @ share, w.sum(axis=1))}, list(package)),
            "chance": float(chance[asked].mean()) if asked.any() else None,
        }

    return {
        "neighbours": NEIGHBOURS,
        "category": shares(same_category, category_chance, np.ones(len(tracks), np.bool_)),
        "functional_type": shares(same_type, type_chance, typed),
        "categories": {
            name: shares(same_category, category_chance, tracks.truth == index)
            for index, name in enumerate(CATEGORIES)
            if (tracks.truth == index).any()
        },
        "types": {
            FUNCTIONAL_TYPES[index]: shares(same_type, type_chance, types == index)
            for index in map(int, np.unique(types[typed]))
        },
    }


def _same(near: Indices, kind: Indices, package: npt.NDArray[np.str_]) -> tuple[Floats, Floats]:
    """Share of each track's neighbours that are of its kind, and of all tracks of other packages.

    NaN where other packages have none of its kind: nothing could be found.
    """
    found = near >= 0
    same = ratio(((kind[near] == kind[:, np.newaxis]) & found).sum(axis=1), found.sum(axis=1))
    _, of_package, in_package = np.unique(package, return_inverse=True, return_counts=True)
    _, of_kind, with_kind = np.unique(kind, return_inverse=True, return_counts=True)
    together = np.zeros((len(in_package), len(with_kind)))
    np.add.at(together, (of_package, of_kind), 1)
    alike = with_kind[of_kind] - together[of_package, of_kind]
    return np.where(alike > 0, same, np.nan), ratio(alike, (len(kind) - in_package[of_package]).astype(np.float64))
