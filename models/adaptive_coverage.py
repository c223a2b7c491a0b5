"""How much of a track has to be heard: whether its label is settled, and what several rounds of decoding add up to.

Pure functions. Under ``sampled`` coverage a track is heard in rounds, each adding windows between those of the one
before (:func:`models.audio_windows.window_starts`); only tracks whose label is not settled go into the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.calibration import Calibration
from models.decision import AudioDecision, DecisionSettings, decide_audio
from models.taxonomy import CATEGORIES
from models.window_records import DecodeSummary, WindowPrediction

#: Flags of a decision that more windows may clear, or had better confirm: a song may begin behind a long silence or
#: tone.
DOUBTS: Final = frozenset(
    {"mixed_content", "mostly_silent", "music_heard", "silence_by_level", "speech_heard", "tonal", "tone_by_signal",
     "uncertain"}
)  # fmt: skip


def is_settled(decision: AudioDecision, predictions: Sequence[WindowPrediction], settings: DecisionSettings) -> bool:
    """Tell whether more windows would hardly change a label.

    They hardly would when the decision has none of the :data:`DOUBTS`, every window above the silence level is of its
    category, and acting on it would cost little beside a review: at most ``settings.settled_cost_share`` of one.

    Parameters
    ----------
    decision
        What ``decide_audio`` makes of ``predictions``.
    predictions
        All windows heard so far.
    settings
        Costs and levels.
    """
    called = CATEGORIES.index(decision.category)
    cost = settings.costs.expected_cost(decision.category, decision.probabilities)
    return (
        DOUBTS.isdisjoint(decision.flags)
        and cost <= settings.settled_cost_share * settings.costs.review
        and all(p.category.argmax() == called for p in predictions if p.peak_dbfs >= settings.silence_peak_dbfs)
    )


def needs_more(
    predictions: Sequence[WindowPrediction],
    summary: DecodeSummary,
    calibration: Calibration,
    settings: DecisionSettings,
) -> bool:
    """Tell whether a track should be heard in more windows, if it has any that were not heard.

    It should while fewer than ``settings.doubt_windows`` windows leave its label unsettled, and while a stretch longer
    than ``settings.settled_unheard_s`` was passed over: three windows that agree say little of ten minutes, in which a
    song may lie hidden.

    Parameters
    ----------
    predictions
        All windows heard so far, ordered by ``start_s``.
    summary
        How decoding went so far, all rounds together. A file that failed is not tried again: what there is decides.
        Neither is one with a window that could not be classified: it is a dead letter.
    calibration
        Of the model that made the predictions.
    settings
        Of the decision rule.
    """
    if summary.error_type is not None or not predictions or any(p.failure is not None for p in predictions):
        return False
    if longest_unheard_s(predictions, summary.duration_s) > settings.settled_unheard_s:
        return True
    if len(predictions) >= settings.doubt_windows:
        return False
    return not is_settled(decide_audio(predictions, summary, calibration, settings), predictions, settings)


def longest_unheard_s(predictions: Sequence[WindowPrediction], duration_s: float) -> float:
    """Longest stretch of a track, in seconds, that no window covers; windows ordered by ``start_s``."""
    heard_to_s, longest_s = 0.0, 0.0
    for window in predictions:
        longest_s = max(longest_s, window.start_s - heard_to_s)
        heard_to_s = max(heard_to_s, window.start_s + window.duration_s)
    return max(longest_s, duration_s - heard_to_s)


def merge_summaries(summaries: Sequence[DecodeSummary]) -> DecodeSummary:
    """Add up how the decoding of one file went, round after round.

    The lengths are those that the first round measured, since it placed the windows of all others by them. A flag of
    any round is one of the file. A later round that failed leaves its error behind, as a decoder does that fails after
    some windows are out: the track is labelled from what was heard, and a person listens to it.

    Parameters
    ----------
    summaries
        At least one, in the order of the rounds.
    """
    first = summaries[0]
    failed = next((summary for summary in summaries if summary.error_type is not None), first)
    return DecodeSummary(
        windows=sum(summary.windows for summary in summaries),
        duration_s=first.duration_s,
        declared_duration_s=first.declared_duration_s,
        flags=tuple(sorted({flag for summary in summaries for flag in summary.flags})),
        error_type=failed.error_type,
        message=failed.message,
    )
