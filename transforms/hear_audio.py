"""From distinct audio to what is said of it: decoded, classified and judged in rounds, as many as are needed.

The rounds are unrolled in the graph. In each an audio goes from file to judgement in one bundle, so that neither its
samples nor what the model says of them is ever sent between workers or kept. When the windows that were heard so far
settle its label, or there is nothing more to hear, its decision is made there and then; if not, the audio goes into the
next round, which hears the windows between them, and takes along what was heard. Nothing here depends on which audio is
judged when, so the rows do not either.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Iterator, Sequence
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
from transforms.decode_audio import SUMMARIES, WINDOWS, DecodeAudio, DecodeEnd, DecodeRequest
from transforms.decoder_pool import DecodeSettings
from transforms.records import ErrorType

#: Wraps a PCollection so that its elements are counted under a name, for a progress display.
Counted = Callable[[str, beam.PCollection[Any]], beam.PCollection[Any]]

_REQUESTS: Final = "requests"
_HEARD: Final = "heard"


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
        for index in range(rounds):
            name = f"Round{index + 1}"
            # Spread anew: the work on one audio is large, and what is to do is known before it begins.
            decoded = (
                requests
                | f"Spread{name}" >> beam.Reshuffle()
                | f"Decode{name}" >> DecodeAudio(self._root, self._decode, self._plan)
            )
            ended = self._counted("audio_heard_again" if index else "audio_decoded", decoded[SUMMARIES])
            judge = _Judge(self._plan, self._calibration, self._decision)
            judged = (
                decoded[WINDOWS]
                # The key is none to group by: the model's stage only hands it through.
                | f"Classify{name}" >> RunInference(KeyedModelHandler(self._handler))
                | f"Judge{name}" >> beam.ParDo(_JudgeWhole(judge)).with_outputs(_REQUESTS, main=_HEARD)
            )
            heard += [judged[_HEARD], ended | f"Silent{name}" >> beam.FlatMapTuple(judge.without_windows)]
            if index + 1 < rounds:
                requests = self._counted("audio_to_hear_again", judged[_REQUESTS])
        return heard | "AllRounds" >> beam.Flatten()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Earlier:
    """What the rounds before brought of one audio: how each went, and all predictions."""

    summaries: tuple[DecodeSummary, ...] = ()
    predictions: tuple[WindowPrediction, ...] = ()


class _Judge:
    """Decides on an audio from all that was heard of it, or asks for more."""

    def __init__(self, plan: DecodePlan, calibration: Calibration, decision: DecisionSettings) -> None:
        self._plan, self._calibration, self._decision = plan, calibration, decision

    def without_windows(self, audio_sha256: str, end: DecodeEnd) -> Iterator[tuple[str, HeardAudio]]:
        """Judge an audio of which a round heard nothing; give nothing for any other."""
        if not end[1].windows:
            yield self(audio_sha256, end, [])  # one that failed is not asked for again

    def __call__(self, audio_sha256: str, end: DecodeEnd, windows: Sequence[WindowPrediction]) -> Any:
        """Judge an audio by the predictions of a round and of those before."""
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
            return beam.pvalue.TaggedOutput(_REQUESTS, (audio_sha256, again))
        settled = is_settled(decision, predictions, self._decision)
        return audio_sha256, HeardAudio(merged, decision, len(predictions), rounds, settled)


class _JudgeWhole(beam.DoFn):
    """Gather the predictions of each audio, and judge it when it has all of a round.

    It is in one stage with decoding and classifying, as runners put stages together that need no shuffle between them:
    an audio's windows come in the bundle that has its request, one after another among those of others.
    """

    def __init__(self, judge: _Judge) -> None:
        super().__init__()
        self._judge = judge

    def start_bundle(self) -> None:
        self._gathered: dict[str, list[WindowPrediction]] = {}

    def process(self, element: tuple[tuple[str, DecodeEnd | None], WindowPrediction]) -> Iterator[Any]:
        (audio_sha256, end), prediction = element
        windows = self._gathered.setdefault(audio_sha256, [])
        windows.append(prediction)
        if end is not None:
            if len(windows) != end[1].windows:
                raise _lost(audio_sha256, f"{len(windows)} predictions came for {end[1].windows} windows")
            del self._gathered[audio_sha256]
            yield self._judge(audio_sha256, end, windows)

    def finish_bundle(self) -> None:
        for audio_sha256, windows in self._gathered.items():
            raise _lost(audio_sha256, f"{len(windows)} predictions came, and never the last")


def _lost(audio_sha256: str, what: str) -> RuntimeError:
    return RuntimeError(
        f"audio {audio_sha256}: {what}. The stages between decoding and deciding lost or doubled a window, or the "
        "runner does not keep them in one bundle; so the run stops"
    )
