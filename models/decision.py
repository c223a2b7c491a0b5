"""From the windows of a track to its label: category, type, confidence, fractions, segments, and who decides.

Pure functions of numbers. The rule in short: windows below the silence level are silence and say nothing else; one
steady tone in all the others is a tone; otherwise they vote with their probabilities, weighted by their length; the
calibrated vote gives the category; the cost model says whether the label may be acted on or a person listens first.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pydantic

from models.calibration import Calibration
from models.taxonomy import CATEGORIES, FUNCTIONAL, FUNCTIONAL_TYPES, MUSIC, SPEECH
from models.window_records import DecodeSummary, WindowPrediction

_FUNCTIONAL_INDEX: Final = CATEGORIES.index(FUNCTIONAL)
_MUSIC_INDEX: Final = CATEGORIES.index(MUSIC)
_SPEECH_INDEX: Final = CATEGORIES.index(SPEECH)
_SILENCE_INDEX: Final = FUNCTIONAL_TYPES.index("silence")
_TONE_INDEX: Final = FUNCTIONAL_TYPES.index("tone")

#: How far the windows of one steady tone may differ: as a ratio of frequencies, and in dB.
_MOST_DETUNED: Final = 0.005
_MOST_LEVEL_CHANGE_DB: Final = 1.0

#: A length in another unit: of shorter audio nothing is said, for a few milliseconds are a slip of any kind.
_LEAST_FOR_UNIT_S: Final = 10.0
_UNIT_TOLERANCE_S: Final = 1.0
_UNIT_TOLERANCE_RATIO: Final = 0.01

#: Confidence of a label that the signal alone decides: certain, short of claiming that no rule is ever wrong.
_RULE_CONFIDENCE: Final = 0.999

#: Every flag that a label can carry, with what it tells a reviewer; ``docs/tables.md`` lists them.
FLAGS: Final = {
    "above_full_scale": "Samples lie more than 12 dB above full scale; they were clipped, as a player would.",
    "channels_cancel": "The channels cancel each other in the mix that was heard; a person listens to them one by one.",
    "decoded_by_fallback": "The first decoder could not read the file; the second one did.",
    "declared_type_contradicts_audio": "The catalog's declared_type names another category than the one heard.",
    "duration_in_other_unit": "The audio lasts 1,000 times as long as the catalog says, or a thousandth: seconds stand "
    "where it is read in milliseconds, or the other way round.",
    "longer_than_catalog": "The audio is longer than the catalog says, beyond the tolerance.",
    "mixed_content": "Windows of different categories, none of them dominant.",
    "mostly_silent": "More than half of the heard time is below the silence level.",
    "music_heard": "Labelled functional or speech, yet music is heard in a good part of it.",
    "non_finite_samples": "The file holds samples that are no numbers; they were taken as zero.",
    "release_contradicts_audio": "Release title or genres promise music or speech; functional sound was heard.",
    "shorter_than_catalog": "The audio ends before the catalog or its own container says; labelled from what there is.",
    "silence_by_level": "Decided by signal level alone: nothing above the silence level.",
    "speech_heard": "Labelled functional, yet speech is heard in a good part of it, as in a café.",
    "title_contradicts_audio": "The title promises another category than the one heard.",
    "tonal": "Functional and tonal: a bowl, a chime or a drone may be music, and only a person can tell.",
    "tone_by_signal": "Decided by the signal alone: one steady tone in everything that is heard.",
    "truncated": "The file ends before its own container says.",
    "uncertain": "The expected cost of a wrong label is above the cost of a review, or the confidence is below the "
    "category's least, or music is heard in a functional track.",
}

#: The part of what ``uncertain`` says that is about functional tracks alone.
_OF_FUNCTIONAL: Final = ", or music is heard in a functional track"

#: Flags that always send a track to a person.
REVIEW_FLAGS: Final = frozenset(
    {"above_full_scale", "channels_cancel", "declared_type_contradicts_audio", "mixed_content", "mostly_silent",
     "non_finite_samples", "release_contradicts_audio", "shorter_than_catalog", "speech_heard",
     "title_contradicts_audio", "tonal", "truncated", "uncertain"}
)  # fmt: skip


class CostSettings(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What each mistake costs, in any one unit; only the ratios matter.

    The defaults put a musician's loss first: a song called functional costs ten times a noise track paid as music,
    and sixty times a minute of a reviewer.
    """

    music_called_functional: float = pydantic.Field(default=60.0, ge=0)
    music_called_speech: float = pydantic.Field(default=10.0, ge=0)
    functional_called_music: float = pydantic.Field(default=6.0, ge=0)
    functional_called_speech: float = pydantic.Field(default=6.0, ge=0)
    speech_called_functional: float = pydantic.Field(default=20.0, ge=0)
    speech_called_music: float = pydantic.Field(default=6.0, ge=0)
    review: float = pydantic.Field(default=1.0, gt=0)

    def matrix(self) -> npt.NDArray[np.float64]:
        """Cost of each mistake, shape (3 true categories, 3 called categories), 0 on the diagonal."""
        return np.array(
            [
                [0.0 if truth == called else getattr(self, f"{truth}_called_{called}") for called in CATEGORIES]
                for truth in CATEGORIES
            ]
        )

    def expected_cost(self, called: str, probabilities: npt.NDArray[np.float64]) -> float:
        """Expected cost of acting on the label ``called``.

        Parameters
        ----------
        called
            One of ``CATEGORIES``.
        probabilities
            Calibrated probabilities in the order of ``CATEGORIES``, shape (3,).
        """
        return float(np.asarray(probabilities) @ self.matrix()[:, CATEGORIES.index(called)])


