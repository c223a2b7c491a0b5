"""Which slices of a manifest an evaluation reports, by name: ``duration:5 s and longer``, ``codec:mp3``."""

from __future__ import annotations

import collections
import itertools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.audio_facts import AudioFacts
from models.labels_of_corpus import Recording

Bools = npt.NDArray[np.bool_]

ALL: Final = "all"
#: Tracks from this length on are the ones that a catalog holds; shorter ones are reported beside them.
LONG_TRACK_S: Final = 5.0
LONG: Final = "duration:5 s and longer"
SHORT: Final = "duration:below 5 s"  # as the ranges below name it

#: Edges between the ranges of each measured or given number, its unit, and the word for what lies beyond.
_RANGES: Final[dict[str, tuple[tuple[float, ...], str, str]]] = {
    "duration": ((5.0, 10.0, 60.0), "s", "longer"),
    "bitrate": ((48.0, 96.0, 160.0, 256.0, 500.0), "kb/s", "above"),
    "sample_rate": ((16_000.0, 32_000.0, 44_100.0, 48_000.0), "Hz", "above"),
    "loudness": ((-40.0, -30.0, -23.0, -16.0, -10.0), "dBFS RMS", "above"),
    "loudness_lufs": ((-40.0, -30.0, -23.0, -16.0, -10.0), "LUFS", "above"),
    "mix_db": ((-12.0, -6.0, 0.0, 6.0, 12.0), "dB", "above"),
}
#: A column with more values than this is cut into ranges (numbers) or reported for its most frequent ones (words).
_MOST_NUMBERS: Final = 12
_MOST_WORDS: Final = 50


def slices_of(
    recordings: Sequence[Recording], duration_s: Sequence[float], facts: Sequence[AudioFacts]
) -> dict[str, Bools]:
    """The members of every slice, in the order of the report.

    What a manifest's column says goes before what was measured on the file: the file may be a copy in another codec.

    Parameters
    ----------
    recordings, duration_s, facts
        Of each track; durations in seconds.

    Returns
    -------
    dict
        From name to shape (tracks,); ``all`` first, no slice empty but that one.
    """
    given = [dict(r.extra) for r in recordings]
    long = np.array([d >= LONG_TRACK_S for d in duration_s], np.bool_)
    slices = {ALL: np.ones(len(recordings), np.bool_), LONG: long}
    slices |= _by_ranges("duration", duration_s)
    slices |= _by_words("subtype", [f"{r.label}/{r.subtype}" for r in recordings])
    slices |= _by_words("functional_type", [r.functional_type for r in recordings])
    slices |= _by_words("codec", [extra.get("codec") or fact.codec for extra, fact in zip(given, facts, strict=True)])
    slices |= _by_ranges(
        "bitrate", [_number(e.get("bitrate_kbps"), f.bitrate_kbps) for e, f in zip(given, facts, strict=True)]
    )
    slices |= _by_numbers("sample_rate", [_number(None, fact.sample_rate_hz) for fact in facts])
    slices |= _by_ranges("loudness", [_number(None, fact.rms_dbfs) for fact in facts])
    for column in ("loudness_lufs", "mix_db"):
        slices |= _by_numbers(column, [_number(extra.get(column), None) for extra in given])
    for column in ("genre", "language", "slice"):
        slices |= _by_words(column, [extra.get(column) for extra in given])
    slices |= _by_words("hard_tags", [extra.get("hard_tags") for extra in given], parted=True)
    slices |= _by_words("package", [r.package for r in recordings])
    return {name: members for name, members in slices.items() if name == ALL or members.any()}


def _by_words(kind: str, cells: Sequence[str | None], parted: bool = False) -> dict[str, Bools]:
    """One slice per word, or per blank-separated part of a cell; of very many words, the most frequent ones."""
    words = [set((cell.split() if parted else [cell]) if cell else []) for cell in cells]
    counts = collections.Counter(word for some in words for word in some)
    kept = sorted(sorted(counts, key=lambda word: (-counts[word], word))[:_MOST_WORDS])
    return {f"{kind}:{word}": np.array([word in some for some in words], np.bool_) for word in kept}


def _by_ranges(kind: str, values: Sequence[float]) -> dict[str, Bools]:
    """One slice per range of numbers, NaN being in none; a range holds its lower edge."""
    edges, unit, above = _RANGES[kind]
    array = np.array(values, np.float64)
    place = np.searchsorted(edges, array, side="right")
    names = [
        f"below {edges[0]:g} {unit}",
        *(f"{low:g} to {high:g} {unit}" for low, high in itertools.pairwise(edges)),
        f"{edges[-1]:g} {unit} and {above}",
    ]
    return {f"{kind}:{name}": ~np.isnan(array) & (place == index) for index, name in enumerate(names)}


def _by_numbers(kind: str, values: Sequence[float]) -> dict[str, Bools]:
    """One slice per number, or per range when there are many numbers."""
    array = np.array(values, np.float64)
    distinct = np.unique(array[~np.isnan(array)])
    if len(distinct) > _MOST_NUMBERS:
        return _by_ranges(kind, values)
    return {f"{kind}:{value:g} {_RANGES[kind][1]}": array == value for value in distinct}


def _number(text: str | None, otherwise: float | None) -> float:
    return float(text) if text else math.nan if otherwise is None else otherwise
