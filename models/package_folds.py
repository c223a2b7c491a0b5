"""Parts of a set of tracks for cross-validation: whole packages, so that no source is on both sides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.errors import UserError
from models.taxonomy import CATEGORIES


def package_folds(package: npt.NDArray[np.str_], truth: npt.NDArray[np.int64], folds: int) -> npt.NDArray[np.int64]:
    """Number of the part that each track is held out in, shape (tracks,), 0 to ``folds`` - 1.

    Packages go, the largest first, to the part with the fewest tracks of their commonest category, so that a category
    which comes from two packages or more is never held out as a whole. The same tracks give the same parts in whatever
    order.

    Parameters
    ----------
    package
        The source of each track, shape (tracks,).
    truth
        Index of each track's category, shape (tracks,).
    folds
        Parts, at least 2.

    Raises
    ------
    UserError
        When there are fewer packages than parts.
    """
    names = np.unique(package)
    if len(names) < folds:
        raise UserError(
            f"--folds {folds}: the labels are of {len(names)} packages, and each part needs one; give labels of more "
            "sources, or fewer parts (2 at least)."
        )
    counts = {str(name): np.bincount(truth[package == name], minlength=len(CATEGORIES)) for name in names}
    sizes = np.zeros((folds, len(CATEGORIES)), np.int64)
    part_of: dict[str, int] = {}
    for name in sorted(counts, key=lambda name: (-counts[name].sum(), name)):
        commonest = int(counts[name].argmax())
        part = min(range(folds), key=lambda i: (sizes[i, commonest], sizes[i].sum(), i))
        part_of[name] = part
        sizes[part] += counts[name]
    return np.array([part_of[str(name)] for name in package], np.int64)
