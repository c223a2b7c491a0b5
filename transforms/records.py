"""What travels between the stages: catalog rows, dead letters, and the tally that proves that none is lost."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from typing import Any, Final


class Stage(enum.StrEnum):
    """Where on its way a catalog row became a dead letter."""

    CATALOG = "catalog"
    AUDIO = "audio"
    DECODE = "decode"
    CLASSIFY = "classify"


class ErrorType(enum.StrEnum):
    """Every cause that a dead letter can have; ``docs/tables.md`` explains each."""

    INVALID_ROW = "invalid_row"
    DUPLICATE_TRACK_ID = "duplicate_track_id"
    PATH_NOT_ALLOWED = "path_not_allowed"
    MISSING_AUDIO = "missing_audio"
    STORAGE_ERROR = "storage_error"
    EMPTY_AUDIO = "empty_audio"
    AUDIO_CHANGED = "audio_changed"
    AUDIO_TOO_LARGE = "audio_too_large"
    AUDIO_TOO_LONG = "audio_too_long"
    AUDIO_TOO_SHORT = "audio_too_short"
    UNREADABLE_AUDIO = "unreadable_audio"
    TRUNCATED_AUDIO = "truncated_audio"
    DECODE_TIMEOUT = "decode_timeout"
    DECODER_CRASH = "decoder_crash"
    DECODER_OUT_OF_MEMORY = "decoder_out_of_memory"
    CLASSIFICATION_FAILED = "classification_failed"


#: What each cause means; ``docs/tables.md`` is made from this.
ERROR_MEANINGS: Final = {
    ErrorType.INVALID_ROW: "The catalog row is malformed, or a field has a wrong value; the message names both.",
    ErrorType.DUPLICATE_TRACK_ID: "Several rows carry this track_id and differ; all of them are dead letters.",
    ErrorType.PATH_NOT_ALLOWED: "The audio_uri leads out of the audio root.",
    ErrorType.MISSING_AUDIO: "There is no file at the audio_uri.",
    ErrorType.STORAGE_ERROR: "The file is there but could not be read: permission or storage failure.",
    ErrorType.EMPTY_AUDIO: "The file has no bytes, or a valid header and no sound.",
    ErrorType.AUDIO_CHANGED: "The file was written to between the taking of its sha256 and its decoding.",
    ErrorType.AUDIO_TOO_LARGE: "The file has more bytes than `decode.max_file_bytes` allows.",
    ErrorType.AUDIO_TOO_LONG: "The track is longer than `audio.max_duration_s`.",
    ErrorType.AUDIO_TOO_SHORT: "The track is shorter than `audio.min_duration_s`.",
    ErrorType.UNREADABLE_AUDIO: "No decoder can open the file, or it holds no audio.",
    ErrorType.TRUNCATED_AUDIO: "The header is readable, but the file is cut off before any sound.",
    ErrorType.DECODE_TIMEOUT: "The decoder took longer than allowed and was stopped.",
    ErrorType.DECODER_CRASH: "The decoder's process died on the file; the message names the signal.",
    ErrorType.DECODER_OUT_OF_MEMORY: "The decoder asked for more memory than allowed.",
    ErrorType.CLASSIFICATION_FAILED: "The model or the decision failed on this audio, not on others; the message names "
    "the error.",
}

_DIGEST_MODULUS = 1 << 64


def key_hash(key: str) -> int:
    """64-bit hash of a text, the same on every machine: which file a track's rows go to, and what tallies sum."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


@dataclasses.dataclass(frozen=True, slots=True)
class RowTally:
    """How many catalog rows an element stands for, and which: it is carried along and summed at both ends of the run.

    Attributes
    ----------
    rows
        Number of catalog rows.
    digest
        Sum modulo 2**64 of a 64-bit hash of each row's place in the catalog. Equal sums on both ends say that the
        same rows came out, each as often as it went in, whatever the order and the grouping on the way.
    """

    rows: int
    digest: int

    @classmethod
    def of_place(cls, place: str) -> RowTally:
        """Tally of the one row that stands at ``place`` (such as ``catalog.jsonl:12``)."""
        return cls(1, key_hash(place))

    def __add__(self, other: RowTally) -> RowTally:
        return RowTally(self.rows + other.rows, (self.digest + other.digest) % _DIGEST_MODULUS)


NO_ROWS = RowTally(0, 0)


@dataclasses.dataclass(frozen=True, slots=True)
class TallySum:
    """The sum of the tallies of ``elements`` labels or dead letters."""

    tally: RowTally
    elements: int


@dataclasses.dataclass(frozen=True, slots=True)
class CatalogRow:
    """One valid catalog row: the columns of the catalog contract, typed.

    Attributes
    ----------
    tally
        The catalog rows that this one stands for: more than one when identical rows were collapsed.
    """

    track_id: str
    audio_uri: str
    title: str | None = None
    artist: str | None = None
    release_id: str | None = None
    release_title: str | None = None
    isrc: str | None = None
    duration_ms: int | None = None
    declared_type: str | None = None
    licensor: str | None = None
    record_label: str | None = None
    language: str | None = None
    genres: tuple[str, ...] = ()
    audio_etag: str | None = None
    tally: RowTally = NO_ROWS

    def contract_fields(self) -> dict[str, Any]:
        """The columns as given, without the tally and without nulls, JSON-ready (for ``catalog_row``)."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "tally"}
        fields["genres"] = list(self.genres) or None
        return {name: value for name, value in fields.items() if value is not None}


@dataclasses.dataclass(frozen=True, slots=True)
class DeadLetter:
    """A catalog row that could not be labelled, and why.

    Attributes
    ----------
    track_id
        Null when the row had none that could be read.
    catalog_row
        The row as JSON text; for a line that was no JSON, ``{"raw": "<the line, cut to 4096 characters>"}``.
    message
        One sentence for a person: what was wrong, with the value. Holds no path of the machine and no time.
    """

    track_id: str | None
    catalog_row: str
    stage: Stage
    error_type: ErrorType
    message: str
    tally: RowTally
