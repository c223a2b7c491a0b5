"""From catalog rows to table rows: each distinct audio is decoded and judged once, each row gets its label."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from models.calibration import Calibration
from models.decision import AudioDecision, DecisionSettings, needs_review
from models.litert_form import Runtime
from models.taxonomy import CATEGORIES
from models.track_flags import track_flags
from models.window_records import DecodePlan, DecodeSummary
from transforms.audio_sources import AudioRoot, StoredAudio
from transforms.decode_audio import DecodeRequest
from transforms.decoder_pool import DecodeSettings
from transforms.hear_audio import Counted, HearAudio
from transforms.identify_audio import IdentifyAudio
from transforms.judge_audio import HeardAudio
from transforms.model_inference import EarmarkModelHandler
from transforms.records import CatalogRow, DeadLetter, ErrorType, RowTally, Stage

#: Digits kept of probabilities and seconds in the tables: finer ones are noise.
_DIGITS = 6


@dataclasses.dataclass(frozen=True, slots=True)
class Lineage:
    """What every row of a run says of where it came from."""

    run_id: str
    run_date: datetime.date
    model_version: str
    taxonomy_version: str

    def columns(self) -> dict[str, Any]:
        """The lineage columns of a table row."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class LabelSettings:
    """Everything that labelling needs, checked before the job starts.

    Attributes
    ----------
    model_folder
        Folder of the model, on any Beam file system.
    calibration
        That model's.
    batch_windows, model_threads, runtime
        See :class:`~transforms.model_inference.EarmarkModelHandler`.
    resource_hints
        Beam resource hints by name, for all stages that decode or classify. They have them in common: runners do not
        fuse stages whose hints differ, and every window of audio would be written and read between the two.
    """

    audio_root: AudioRoot
    decode: DecodeSettings
    plan: DecodePlan
    model_folder: str
    calibration: Calibration
    decision: DecisionSettings
    lineage: Lineage
    batch_windows: int = 16
    model_threads: int = 1
    runtime: Runtime = "saved_model"
    resource_hints: Mapping[str, str] = dataclasses.field(default_factory=dict)


def _uncounted(what: str, elements: beam.PCollection[Any]) -> beam.PCollection[Any]:
    return elements


class LabelTracks(beam.PTransform):
    """Label catalog rows by their audio.

    Takes a PCollection of :class:`CatalogRow` with distinct track ids. Gives a dict of PCollections: ``track_labels``,
    ``track_segments``, ``track_embeddings`` and ``audio_versions`` (table rows as dicts), ``labelled`` (the
    :class:`RowTally` of each labelled row) and ``dead_letters`` (:class:`DeadLetter`).

    Parameters
    ----------
    settings
        What labelling needs.
    counted
        Wraps a PCollection so that its elements are counted under a name, for a progress display.
    """

    def __init__(self, settings: LabelSettings, counted: Counted = _uncounted) -> None:
        super().__init__()
        self._settings = settings
        self._counted = counted

    def expand(self, rows: beam.PCollection[CatalogRow]) -> dict[str, beam.PCollection[Any]]:
        """Compose the stages."""
        settings, counted = self._settings, self._counted
        identified = rows | "IdentifyAudio" >> IdentifyAudio(settings.audio_root)
        audio = (
            counted("rows_identified", identified["files"])
            # Of all rows with the same bytes the first track's file is read, whatever order they came in.
            | "FirstRowOfAudio" >> beam.CombinePerKey(_first)
            | "FileOfAudio" >> beam.MapTuple(lambda sha256, first: (sha256, first[1]))
        )
        heard = counted("audio_found", audio) | "HearAudio" >> HearAudio(
            settings.audio_root,
            settings.decode,
            settings.plan,
            EarmarkModelHandler(
                settings.model_folder, settings.batch_windows, settings.model_threads, settings.runtime
            ),
            settings.calibration,
            settings.decision,
            counted,
        ).with_resource_hints(**settings.resource_hints)
        outputs = (
            {"rows": identified["identified"], "heard": heard}
            | "JoinByAudio" >> beam.CoGroupByKey()
            | "Decide" >> beam.ParDo(_LabelRows(settings)).with_outputs(*_LabelRows.OUTPUTS)
        )
        return {
            **{name: outputs[name] for name in _LabelRows.OUTPUTS if name not in ("labelled", "dead_letters")},
            "labelled": counted("rows_judged", outputs["labelled"]),
            "dead_letters": (
                counted("dead_letters", identified["dead_letters"]),
                counted("dead_letters", outputs["dead_letters"]),
            )
            | "DeadLettersOfAudio" >> beam.Flatten(),
        }


def _first(rows: Iterable[tuple[str, DecodeRequest]]) -> tuple[str, DecodeRequest]:
    return min(rows, key=lambda row: row[0])


