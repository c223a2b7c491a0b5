"""From distinct audio to what is said of it: decoded, classified and judged in rounds, as many as are needed.

The rounds are unrolled in the graph. After each, the windows of an audio that were heard so far come together. If they
settle its label, or there is nothing more to hear, its decision is made there and then; if not, the audio goes into the
next round, which hears the windows between them, and takes along what was heard. Nothing here depends on which audio is
judged when, so the rows do not either.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import apache_beam as beam
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference

from models.adaptive_coverage import is_settled, merge_summaries, needs_more
from models.audio_windows import window_starts
from models.calibration import Calibration
from models.decision import AudioDecision, DecisionSettings, decide_audio
from models.window_records import DecodedWindow, DecodePlan, DecodeSummary, WindowPrediction
from transforms.audio_sources import AudioRoot
from transforms.classification_failures import NOT_OF_THE_AUDIO, failure_of
from transforms.decode_audio import SUMMARIES, DecodeAudio, DecodeRequest
from transforms.decoder_pool import DecodeSettings
from transforms.heard_windows import pack_prediction, unpack_prediction
from transforms.records import ErrorType

#: Wraps a PCollection so that its elements are counted under a name, for a progress display.
Counted = Callable[[str, beam.PCollection[Any]], beam.PCollection[Any]]

_REQUESTS: Final = "requests"
_HEARD: Final = "heard"
#: What the first byte of an element says that it is.
_WINDOW, _END = b"w", b"e"


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


class HearAudio(beam.PTransform):
    """Decode, classify and judge audio, each in as many windows as its label needs.

    Input: ``(audio_sha256, DecodeRequest)`` of the first round, each sha256 once. Output: ``(audio_sha256,
    HeardAudio)``, one for each.

    Parameters
    ----------
    root
        Where audio is.
    decode
        How decoding is run and bounded.
    plan
        Which windows each round hears, and how many rounds there are.
    handler
        The model.
    calibration, decision
        How windows become a label.
    counted
        Counts the audio that has been through the first round, and that goes into others and has been through them.
    """

    def __init__(
        self,
        root: AudioRoot,
        decode: DecodeSettings,
        plan: DecodePlan,
        handler: ModelHandler[DecodedWindow, WindowPrediction, Any],
        calibration: Calibration,
        decision: DecisionSettings,
        counted: Counted,
    ) -> None:
        super().__init__()
        self._root, self._decode, self._plan, self._handler = root, decode, plan, handler
        self._calibration, self._decision, self._counted = calibration, decision, counted

    def expand(self, audio: beam.PCollection[tuple[str, DecodeRequest]]) -> beam.PCollection[tuple[str, HeardAudio]]:
        """Compose the rounds."""
        requests, heard, rounds = audio, [], len(self._plan.round_windows)
        judge = _Judge(self._plan, self._calibration, self._decision)
        for index in range(rounds):
            name = f"Round{index + 1}"
            # Spread anew: the work on one audio is large, and what is to do is known before it begins.
            decoded = (
                requests
                | f"Spread{name}" >> beam.Reshuffle()
                | f"Decode{name}" >> DecodeAudio(self._root, self._decode, self._plan)
            )
            ended = self._counted("audio_heard_again" if index else "audio_decoded", decoded[SUMMARIES])
            predicted = decoded["windows"] | f"Classify{name}" >> RunInference(KeyedModelHandler(self._handler))
            judged = (
                (
                    ended | f"PackEnds{name}" >> beam.MapTuple(_packed_end).with_output_types(tuple[str, bytes]),
                    predicted
                    | f"PackWindows{name}" >> beam.MapTuple(_packed_window).with_output_types(tuple[str, bytes]),
                )
                | f"Together{name}" >> beam.Flatten()
                | f"ByAudio{name}" >> beam.GroupByKey()
                | f"Judge{name}" >> beam.ParDo(judge).with_outputs(_REQUESTS, main=_HEARD)
            )
            heard.append(judged[_HEARD])
            if index + 1 < rounds:
                requests = self._counted("audio_to_hear_again", judged[_REQUESTS])
        return heard | "AllRounds" >> beam.Flatten()


def _packed_end(audio_sha256: str, end: tuple[DecodeRequest, DecodeSummary]) -> tuple[str, bytes]:
    return audio_sha256, _END + pickle.dumps(end, pickle.HIGHEST_PROTOCOL)


def _packed_window(audio_sha256: str, prediction: WindowPrediction) -> tuple[str, bytes]:
    return audio_sha256, _WINDOW + pack_prediction(prediction)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Earlier:
    """What the rounds before brought of one audio: how each went, and all predictions, packed."""

    summaries: tuple[DecodeSummary, ...] = ()
    windows: tuple[bytes, ...] = ()


class _Judge(beam.DoFn):
    """Decide on an audio from all that was heard of it, or ask for more."""

    def __init__(self, plan: DecodePlan, calibration: Calibration, decision: DecisionSettings) -> None:
        super().__init__()
        self._plan, self._calibration, self._decision = plan, calibration, decision

    def process(self, element: tuple[str, Iterable[bytes]]) -> Iterator[Any]:
        audio_sha256, parts = element
        ends: list[bytes] = []
        windows: list[bytes] = []
        for part in parts:
            (windows if part[:1] == _WINDOW else ends).append(part[1:])
        if len(ends) != 1:
            raise RuntimeError(
                f"audio {audio_sha256}: {len(ends)} decode summaries for one request; "
                "the stages of decoding lost or doubled one, so the run stops"
            )
        request: DecodeRequest
        summary: DecodeSummary
        request, summary = pickle.loads(ends[0])  # noqa: S301 (written by the stage before)
        if summary.windows != len(windows):
            raise RuntimeError(
                f"audio {audio_sha256}: {len(windows)} predictions for the decode summary {summary}; "
                "the stages between decoding and deciding lost or doubled a window, so the run stops"
            )
        before: _Earlier = pickle.loads(request.heard) if request.heard else _Earlier()  # noqa: S301 (written below)
        heard = _Earlier((*before.summaries, summary), (*before.windows, *windows))
        yield self._judged(audio_sha256, request, heard)

    def _judged(self, audio_sha256: str, request: DecodeRequest, heard: _Earlier) -> Any:
        merged = merge_summaries(heard.summaries)
        predictions = sorted(map(unpack_prediction, heard.windows), key=lambda prediction: prediction.start_s)
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
            return beam.pvalue.TaggedOutput(_REQUESTS, (audio_sha256, again))
        settled = is_settled(decision, predictions, self._decision)
        return audio_sha256, HeardAudio(merged, decision, len(predictions), rounds, settled)