class ConfidenceSettings(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Confidence below which a label of each category goes to review, whatever the cost model expects; 0 for none."""

    music: float = pydantic.Field(default=0.0, ge=0, le=1)
    functional: float = pydantic.Field(default=0.0, ge=0, le=1)
    speech: float = pydantic.Field(default=0.0, ge=0, le=1)


class DecisionSettings(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The decision rule's settings (``decision:`` in a config)."""

    costs: CostSettings = CostSettings()
    #: A window whose peak lies below this, in dB re full scale, is silence. 16-bit dither peaks near -90 dBFS.
    silence_peak_dbfs: float = pydantic.Field(default=-60.0, ge=-120, le=-30)
    #: Tolerance of the measured against the catalog's duration: the larger of the two applies.
    duration_tolerance_s: float = pydantic.Field(default=2.0, ge=0)
    duration_tolerance_ratio: float = pydantic.Field(default=0.02, ge=0, le=1)
    #: Smallest share of the heard time that the label's category must hold, or the track is ``mixed_content``.
    min_dominant_share: float = pydantic.Field(default=0.6, ge=0, le=1)
    #: Largest share of heard music in a track that may be called functional with ``auto``.
    max_music_in_functional: float = pydantic.Field(default=0.2, ge=0, le=1)
    #: Largest share of heard speech in a track that may be called functional with ``auto``.
    max_speech_in_functional: float = pydantic.Field(default=0.2, ge=0, le=1)
    #: Beside the costs, for a model whose confidence is not always deserved.
    min_confidence: ConfidenceSettings = ConfidenceSettings()
    #: A label whose expected cost is above this share of a review's is not settled: more of the track is heard.
    settled_cost_share: float = pydantic.Field(default=0.25, ge=0, le=1)
    #: Nor is a track settled while a longer stretch of it, in seconds, was not heard. A song of up to 285 s needs three
    #: windows for that, a track of 14 minutes nine.
    settled_unheard_s: float = pydantic.Field(default=90.0, gt=0)
    #: A label that is not settled by so many windows is left as it is: more of them hardly ever changed one. Stretches
    #: that nobody heard are heard beyond it.
    doubt_windows: int = pydantic.Field(default=9, ge=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring windows of one category, merged. Times in seconds; confidence 0 to 1."""

    start_s: float
    end_s: float
    category: str
    functional_type: str | None
    confidence: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class AudioDecision:
    """What is said of one audio file, whatever its catalog rows claim.

    Attributes
    ----------
    probabilities
        Calibrated, in the order of ``CATEGORIES``, shape (3,), summing to 1.
    fractions
        Share of the heard time in which each category is present, shape (3,); they may overlap.
    review
        Whether a person listens first.
    flags
        Sorted, keys of :data:`FLAGS`.
    embedding
        Unit length, shape (embedding_size,), float32.
    """

    category: str
    functional_type: str | None
    confidence: float
    probabilities: npt.NDArray[np.float64]
    fractions: npt.NDArray[np.float64]
    review: bool
    flags: tuple[str, ...]
    segments: tuple[Segment, ...]
    embedding: npt.NDArray[np.float32]


def flag_meaning(flag: str, category: str) -> str:
    """What a flag tells a reviewer of a track of that category; of an unknown flag, its name."""
    meaning = FLAGS.get(flag, flag)
    return meaning if category == FUNCTIONAL else meaning.replace(_OF_FUNCTIONAL, "")


def duration_flags(duration_s: float, catalog_duration_ms: int | None, settings: DecisionSettings) -> list[str]:
    """Flags for a measured length, in seconds, that is not what the catalog says, in milliseconds; sorted."""
    if not catalog_duration_ms:
        return []
    catalog_s = catalog_duration_ms / 1000
    tolerance_s = max(settings.duration_tolerance_s, settings.duration_tolerance_ratio * catalog_s)
    if abs(duration_s - catalog_s) <= tolerance_s:
        return []
    unit = ["duration_in_other_unit"] if _is_other_unit(duration_s, catalog_s) else []
    return [*unit, "shorter_than_catalog" if duration_s < catalog_s else "longer_than_catalog"]


def _is_other_unit(duration_s: float, catalog_s: float) -> bool:
    """Whether a length that is wrong would be right, as far as a number without decimals is, in another unit."""
    tolerance_s = max(_UNIT_TOLERANCE_S, _UNIT_TOLERANCE_RATIO * duration_s)
    return duration_s >= _LEAST_FOR_UNIT_S and any(
        abs(duration_s - catalog_s * factor) <= tolerance_s for factor in (1000, 0.001)
    )


def needs_review(flags: Sequence[str]) -> bool:
    """Whether any of the flags sends a track to a person."""
    return not REVIEW_FLAGS.isdisjoint(flags)


def decide_audio(
    predictions: Sequence[WindowPrediction],
    summary: DecodeSummary,
    calibration: Calibration,
    settings: DecisionSettings,
) -> AudioDecision:
    """Label one audio file from its windows.

    Parameters
    ----------
    predictions
        At least one, ordered by ``start_s``.
    summary
        How decoding ended; its flags are carried over.
    calibration
        Of the model that made the predictions.
    settings
        Costs, levels and tolerances.

    Raises
    ------
    ValueError
        When there is no prediction, or one that is a ``failure``.
    """
    if not predictions:
        raise ValueError("a decision needs at least one window; a file without any is a dead letter")
    if any(p.failure is not None for p in predictions):
        raise ValueError("no decision on a window that could not be classified; its file is a dead letter")
    weights = np.array([max(p.duration_s, 1e-6) for p in predictions])
    silent = np.array([p.peak_dbfs < settings.silence_peak_dbfs for p in predictions])
    one_tone = _is_one_tone([p for p, still in zip(predictions, silent, strict=True) if not still])
    category, types, presence = _window_evidence(predictions, silent, one_tone)
    silent_share = float(weights @ silent / weights.sum())
    heard = weights * ~silent
    flags = set(summary.flags)
    if "truncated" in flags or summary.error_type is not None:
        flags |= {"truncated", "shorter_than_catalog"}

    if silent.all() or one_tone:
        probabilities = np.full(3, (1 - _RULE_CONFIDENCE) / 2)
        probabilities[_FUNCTIONAL_INDEX] = _RULE_CONFIDENCE
        flags.add("tone_by_signal" if one_tone else "silence_by_level")
        heard = heard if one_tone else weights
    else:
        probabilities = calibration.apply(heard @ category / heard.sum())
    called = int(probabilities.argmax())
    fractions = weights @ presence / weights.sum()

    if 0.5 < silent_share < 1:
        flags.add("mostly_silent")
    if float(heard @ (category.argmax(axis=1) == called) / heard.sum()) < settings.min_dominant_share:
        flags.add("mixed_content")
    cost = settings.costs.expected_cost(CATEGORIES[called], probabilities)
    if called != _MUSIC_INDEX and fractions[_MUSIC_INDEX] > settings.max_music_in_functional:
        flags.add("music_heard")
    if called == _FUNCTIONAL_INDEX and fractions[_SPEECH_INDEX] > settings.max_speech_in_functional:
        flags.add("speech_heard")
    doubtful = cost > settings.costs.review or (called == _FUNCTIONAL_INDEX and "music_heard" in flags)
    if doubtful or probabilities[called] < getattr(settings.min_confidence, CATEGORIES[called]):
        flags.add("uncertain")

    functional_type = _functional_type(heard, category, types) if called == _FUNCTIONAL_INDEX else None
    if functional_type == "tone" and not one_tone:
        flags.add("tonal")

    embedding = heard @ np.stack([p.embedding for p in predictions]).astype(np.float64)
    embedding /= max(float(np.linalg.norm(embedding)), 1e-12)
    return AudioDecision(
        category=CATEGORIES[called],
        functional_type=functional_type,
        confidence=float(probabilities[called]),
        probabilities=probabilities,
        fractions=fractions,
        review=needs_review(tuple(flags)),
        flags=tuple(sorted(flags)),
        segments=_segments(predictions, category, types, summary.duration_s),
        embedding=embedding.astype(np.float32),
    )


def _is_one_tone(heard: Sequence[WindowPrediction]) -> bool:
    """Whether the windows that are not silent are one steady tone, of one pitch and level in all of them."""
    tones_hz = [p.tone_hz for p in heard if p.tone_hz is not None]
    if not tones_hz or len(tones_hz) < len(heard):
        return False
    levels_db = [p.peak_dbfs for p in heard]
    steady_pitch = max(tones_hz) <= min(tones_hz) * (1 + _MOST_DETUNED)
    return steady_pitch and max(levels_db) - min(levels_db) <= _MOST_LEVEL_CHANGE_DB


def _window_evidence(
    predictions: Sequence[WindowPrediction], silent: npt.NDArray[np.bool_], one_tone: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Category (n, 3), type (n, 8) and 0/1 presence (n, 3) per window, overruled by what the signal decides."""
    category = np.stack([p.category for p in predictions]).astype(np.float64)
    types = np.stack([p.functional_type for p in predictions]).astype(np.float64)
    presence = np.stack([p.presence for p in predictions]) >= 0.5
    # What a window is called is present in it, whatever the presence head says.
    presence[np.arange(len(predictions)), category.argmax(axis=1)] = True
    decided = silent | one_tone
    category[decided] = np.eye(len(CATEGORIES))[_FUNCTIONAL_INDEX]
    types[decided] = np.eye(len(FUNCTIONAL_TYPES))[_TONE_INDEX]
    types[silent] = np.eye(len(FUNCTIONAL_TYPES))[_SILENCE_INDEX]
    presence[decided] = np.arange(len(CATEGORIES)) == _FUNCTIONAL_INDEX
    return category, types, presence.astype(np.float64)


def _functional_type(
    weights: npt.NDArray[np.float64], category: npt.NDArray[np.float64], types: npt.NDArray[np.float64]
) -> str:
    """The type with most probability over the windows, each weighted by its length and by how functional it is."""
    return FUNCTIONAL_TYPES[int(((weights * (category[:, _FUNCTIONAL_INDEX] + 1e-6)) @ types).argmax())]


def _segments(
    predictions: Sequence[WindowPrediction],
    category: npt.NDArray[np.float64],
    types: npt.NDArray[np.float64],
    duration_s: float,
) -> tuple[Segment, ...]:
    called = category.argmax(axis=1)
    starts = [0, *(np.flatnonzero(np.diff(called)) + 1).tolist(), len(called)]
    segments = []
    for first, behind in itertools.pairwise(starts):
        members = slice(first, behind)
        last = predictions[behind - 1]
        weights = np.array([max(p.duration_s, 1e-6) for p in predictions[members]])
        index = int(called[first])
        segments.append(
            Segment(
                start_s=predictions[first].start_s,
                end_s=max(predictions[first].start_s, min(last.start_s + last.duration_s, duration_s or np.inf)),
                category=CATEGORIES[index],
                functional_type=(
                    _functional_type(weights, category[members], types[members]) if index == _FUNCTIONAL_INDEX else None
                ),
                confidence=float(weights @ category[members, index] / weights.sum()),
            )
        )
    return tuple(segments)
