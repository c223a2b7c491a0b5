"""What a round of hearing comes to for each audio: its decision, or the wish to hear more of it."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import apache_beam as beam

from models.adaptive_coverage import is_settled, merge_summaries, needs_more
from models.audio_windows import window_starts
from models.calibration import Calibration
from models.decision import AudioDecision, DecisionSettings, decide_audio
from models.window_records import DecodePlan, DecodeSummary, WindowPrediction
from transforms.classification_failures import NOT_OF_THE_AUDIO, failure_of
from transforms.decode_audio import DecodeEnd
from transforms.global_window import in_global_window
from transforms.records import ErrorType

#: Tags of the outputs: audio that is to be heard again, what is said of the others, and predictions that came apart.
REQUESTS: Final = "requests"
HEARD: Final = "heard"
APART: Final = "apart"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class HeardAudio:
    """What is said of one audio, and how it was heard.

    Attributes
    ----------
    summary
        How decoding went, all rounds together.
    decision
        Null where no window can be labelled from: ``summary`` says why.
    windows, rounds
        How many it was heard in.
    settled
        Whether more windows would hardly change the label.
    """

    summary: DecodeSummary
    decision: AudioDecision | None
    windows: int
    rounds: int
    settled: bool


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Earlier:
    """What the rounds before brought of one audio: how each went, and all predictions."""

    summaries: tuple[DecodeSummary, ...] = ()
    predictions: tuple[WindowPrediction, ...] = ()


class Judge:
    """Decides on an audio from all that was heard of it, or asks for more.

    Parameters
    ----------
    plan
        Which windows each round hears, and how many rounds there are.
    calibration, decision
        How windows become a label.
    """

    def __init__(self, plan: DecodePlan, calibration: Calibration, decision: DecisionSettings) -> None:
        self._plan, self._calibration, self._decision = plan, calibration, decision

    def without_windows(self, audio_sha256: str, end: DecodeEnd) -> Iterator[tuple[str, HeardAudio]]:
        """Judge an audio of which a round heard nothing; give nothing for any other."""
        if not end[1].windows:
            yield self(audio_sha256, end, [])  # one that failed is not asked for again

    def __call__(self, audio_sha256: str, end: DecodeEnd, windows: Sequence[WindowPrediction]) -> Any:
        """Judge an audio by the predictions of a round, in any order, and of those before.

        Returns
        -------
        tuple or TaggedOutput
            ``(audio_sha256, HeardAudio)``; or ``(audio_sha256, DecodeRequest)`` for :data:`REQUESTS`.
        """
        request, summary = end
        earlier: _Earlier = pickle.loads(request.heard) if request.heard else _Earlier()  # noqa: S301 (written below)
        heard = _Earlier((*earlier.summaries, summary), (*earlier.predictions, *windows))
        merged = merge_summaries(heard.summaries)
        predictions = sorted(heard.predictions, key=lambda prediction: prediction.start_s)
        rounds = len(heard.summaries)
        # Windows of other bytes than the sha256 is of are no ground for a label.
        other_bytes = any(s.error_type == ErrorType.AUDIO_CHANGED and s.windows for s in heard.summaries)
        if not predictions or other_bytes:
            return audio_sha256, HeardAudio(merged, None, len(predictions), rounds, settled=False)
        failure = next((prediction.failure for prediction in predictions if prediction.failure is not None), None)
        if failure is None:
            try:
                decision = decide_audio(predictions, merged, self._calibration, self._decision)
            except NOT_OF_THE_AUDIO:
                raise
            except Exception as error:
                failure = failure_of(error)
        if failure is not None:
            failed = dataclasses.replace(
                merged,
                error_type=ErrorType.CLASSIFICATION_FAILED.value,
                message=f"The audio was decoded and could not be classified: {failure}.",
            )
            return audio_sha256, HeardAudio(failed, None, len(predictions), rounds, settled=False)
        starts = tuple(window_starts(round(merged.duration_s * self._plan.sample_rate_hz), self._plan, rounds))
        if starts and needs_more(decision, predictions, merged, self._decision):
            again = dataclasses.replace(
                request,
                starts=starts,
                known_flags=merged.flags,
                heard=pickle.dumps(heard, pickle.HIGHEST_PROTOCOL),
            )
            return beam.pvalue.TaggedOutput(REQUESTS, (audio_sha256, again))
        settled = is_settled(decision, predictions, self._decision)
        return audio_sha256, HeardAudio(merged, decision, len(predictions), rounds, settled)


@dataclasses.dataclass(slots=True, eq=False)
class Piece:
    """What one bundle has of the predictions of an audio in a round, and how decoding ended, where it has that."""

    end: DecodeEnd | None = None
    windows: list[WindowPrediction] = dataclasses.field(default_factory=list)


class JudgeWhole(beam.DoFn):
    """Gather the predictions of each audio, and judge it when it has all of a round.

    An audio's windows come one after another among those of others, the last with the end. Those of which some came to
    another bundle go into the output :data:`APART`, as ``(audio_sha256, Piece)``.
    """

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self._judge = judge

    def start_bundle(self) -> None:
        """Begin with nothing gathered."""
        self._pieces: dict[str, Piece] = {}

    def process(self, element: tuple[tuple[str, DecodeEnd | None], WindowPrediction]) -> Iterator[Any]:
        """Take in a prediction, and judge its audio when it was the last to come."""
        (audio_sha256, end), prediction = element
        piece = self._pieces.setdefault(audio_sha256, Piece())
        piece.windows.append(prediction)
        piece.end = piece.end or end
        if piece.end is not None and len(piece.windows) == piece.end[1].windows:
            del self._pieces[audio_sha256]
            yield self._judge(audio_sha256, piece.end, piece.windows)

    def finish_bundle(self) -> Iterator[Any]:
        """Send on what did not come whole."""
        for element in self._pieces.items():
            yield in_global_window(beam.pvalue.TaggedOutput(APART, element))


class JudgePieces(beam.DoFn):
    """Judge audio by the pieces that came apart.

    Raises
    ------
    RuntimeError
        While running: a window was lost or doubled.
    """

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self._judge = judge

    def process(self, element: tuple[str, Iterable[Piece]]) -> Iterator[Any]:
        """Judge one audio."""
        audio_sha256, grouped = element
        pieces = list(grouped)
        ends = [piece.end for piece in pieces if piece.end is not None]
        windows = [window for piece in pieces for window in piece.windows]
        if len(ends) != 1 or len(windows) != ends[0][1].windows:
            raise RuntimeError(
                f"audio {audio_sha256}: {len(windows)} predictions for decode summaries {[end[1] for end in ends]}; "
                "the stages between decoding and deciding lost or doubled a window, so the run stops"
            )
        yield self._judge(audio_sha256, ends[0], windows)
