"""The figures of a set of judged tracks: category, decision and functional type, each with an interval."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.bootstrap import Estimate, Figure, Floats, estimate
from models.metrics import (
    Bools,
    Indices,
    confusion_matrix,
    ratio,
    weighted_area_under_roc,
    weighted_average_precision,
    weighted_balanced_accuracy,
    weighted_calibration_error,
    weighted_recall_at,
    weighted_share,
)
from models.taxonomy import CATEGORIES, FUNCTIONAL, FUNCTIONAL_TYPES, MUSIC

FUNCTIONAL_INDEX: Final = CATEGORIES.index(FUNCTIONAL)
MUSIC_INDEX: Final = CATEGORIES.index(MUSIC)
#: Index of a track that has no functional type, or whose type nobody knows.
NO_TYPE: Final = -1
#: Types with fewer tracks are left out of the mean over types.
LEAST_TRACKS_OF_TYPE: Final = 20
NOT_FUNCTIONAL: Final = "not functional"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class JudgedTracks:
    """Tracks with truth and label; every array has one element per track.

    Attributes
    ----------
    truth, called
        Index into ``CATEGORIES``.
    probabilities
        Calibrated, shape (tracks, 3).
    auto
        Whether the label is acted on.
    true_type, called_type
        Index into ``FUNCTIONAL_TYPES``, or ``NO_TYPE``.
    package
        Where each track comes from.
    """

    truth: Indices
    called: Indices
    probabilities: Floats
    auto: Bools
    true_type: Indices
    called_type: Indices
    package: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.truth)

    def of(self, members: Bools) -> JudgedTracks:
        """The tracks at which ``members`` is true."""
        return JudgedTracks(*(getattr(self, field.name)[members] for field in dataclasses.fields(self)))

    @property
    def correct(self) -> Bools:
        """Which categories are right."""
        return np.asarray(self.truth == self.called)

    @property
    def music_called_functional(self) -> Bools:
        """The costly errors."""
        return np.asarray((self.truth == MUSIC_INDEX) & (self.called == FUNCTIONAL_INDEX))


def category_figures(tracks: JudgedTracks) -> dict[str, Figure]:
    """The figures of category and decision, by name, as functions of weights."""
    t = tracks
    every = np.ones(len(t), np.bool_)
    music, functional = t.truth == MUSIC_INDEX, t.truth == FUNCTIONAL_INDEX
    score = t.probabilities[:, FUNCTIONAL_INDEX]
    costly = t.music_called_functional
    confidence = t.probabilities.max(axis=1, initial=0.0)

    def recall(index: int) -> Figure:
        return lambda w: weighted_share(t.called == index, t.truth == index, w)

    def recall_at(share: float) -> Figure:
        return lambda w: weighted_recall_at(functional, music, score, share, w)

    return {
        "balanced_accuracy": lambda w: weighted_balanced_accuracy(t.truth, t.called, w),
        "accuracy": lambda w: weighted_share(t.correct, every, w),
        **{f"recall_{name}": recall(index) for index, name in enumerate(CATEGORIES)},
        "auroc_functional": lambda w: weighted_area_under_roc(functional, score, w),
        "average_precision_functional": lambda w: weighted_average_precision(functional, score, w),
        "music_called_functional": lambda w: w @ costly.astype(np.float64),
        "music_called_functional_rate": lambda w: weighted_share(costly, music, w),
        "music_called_functional_auto": lambda w: w @ (costly & t.auto).astype(np.float64),
        "music_called_functional_auto_rate": lambda w: weighted_share(costly & t.auto, music, w),
        "functional_recall_at_0.1pct_music": recall_at(0.001),
        "functional_recall_at_1pct_music": recall_at(0.01),
        "review_share": lambda w: weighted_share(~t.auto, every, w),
        "accuracy_auto": lambda w: weighted_share(t.correct, t.auto, w),
        "expected_calibration_error": lambda w: weighted_calibration_error(t.correct, confidence, w),
    }


def slice_figures(tracks: JudgedTracks) -> dict[str, Any]:
    """What the JSON says of one slice: counts, each figure with its interval, the confusion matrix."""
    confusion = confusion_matrix(tracks.truth, tracks.called, len(CATEGORIES), len(CATEGORIES))
    return {
        "tracks": len(tracks),
        "packages": len(set(tracks.package)),
        **estimate(category_figures(tracks), list(tracks.package)),
        "confusion": {
            name: dict(zip(CATEGORIES, map(int, confusion[c]), strict=True)) for c, name in enumerate(CATEGORIES)
        },
    }


def type_figures(tracks: JudgedTracks) -> dict[str, Any]:
    """What the JSON says of functional types.

    Over the functional tracks whose type is known. One that is called music or speech is a miss for its type, so a
    type's recall is bounded by the recall of the category. Music and speech that is called functional is counted by
    the category's figures and not again here.

    Returns
    -------
    dict
        ``tracks``, ``packages``, ``macro_f1`` (over ``types_in_macro_f1``, those with at least 20 tracks),
        ``accuracy``, ``accuracy_when_called_functional``, ``types`` (tracks, recall and F1 by type) and ``confusion``.
    """
    known = tracks.of((tracks.truth == FUNCTIONAL_INDEX) & (tracks.true_type != NO_TYPE))
    truth, called = known.true_type, known.called_type
    occurring = [int(index) for index in np.unique(truth)]
    frequent = [index for index in occurring if (truth == index).sum() >= LEAST_TRACKS_OF_TYPE]
    every = np.ones(len(known), np.bool_)

    def recall(index: int) -> Figure:
        return lambda w: weighted_share(called == index, truth == index, w)

    def f1(index: int) -> Figure:
        return lambda w: weighted_f1(truth == index, called == index, w)

    def macro_f1(weights: Floats) -> Floats:
        if not frequent:
            return np.full(len(weights), np.nan)
        return np.asarray(np.mean([f1(index)(weights) for index in frequent], axis=0))

    estimates = estimate(
        {
            "macro_f1": macro_f1,
            "accuracy": lambda w: weighted_share(truth == called, every, w),
            "accuracy_when_called_functional": lambda w: weighted_share(truth == called, called != NO_TYPE, w),
            **{f"recall {index}": recall(index) for index in occurring},
            **{f"f1 {index}": f1(index) for index in occurring},
        },
        list(known.package),
    )
    # The last column takes NO_TYPE, which is -1.
    matrix = confusion_matrix(truth, called, len(FUNCTIONAL_TYPES), len(FUNCTIONAL_TYPES) + 1)
    columns = (*FUNCTIONAL_TYPES, NOT_FUNCTIONAL)
    return {
        "tracks": len(known),
        "packages": len(set(known.package)),
        **{name: estimates[name] for name in ("macro_f1", "accuracy", "accuracy_when_called_functional")},
        "types_in_macro_f1": [FUNCTIONAL_TYPES[index] for index in frequent],
        "types": {
            FUNCTIONAL_TYPES[index]: {
                "tracks": int((truth == index).sum()),
                "packages": len(set(known.package[truth == index])),
                "recall": estimates[f"recall {index}"],
                "f1": estimates[f"f1 {index}"],
            }
            for index in occurring
        },
        "confusion": {
            FUNCTIONAL_TYPES[index]: dict(zip(columns, map(int, matrix[index]), strict=True)) for index in occurring
        },
    }


def weighted_f1(truth: Bools, called: Bools, weights: Floats) -> Floats:
    """Harmonic mean of precision and recall, 0 to 1; NaN where nothing is so or is called so."""
    right = 2 * (weights @ (truth & called).astype(np.float64))
    return ratio(right, weights @ (truth.astype(np.float64) + called.astype(np.float64)))


def kept_category(group: npt.NDArray[np.str_], called: Indices, package: npt.NDArray[np.str_]) -> dict[str, Any]:
    """How often two rows of one recording get the same category.

    Parameters
    ----------
    group
        What the rows of one recording share, shape (rows,); an empty text stands for none.
    called
        Index of each row's category.
    package
        Of each row. A recording whose rows name several counts for the first in alphabetical order.

    Returns
    -------
    dict
        ``recordings`` (with two rows or more), ``pairs`` of rows, ``packages``, and ``kept``: the share of the pairs
        whose categories agree.
    """
    pairs, same, of = [], [], []
    for name in np.unique(group[group != ""]):
        members = group == name
        counts = np.bincount(called[members], minlength=len(CATEGORIES))
        if members.sum() > 1:
            pairs.append(int(members.sum() * (members.sum() - 1) // 2))
            same.append(int((counts * (counts - 1) // 2).sum()))
            of.append(str(min(package[members])))
    kept: dict[str, Estimate] = estimate(
        {"kept": lambda w: ratio(w @ np.array(same, np.float64), w @ np.array(pairs, np.float64))}, of
    )
    return {"recordings": len(pairs), "pairs": sum(pairs), "packages": len(set(of)), **kept}
