"""One track of the evaluation set, before it is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from models.evaluation_samples import Samples
from models.evaluation_sources import Piece
from models.lossy_codecs import FLAC, CodecSetting

#: The expected decision of what one may argue about.
REVIEW: Final = "review"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class EvaluationTrack:
    """One track of the evaluation set before it is written; the attributes are the manifest's columns.

    Attributes
    ----------
    samples
        Shape (samples,) or (samples, 2).
    label, subtype
        As in any manifest. Where ``expected_decision`` is ``review``, the label is the one of the leading sound.
    package
        Of the leading recording; of a synthetic sound ``synthetic-`` and the slice.
    slice
        Under which its figures are given.
    origin
        How it was made, in words.
    pair
        The same for tracks that are one recording.
    codec
        How to write it.
    loudness_lufs
        The loudness that it was brought to.
    mix_db
        Level of the first sound over that of the second.
    expected_decision
        ``review`` where the track must go to a person.
    """

    samples: Samples
    label: str
    subtype: str
    package: str
    slice: str
    origin: str
    pair: str = ""
    codec: CodecSetting = FLAC
    loudness_lufs: float | None = None
    mix_db: float | None = None
    expected_decision: str = ""


Tracks = Iterator[EvaluationTrack]


def from_piece(piece: Piece, samples: Samples, name: str) -> EvaluationTrack:
    """A track of the slice ``name`` that was made of a piece and keeps its labels."""
    recording = piece.recording
    return EvaluationTrack(samples, recording.label, recording.subtype, recording.package, name, piece.origin)
