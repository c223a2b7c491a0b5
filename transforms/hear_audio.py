"""From distinct audio to what is said of it: decoded, classified and judged in rounds, as many as are needed.

The rounds are unrolled in the graph. When the windows that were heard so far settle an audio's label, or there is
nothing more to hear, its decision is made; if not, the audio goes into the next round, which hears the windows between
them, and takes along what was heard. Nothing here depends on which audio is judged when, so the rows do not either.

A runner puts stages together that need no shuffle between them. So in each round an audio goes from file to judgement
in one bundle, and neither its samples nor what the model says of them is sent between workers or kept. Where a runner
does not, predictions that came apart are brought together by a shuffle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference

from models.calibration import Calibration
from models.decision import DecisionSettings
from models.window_records import DecodedWindow, DecodePlan, WindowPrediction
from transforms.audio_sources import AudioRoot
from transforms.decode_audio import SUMMARIES, WINDOWS, DecodeAudio, DecodeRequest
from transforms.decoder_pool import DecodeSettings
from transforms.judge_audio import APART, HEARD, REQUESTS, HeardAudio, Judge, JudgePieces, JudgeWhole

#: Wraps a PCollection so that its elements are counted under a name, for a progress display.
Counted = Callable[[str, beam.PCollection[Any]], beam.PCollection[Any]]


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
            judge = Judge(self._plan, self._calibration, self._decision)
            judged = (
                decoded[WINDOWS]
                # The key is none to group by: the model's stage only hands it through.
                | f"Classify{name}" >> RunInference(KeyedModelHandler(self._handler))
                | f"Judge{name}" >> beam.ParDo(JudgeWhole(judge)).with_outputs(REQUESTS, APART, main=HEARD)
            )
            apart = (
                judged[APART]
                | f"Together{name}" >> beam.GroupByKey()
                | f"JudgeTogether{name}" >> beam.ParDo(JudgePieces(judge)).with_outputs(REQUESTS, main=HEARD)
            )
            silent = ended | f"Silent{name}" >> beam.FlatMapTuple(judge.without_windows)
            heard += [judged[HEARD], apart[HEARD], silent]
            if index + 1 < rounds:
                asked = (judged[REQUESTS], apart[REQUESTS]) | f"Asked{name}" >> beam.Flatten()
                requests = self._counted("audio_to_hear_again", asked)
        return heard | "AllRounds" >> beam.Flatten()
