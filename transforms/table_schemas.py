"""The one source of every table's schema: pyarrow schemas with a description on each column.

The BigQuery schemas, ``docs/tables.md`` and the tests are made from what stands here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import pyarrow as pa

_LINEAGE: Final = (
    ("model_version", pa.string(), False, "Version of the model that labelled the audio."),
    ("taxonomy_version", pa.string(), False, "Version of the categories and functional types."),
    ("run_id", pa.string(), False, "The run that wrote the row: its date and a digest of all its inputs."),
    ("run_date", pa.date32(), False, "The date that the run was for; also the partition."),
)


_Column: TypeAlias = tuple[str, pa.DataType, bool, str]


def _schema(*columns: _Column, added: Sequence[_Column] = ()) -> pa.Schema:
    """Columns of the contract, lineage, and nullable columns that came later: those stand last, as in BigQuery."""
    return pa.schema(
        [
            pa.field(name, data_type, nullable=nullable, metadata={"description": description})
            for name, data_type, nullable, description in (*columns, *_LINEAGE, *added)
        ]
    )


def _strings() -> pa.DataType:
    return pa.list_(pa.field("element", pa.string(), nullable=False))


TRACK_LABELS: Final = _schema(
    ("track_id", pa.string(), False, "The catalog's id of the track; unique in a partition."),
    ("isrc", pa.string(), True, "From the catalog."),
    ("release_id", pa.string(), True, "From the catalog."),
    ("title", pa.string(), True, "From the catalog; an uploader's words, never trusted for the label."),
    ("artist", pa.string(), True, "From the catalog."),
    ("audio_uri", pa.string(), False, "From the catalog, as given."),
    ("audio_sha256", pa.string(), False, "SHA-256 of the audio file's bytes, 64 hexadecimal digits."),
    ("duration_s", pa.float64(), False, "Measured length of the decodable audio, in seconds."),
    ("category", pa.string(), False, "`music`, `functional` or `speech`."),
    ("functional_type", pa.string(), True, "Kind of functional content; null unless `category` is `functional`."),
    ("decision", pa.string(), False, "`auto`: act on it. `review`: a person listens first."),
    ("confidence", pa.float64(), False, "Calibrated probability, 0 to 1, that `category` is right."),
    ("p_music", pa.float64(), False, "Calibrated probability of `music`; the three sum to 1."),
    ("p_functional", pa.float64(), False, "Calibrated probability of `functional`."),
    ("p_speech", pa.float64(), False, "Calibrated probability of `speech`."),
    ("music_fraction", pa.float64(), False, "Share of the heard time in which music is present, 0 to 1."),
    ("functional_fraction", pa.float64(), False, "Share of the heard time in which functional sound is present."),
    (
        "speech_fraction",
        pa.float64(),
        False,
        "Share of the heard time in which speech is present; the three may overlap.",
    ),
    (
        "duplicate_of",
        pa.string(),
        True,
        "The first track_id (in byte order) with the same audio; null on that track itself.",
    ),
    ("flags", _strings(), False, "What a reviewer should know, sorted; the values are listed below."),
    ("label_source", pa.string(), False, "`audio`: labelled in this run. `carried`: taken over from the previous one."),
    added=[("licensor", pa.string(), True, "From the catalog: who licenses the track, whoever is paid for a stream.")],
)

TRACK_SEGMENTS: Final = _schema(
    ("track_id", pa.string(), False, "The catalog's id of the track."),
    ("start_s", pa.float64(), False, "Start of the segment in the track, in seconds."),
    (
        "end_s",
        pa.float64(),
        False,
        "End of the segment, in seconds; with `sampled` coverage there are gaps between segments.",
    ),
    ("category", pa.string(), False, "`music`, `functional` or `speech`."),
    ("functional_type", pa.string(), True, "Kind of functional content; null unless `category` is `functional`."),
    ("confidence", pa.float64(), False, "Mean probability of the category over the segment's windows, 0 to 1."),
)

TRACK_EMBEDDINGS: Final = _schema(
    ("track_id", pa.string(), False, "The catalog's id of the track."),
    ("audio_sha256", pa.string(), False, "SHA-256 of the audio file's bytes."),
    (
        "embedding",
        pa.list_(pa.field("element", pa.float32(), nullable=False)),
        False,
        "Unit-length vector, its size fixed by the model; compare only within one `model_version`.",
    ),
)

ROYALTY_TREATMENTS: Final = _schema(
    ("track_id", pa.string(), False, "The catalog's id of the track."),
    ("policy_id", pa.string(), False, "The policy that was applied."),
    ("policy_version", pa.string(), False, "Its version."),
    (
        "royalty_class",
        pa.string(),
        False,
        "`music`, `functional`, `speech` or `pending_review`; of a functional track that follows its release, that of "
        "the release.",
    ),
    (
        "eligible",
        pa.bool_(),
        False,
        "Whether the track earns royalties under the policy, as far as the track itself decides.",
    ),
    ("ineligible_reason", pa.string(), True, "Why not, in words that a licensor can read; null when eligible."),
    (
        "stream_weight",
        pa.float64(),
        False,
        "What one stream counts, relative to a music stream: 0 when not eligible, else above 0 and at most 1.",
    ),
    (
        "ddex_sound_recording_type",
        pa.string(),
        True,
        "DDEX SoundRecordingType that the policy maps the category to; null while `pending_review`.",
    ),
)

DEAD_LETTERS: Final = _schema(
    ("track_id", pa.string(), True, "The catalog's id of the track; null when the row had none."),
    (
        "catalog_row",
        pa.string(),
        False,
        'The catalog row as JSON text, of Parquet its used columns; an unreadable line as `{"raw": …}`.',
    ),
    ("stage", pa.string(), False, "Where it happened: `catalog`, `audio`, `decode` or `classify`."),
    ("error_type", pa.string(), False, "The typed cause; the values are listed below."),
    ("message", pa.string(), False, "One sentence: what was wrong, with the value."),
)

AUDIO_VERSIONS: Final = _schema(
    ("track_id", pa.string(), False, "The catalog's id of the track."),
    ("audio_uri", pa.string(), False, "From the catalog, as given."),
    ("audio_sha256", pa.string(), False, "SHA-256 of the audio file's bytes."),
    ("size_bytes", pa.int64(), False, "Size of the audio file, in bytes."),
    (
        "storage_version",
        pa.string(),
        True,
        "Times of the file's last change as its storage tells them, to be compared for equality only; null where they "
        "cannot be relied on.",
    ),
    ("audio_etag", pa.string(), True, "From the catalog."),
)

#: Every table that a run publishes, in the order in which they are published.
TABLES: Final[dict[str, pa.Schema]] = {
    "dead_letters": DEAD_LETTERS,
    "audio_versions": AUDIO_VERSIONS,
    "track_embeddings": TRACK_EMBEDDINGS,
    "track_segments": TRACK_SEGMENTS,
    "royalty_treatments": ROYALTY_TREATMENTS,
    "track_labels": TRACK_LABELS,
}

#: The columns that order a table's rows inside a file, so that a run's files do not depend on the order of its work.
SORT_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "dead_letters": ("track_id", "error_type", "message", "catalog_row"),
    "audio_versions": ("track_id",),
    "track_embeddings": ("track_id",),
    "track_segments": ("track_id", "start_s"),
    "royalty_treatments": ("track_id", "policy_id", "policy_version"),
    "track_labels": ("track_id",),
}
