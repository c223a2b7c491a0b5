"""Building the evaluation set: harder audio out of one split of a corpus, and out of generators of its own."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import pathlib
import zlib
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from models import evaluation_parts, evaluation_stress
from models.errors import UserError
from models.evaluation_parts import BED_TYPES
from models.evaluation_sources import Sources
from models.evaluation_track import EvaluationTrack, Tracks
from models.labels_of_corpus import Recording
from models.lossy_codecs import write_audio
from models.taxonomy import CATEGORIES, FUNCTIONAL, MUSIC, SPEECH

MANIFEST_FILE: Final = "manifest.csv"
COLUMNS: Final = (
    "path", "label", "subtype", "split", "package", "slice", "pair", "codec", "bitrate_kbps", "loudness_lufs",
    "mix_db", "expected_decision", "origin",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One part of the set.

    Attributes
    ----------
    make
        Gives the tracks of a number; most parts have one track for each.
    numbers
        How many numbers there are for each one of ``--tracks``.
    needs
        Categories that the split must hold.
    kinds
        Functional types, one of which the split must hold if it needs functional recordings; empty for any.
    """

    make: Callable[[Sources, np.random.Generator, int], Tracks]
    numbers: float = 1.0
    needs: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


PARTS: Final[dict[str, Part]] = {
    "short_cuts": Part(evaluation_parts.short_cuts, 3, CATEGORIES),
    "very_short_cuts": Part(evaluation_parts.very_short_cuts, 3, CATEGORIES),
    "mixes": Part(evaluation_parts.mixes, 7, CATEGORIES),
    "codecs": Part(evaluation_parts.codecs, 1, CATEGORIES),
    "loudness": Part(evaluation_parts.loudness, 1, CATEGORIES),
    "long_beds": Part(evaluation_parts.long_beds, 0.75, (FUNCTIONAL,), BED_TYPES),
    "slowed_music": Part(evaluation_parts.slowed_music, 0.6, (MUSIC,)),
    "solo_instruments": Part(evaluation_stress.solo_instruments, 1.25),
    "sung_voice": Part(evaluation_stress.sung_voice),
    "percussion": Part(evaluation_stress.percussion),
    "drones": Part(evaluation_stress.drones),
    "noise": Part(evaluation_stress.noise, 3.2),
    "silence": Part(evaluation_stress.silence, 1.2),
    "tones": Part(evaluation_stress.tones, 1.75),
    "music_under_rain_0db": Part(evaluation_stress.music_under_rain_0db, 1.5, (MUSIC,)),
    "music_under_vinyl_0db": Part(evaluation_stress.music_under_vinyl_0db, 1.5, (MUSIC,)),
    "cafe_talk": Part(evaluation_stress.cafe_talk, 1, (SPEECH,)),
    "shop_music": Part(evaluation_stress.shop_music, 1, (MUSIC, SPEECH)),
}


def check_parts(names: Sequence[str]) -> None:
    """Refuse names that are no part.

    Raises
    ------
    UserError
        Names the first one and the closest part.
    """
    for name in names:
        if name not in PARTS:
            close = difflib.get_close_matches(name, PARTS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(PARTS)}."
            raise UserError(f"--parts {name}: is no part of the evaluation set; {hint}")


def sources_of(recordings: Sequence[Recording], manifest: str, split: str, parts: Sequence[str], seed: int) -> Sources:
    """The recordings of one split, which must hold what the parts are made of.

    Raises
    ------
    UserError
        When the manifest has no such split, or the split lacks a category that a part needs.
    """
    splits = sorted({r.split for r in recordings})
    if split not in splits:
        raise UserError(f"--split {split}: no row of {manifest} has it; there are {', '.join(splits)}.")
    needed = any(PARTS[name].needs for name in parts)
    chosen = [r for r in recordings if r.split == split] if needed else []
    sources = Sources(chosen, str(pathlib.Path(manifest).parent), seed)
    for name in parts:
        for label in PARTS[name].needs:
            kinds = PARTS[name].kinds if label == FUNCTIONAL else ()
            if not sources.has(label, kinds):
                of_kind = f" of the type {' or '.join(kinds)}" if kinds else ""
                raise UserError(
                    f"--split {split}: {manifest} has no {label}{of_kind} in it that is long enough, and the part "
                    f"{name} is made of that; give another split or leave the part out with --parts."
                )
    return sources


def write_evaluation_set(
    sources: Sources,
    split: str,
    parts: Sequence[str],
    tracks: int,
    seed: int,
    output: pathlib.Path,
    told: Callable[[str, int], None] = lambda part, written: None,
) -> list[dict[str, str]]:
    """Write the tracks of the parts, and at last the manifest.

    A track depends on the seed, its part and its number there: it is the same when other parts are left out, and in a
    larger set.

    Parameters
    ----------
    sources
        From :func:`sources_of`.
    tracks
        The size: how many tracks a part has, or a part's own multiple of that.
    output
        An existing folder.
    told
        Called with a part's name and the number of its files when it is done.

    Returns
    -------
    list
        The rows of the manifest.

    Raises
    ------
    UserError
        When a recording cannot be decoded; names the file.
    """
    rows: list[dict[str, str]] = []
    for name in parts:
        before = len(rows)
        for number in range(max(1, round(tracks * PARTS[name].numbers))):
            rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
            for track in PARTS[name].make(sources, rng, number):
                same = f"-{track.codec.name}" if track.slice == "codecs" else ""
                loudness = f"-{track.loudness_lufs:+.0f}lufs" if track.loudness_lufs is not None else ""
                path = pathlib.Path(track.slice, f"{number:04}{same}{loudness}{track.codec.suffix}")
                (output / path.parent).mkdir(exist_ok=True)
                write_audio(output / path, track.samples, track.codec)
                rows.append(_row(path, split, track))
        told(name, len(rows) - before)
    with (output / MANIFEST_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return rows


def _row(path: pathlib.Path, split: str, track: EvaluationTrack) -> dict[str, str]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:g}"

    return {
        "path": path.as_posix(),
        "label": track.label,
        "subtype": track.subtype,
        "split": split,
        "package": track.package,
        "slice": track.slice,
        "pair": track.pair,
        "codec": track.codec.codec,
        "bitrate_kbps": number(track.codec.bitrate_kbps),
        "loudness_lufs": number(track.loudness_lufs),
        "mix_db": number(track.mix_db),
        "expected_decision": track.expected_decision,
        "origin": track.origin,
    }
