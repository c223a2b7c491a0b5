"""From distinct audio to what the model says of its windows: decoded and classified in rounds, as many as are needed.

The rounds are unrolled in the graph. After each but the last, the windows of an audio that were heard so far come
together and say whether its label is settled; if not, the audio goes into the next round, which hears the windows
between them. Nothing here depends on which audio is judged when, so the rows do not either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import apache_beam as beam
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference

from models.adaptive_coverage import merge_summaries, needs_more
from models.audio_windows import window_starts
from models.calibration import Calibration
from models.decision import DecisionSettings
from models.window_records import DecodedWindow, DecodePlan, DecodeSummary, WindowPrediction
from transforms.audio_sources import AudioRoot
from transforms.decode_audio import DecodeAudio, DecodeRequest
from transforms.decoder_pool import DecodeSettings

#: Wraps a PCollection so that its elements are counted under a name, for a progress display.
Counted = Callable[[str, beam.PCollection[Any]], beam.PCollection[Any]]

_REQUESTS: Final = "requests"
_HEARD: Final = "heard"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """What the rounds so far brought of one audio; ``predictions`` are in no certain order."""

    first: DecodeRequest
    summaries: tuple[DecodeSummary, ...]
    predictions: tuple[WindowPrediction, ...]


class HearAudio(beam.PTransform):
    """Decode and classify audio, each in as many windows as its label needs.

    Input: ``(audio_sha256, DecodeRequest)`` of the first round, each sha256 once. Gives a dict of PCollections:
    ``predictions``, of ``(audio_sha256, WindowPrediction)``, and ``summaries``, of ``(audio_sha256, (round,
    DecodeSummary))``, one for each round that the audio was heard in, from 0 on. An audio's predictions are as many as
    its summaries say together.

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
        What a label would be, for the rounds to tell whether it is settled.
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

    def expand(self, audio: beam.PCollection[tuple[str, DecodeRequest]]) -> dict[str, beam.PCollection[Any]]:
        """Compose the rounds."""
        rounds = len(self._plan.round_windows)
        requests = audio
        before = audio | "NothingHeard" >> beam.MapTuple(lambda sha256, request: (sha256, _Heard(request, (), ())))
        summaries, predictions = [], []
        for index in range(rounds):
            name = f"Round{index + 1}"
            # Spread anew: the work on one audio is large, and what is to do is known before it begins.
            decoded = (
                requests
                | f"Spread{name}" >> beam.Reshuffle()
                | f"Decode{name}" >> DecodeAudio(self._root, self._decode, self._plan)
            )
            ended = self._counted("audio_heard_again" if index else "audio_decoded", decoded["summaries"])
            predicted = decoded["windows"] | f"Classify{name}" >> RunInference(KeyedModelHandler(self._handler))
            predictions.append(predicted)
            summaries.append(
                ended | f"Number{name}" >> beam.MapTuple(lambda sha256, summary, i=index: (sha256, (i, summary)))
            )
            if index + 1 < rounds:
                judged = (
                    {"before": before, "summaries": ended, "predictions": predicted}
                    | f"Join{name}" >> beam.CoGroupByKey()
                    | f"Settle{name}"
                    >> beam.ParDo(_AskForMore(self._plan, index + 1, self._calibration, self._decision)).with_outputs(
                        _REQUESTS, _HEARD
                    )
                )
                requests, before = self._counted("audio_to_hear_again", judged[_REQUESTS]), judged[_HEARD]
        return {
            "summaries": summaries | "AllSummaries" >> beam.Flatten(),
            "predictions": predictions | "AllPredictions" >> beam.Flatten(),
        }


class _AskForMore(beam.DoFn):
    """Send the audio whose label is not settled into the next round, with all that is known of it."""

    def __init__(self, plan: DecodePlan, next_round: int, calibration: Calibration, decision: DecisionSettings) -> None:
        super().__init__()
        self._plan, self._next_round = plan, next_round
        self._calibration, self._decision = calibration, decision

    def process(self, element: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[beam.pvalue.TaggedOutput]:
        audio_sha256, joined = element
        befores, ended = list(joined["before"]), list(joined["summaries"])
        if len(befores) != 1 or len(ended) != 1:
            raise RuntimeError(
                f"audio {audio_sha256}: {len(ended)} decode summaries for {len(befores)} requests; "
                "the stages of decoding lost or doubled one, so the run stops"
            )
        before, summary = befores[0], ended[0]
        heard = _Heard(before.first, (*before.summaries, summary), (*before.predictions, *joined["predictions"]))
        merged = merge_summaries(heard.summaries)
        total_samples = round(merged.duration_s * self._plan.sample_rate_hz)
        starts = tuple(window_starts(total_samples, self._plan, self._next_round))
        ordered = sorted(heard.predictions, key=lambda prediction: prediction.start_s)
        if starts and needs_more(ordered, merged, self._calibration, self._decision):
            request = dataclasses.replace(heard.first, starts=starts, known_flags=merged.flags)
            yield beam.pvalue.TaggedOutput(_REQUESTS, (audio_sha256, request))
            yield beam.pvalue.TaggedOutput(_HEARD, (audio_sha256, heard))