class _LabelRows(beam.DoFn):
    """Write what is said of one audio file on each of the catalog rows that carry it."""

    OUTPUTS = ("track_labels", "track_segments", "track_embeddings", "audio_versions", "labelled", "dead_letters")

    def __init__(self, settings: LabelSettings) -> None:
        super().__init__()
        self._settings = settings
        namespace = "LabelTracks"
        self._labelled = {
            (category, review): Metrics.counter(namespace, f"tracks_{category}_{'review' if review else 'auto'}")
            for category in CATEGORIES
            for review in (False, True)
        }
        self._dead = {error: Metrics.counter(namespace, f"dead_letters_{error.value}") for error in ErrorType}
        self._duplicates = Metrics.counter(namespace, "tracks_with_duplicate_audio")
        self._windows = Metrics.distribution(namespace, "windows_per_audio")
        self._rounds = [
            Metrics.counter(namespace, f"audio_heard_in_{i + 1}_rounds")
            for i in range(len(settings.plan.round_windows))
        ]
        self._unsettled = Metrics.counter(namespace, "audio_not_settled")

    def process(self, element: tuple[str, dict[str, Iterable[Any]]]) -> Iterator[beam.pvalue.TaggedOutput]:
        audio_sha256, joined = element
        rows: list[tuple[CatalogRow, StoredAudio]] = list(joined["rows"])
        all_heard: list[HeardAudio] = list(joined["heard"])
        if len(all_heard) != 1:
            raise RuntimeError(
                f"audio {audio_sha256}: heard {len(all_heard)} times where once is right; "
                "the stages before lost or doubled it, so the run stops"
            )
        heard = all_heard[0]
        summary, decision = heard.summary, heard.decision
        if decision is None:
            for row, _ in rows:
                yield self._dead_letter(row, summary)
            return
        self._windows.update(heard.windows)
        self._rounds[heard.rounds - 1].inc()
        if not heard.settled:
            self._unsettled.inc()
        first_track_id = min(row.track_id for row, _ in rows)
        for row, stored in rows:
            yield from self._outputs(row, audio_sha256, first_track_id, summary, decision)
            yield self._version(row, audio_sha256, stored)

    def _dead_letter(self, row: CatalogRow, summary: DecodeSummary) -> beam.pvalue.TaggedOutput:
        error_type = ErrorType(summary.error_type or "")
        classified = error_type is ErrorType.CLASSIFICATION_FAILED
        self._dead[error_type].inc()
        letter = DeadLetter(
            track_id=row.track_id,
            catalog_row=json.dumps(row.contract_fields(), ensure_ascii=False),
            stage=Stage.CLASSIFY if classified else Stage.DECODE,
            error_type=error_type,
            message=summary.message or error_type.value,
            tally=row.tally,
        )
        return beam.pvalue.TaggedOutput("dead_letters", letter)

    def _version(self, row: CatalogRow, audio_sha256: str, stored: StoredAudio) -> beam.pvalue.TaggedOutput:
        columns = {
            "track_id": row.track_id,
            "audio_uri": row.audio_uri,
            "audio_sha256": audio_sha256,
            "size_bytes": stored.size_bytes,
            "storage_version": stored.storage_version,
            "audio_etag": row.audio_etag,
        }
        return beam.pvalue.TaggedOutput("audio_versions", columns | self._settings.lineage.columns())

    def _outputs(
        self, row: CatalogRow, audio_sha256: str, first_track_id: str, summary: DecodeSummary, decision: AudioDecision
    ) -> Iterator[beam.pvalue.TaggedOutput]:
        lineage = self._settings.lineage.columns()
        duration_s = round(summary.duration_s, _DIGITS)
        flags = track_flags(
            decision.flags,
            decision.category,
            duration_s,  # as in the table, so that a later run that carries the label forward finds the same flags
            self._settings.decision,
            title=row.title,
            release_title=row.release_title,
            declared_type=row.declared_type,
            genres=row.genres,
            duration_ms=row.duration_ms,
        )
        review = decision.review or needs_review(flags)
        self._labelled[decision.category, review].inc()
        if row.track_id != first_track_id:
            self._duplicates.inc()
        p_music, p_functional, p_speech = (round(float(p), _DIGITS) for p in decision.probabilities)
        music_fraction, functional_fraction, speech_fraction = (round(float(f), _DIGITS) for f in decision.fractions)
        yield beam.pvalue.TaggedOutput(
            "track_labels",
            {
                "track_id": row.track_id,
                "isrc": row.isrc,
                "release_id": row.release_id,
                "title": row.title,
                "artist": row.artist,
                "audio_uri": row.audio_uri,
                "audio_sha256": audio_sha256,
                "duration_s": duration_s,
                "category": decision.category,
                "functional_type": decision.functional_type,
                "decision": "review" if review else "auto",
                "confidence": round(decision.confidence, _DIGITS),
                "p_music": p_music,
                "p_functional": p_functional,
                "p_speech": p_speech,
                "music_fraction": music_fraction,
                "functional_fraction": functional_fraction,
                "speech_fraction": speech_fraction,
                "duplicate_of": None if row.track_id == first_track_id else first_track_id,
                "flags": flags,
                "label_source": "audio",
                **lineage,
                "licensor": row.licensor,
            },
        )
        for segment in decision.segments:
            yield beam.pvalue.TaggedOutput(
                "track_segments",
                {
                    "track_id": row.track_id,
                    "start_s": round(segment.start_s, _DIGITS),
                    "end_s": round(segment.end_s, _DIGITS),
                    "category": segment.category,
                    "functional_type": segment.functional_type,
                    "confidence": round(segment.confidence, _DIGITS),
                    **lineage,
                },
            )
        yield beam.pvalue.TaggedOutput(
            "track_embeddings",
            {
                "track_id": row.track_id,
                "audio_sha256": audio_sha256,
                "embedding": decision.embedding.tolist(),
                **lineage,
            },
        )
        tally: RowTally = row.tally
        yield beam.pvalue.TaggedOutput("labelled", tally)
