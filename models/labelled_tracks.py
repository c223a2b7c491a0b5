"""An evaluation's labels as arrays, and which of them another decision rule would send to a person."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.decision import REVIEW_FLAGS, DecisionSettings
from models.errors import UserError
from models.taxonomy import CATEGORIES, FUNCTIONAL, MUSIC, SPEECH

_MUSIC_INDEX: Final = CATEGORIES.index(MUSIC)
_FUNCTIONAL_INDEX: Final = CATEGORIES.index(FUNCTIONAL)
_SPEECH_INDEX: Final = CATEGORIES.index(SPEECH)

#: Flags that follow from settings which are judged here; the others send a track to a person under any of them.
_JUDGED: Final = frozenset({"uncertain", "speech_heard", "mixed_content"})

#: Columns of ``labels.parquet`` that must be there.
COLUMNS: Final = (
    "true_category", "package", "flags", "duration_s", "model_version",
    *(f"p_{name}" for name in CATEGORIES), *(f"{name}_fraction" for name in CATEGORIES),
)  # fmt: skip
#: Columns that may be missing. Tracks whose expected decision is ``review`` have no category that one could act on.
OPTIONAL_COLUMNS: Final = ("dominant_share", "expected_decision")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LabelledTracks:
    """What a model said of tracks whose category is known.

    Attributes
    ----------
    truth
        Index of the true category, shape (tracks,).
    probabilities
        Calibrated, shape (tracks, 3).
    fractions
        Share of the time in which each category is present, shape (tracks, 3).
    package
        The source of each track; tracks of one source are not independent.
    blocked
        Whether a flag that no setting here governs sends the track to a person, shape (tracks,).
    mixed
        Whether the track had the flag ``mixed_content``, shape (tracks,).
    by_signal
        Whether level or tone decided, not the network, shape (tracks,).
    dominant_share
        Share of the heard time that the label's category holds, shape (tracks,), or None when that was not kept.
    """

    truth: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    fractions: npt.NDArray[np.float64]
    package: npt.NDArray[np.str_]
    blocked: npt.NDArray[np.bool_]
    mixed: npt.NDArray[np.bool_]
    by_signal: npt.NDArray[np.bool_]
    dominant_share: npt.NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def called(self) -> npt.NDArray[np.int64]:
        """Index of the category that each track was called, shape (tracks,)."""
        called: npt.NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return called

    def where(self, chosen: npt.NDArray[np.bool_]) -> LabelledTracks:
        """The tracks where ``chosen``, shape (tracks,), is true."""
        share = self.dominant_share
        return LabelledTracks(
            self.truth[chosen], self.probabilities[chosen], self.fractions[chosen], self.package[chosen],
            self.blocked[chosen], self.mixed[chosen], self.by_signal[chosen], None if share is None else share[chosen],
        )  # fmt: skip


def labelled_tracks(columns: Mapping[str, Sequence[Any]], source: str) -> LabelledTracks:
    """Make the arrays from the columns of ``labels.parquet``; tracks that are expected in review are left out.

    Raises
    ------
    UserError
        When a column is missing or there is no row; names ``source`` and the column.
    """
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise UserError(
            f"{source}: lacks the column {missing[0]}; give a labels.parquet that evaluate_classifier wrote."
        )
    if all(decision == "review" for decision in columns.get("expected_decision", columns["true_category"])):
        raise UserError(f"{source}: holds no track whose label could be acted on; evaluate the model on more audio.")
    unknown = sorted({str(name) for name in columns["true_category"]} - set(CATEGORIES))
    if unknown:
        raise UserError(f"{source}: true_category is {unknown[0]!r}, but {', '.join(CATEGORIES)} are expected.")
    flags = [frozenset(names) for names in columns["flags"]]
    tracks = LabelledTracks(
        truth=np.array([CATEGORIES.index(name) for name in columns["true_category"]], np.int64),
        probabilities=np.stack([np.asarray(columns[f"p_{name}"], np.float64) for name in CATEGORIES], axis=1),
        fractions=np.stack([np.asarray(columns[f"{name}_fraction"], np.float64) for name in CATEGORIES], axis=1),
        package=np.array([str(name) for name in columns["package"]]),
        blocked=np.array([bool(names & (REVIEW_FLAGS - _JUDGED)) for names in flags]),
        mixed=np.array(["mixed_content" in names for names in flags]),
        by_signal=np.array([bool(names & {"silence_by_level", "tone_by_signal"}) for names in flags]),
        dominant_share=np.asarray(columns["dominant_share"], np.float64) if "dominant_share" in columns else None,
    )
    expected = columns.get("expected_decision", [None] * len(tracks))
    return tracks.where(np.array([decision != "review" for decision in expected]))


def reviewed(tracks: LabelledTracks, settings: DecisionSettings, cost_rule: bool = True) -> npt.NDArray[np.bool_]:
    """Which tracks the decision rule sends to a person, shape (tracks,).

    The rule of :func:`models.decision.decide_audio`, on what the labels keep. Without ``dominant_share`` a track is
    mixed when its label says so, whatever ``min_dominant_share`` is, unless that is 0.

    Parameters
    ----------
    cost_rule
        False leaves the expected cost out, so that ``min_confidence`` decides alone.
    """
    called = tracks.called
    functional = called == _FUNCTIONAL_INDEX
    confidence = tracks.probabilities.max(axis=1)
    least = np.array([getattr(settings.min_confidence, name) for name in CATEGORIES])
    if tracks.dominant_share is None:
        mixed = tracks.mixed & (settings.min_dominant_share > 0)
    else:
        mixed = tracks.dominant_share < settings.min_dominant_share
    review = tracks.blocked | mixed | (confidence < least[called])
    review |= functional & (tracks.fractions[:, _MUSIC_INDEX] > settings.max_music_in_functional)
    review |= functional & (tracks.fractions[:, _SPEECH_INDEX] > settings.max_speech_in_functional)
    if cost_rule:
        review |= expected_costs(tracks, settings) > settings.costs.review
    decided: npt.NDArray[np.bool_] = review
    return decided


def expected_costs(tracks: LabelledTracks, settings: DecisionSettings) -> npt.NDArray[np.float64]:
    """Expected cost of acting on each label, shape (tracks,)."""
    costs: npt.NDArray[np.float64] = np.einsum(
        "tc,tc->t", tracks.probabilities, settings.costs.matrix().T[tracks.called]
    )
    return costs


def wrong_label_costs(tracks: LabelledTracks, settings: DecisionSettings) -> npt.NDArray[np.float64]:
    """What acting on each label costs, now that the truth is known, shape (tracks,); 0 for a right one."""
    costs: npt.NDArray[np.float64] = settings.costs.matrix()[tracks.truth, tracks.called]
    return costs


def music_called_functional(tracks: LabelledTracks) -> npt.NDArray[np.bool_]:
    """Which tracks are music and called functional, shape (tracks,)."""
    wrong: npt.NDArray[np.bool_] = (tracks.truth == _MUSIC_INDEX) & (tracks.called == _FUNCTIONAL_INDEX)
    return wrong
