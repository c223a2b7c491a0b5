"""What a run noticed of its catalog as a whole, in sentences with the mend; none of it stops the run."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow.compute as pc

from transforms.catalog_validation import LENGTH_REFUSED
from transforms.printable import counted, printable
from transforms.records import ErrorType
from transforms.run_summary import RunSummary
from transforms.run_tables import RunTables

#: Fewer of the labels than this share may be slips of single rows.
_LEAST_SHARE: Final = 0.001
#: Causes of dead letters of which a refusal gives an example, and its length in characters.
_CAUSES_SHOWN: Final = 3
_EXAMPLE_CHARACTERS: Final = 300
_UNIT_MENDS: Final = {
    "ms": "It was read as milliseconds: if it is in seconds, set catalog.duration_unit: s in the config.",
    "s": "It was read as seconds, as catalog.duration_unit: s says: if it is in milliseconds, leave that out.",
    "min": "It was read as minutes, as catalog.duration_unit: min says: ms and s are the other units.",
}


def catalog_notes(summary: RunSummary, config: Mapping[str, Any], tables: RunTables) -> list[str]:
    """Say what a run noticed of the catalog's lengths: for its end, a refusal and its page; empty for nothing.

    Parameters
    ----------
    config
        The run's, JSON-ready, as its manifest has it.
    tables
        The run's.
    """
    settings = config.get("catalog", {})
    return [note for note in (_unit_note(summary, settings), _length_note(summary, settings, tables)) if note]


def _unit_note(summary: RunSummary, settings: Mapping[str, Any]) -> str | None:
    """Say that lengths are in another unit than they were read in."""
    tracks = summary.flags.get("duration_in_other_unit", 0)
    if not tracks or tracks < _LEAST_SHARE * summary.label_rows:
        return None
    return (
        f"duration_ms seems to be in another unit: {tracks:,} of {counted(summary.label_rows, 'labelled track')} last "
        f"1,000 times as long as the catalog says, or a thousandth (flag duration_in_other_unit). "
        f"{_UNIT_MENDS[settings.get('duration_unit', 'ms')]}"
    )


def _length_note(summary: RunSummary, settings: Mapping[str, Any], tables: RunTables) -> str | None:
    """Say how many rows are dead letters for the sake of an optional column."""
    rows, example = 0, ""
    # A run stays what it is, though a store does not answer.
    with contextlib.suppress(Exception):
        for message in _messages(tables) if summary.error_types.get(ErrorType.INVALID_ROW) else ():
            rows, example = rows + 1, min(example or message, message)
    if not rows:
        return None
    mapped = (settings.get("columns") or {}).get("duration_ms")
    away = "catalog.columns.duration_ms out of the config" if mapped else "the column out of the catalog"
    are = "row is a dead letter" if rows == 1 else "rows are dead letters"
    return (
        f"{rows:,} {are} (invalid_row) for a length that cannot be read, such as: "
        f"{printable(example, _EXAMPLE_CHARACTERS)} duration_ms is optional: mend its values, empty where none is "
        f"known, or leave {away}."
    )


def _messages(tables: RunTables) -> Iterator[str]:
    """Messages of the dead letters that name a length."""
    for batch in tables.reader("dead_letters", ["message"]):
        names_length = [pc.match_substring(batch["message"], words) for words in LENGTH_REFUSED]
        yield from batch["message"].filter(functools.reduce(pc.or_, names_length)).to_pylist()


def dead_letter_notes(summary: RunSummary, tables: RunTables, audio_root: str) -> list[str]:
    """Why a run has so many dead letters: an example of each of the most frequent causes, and what may be mistaken.

    Parameters
    ----------
    tables
        The run's.
    audio_root
        The value of ``--audio_root``.
    """
    causes = sorted(summary.error_types.items(), key=lambda cause: (-cause[1], cause[0]))[:_CAUSES_SHOWN]
    first: dict[str, str] = {}
    try:
        for batch in tables.reader("dead_letters", ["error_type", "message"]):
            for cause, message in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                first[cause] = min(first.get(cause, message), message)
    except Exception:  # a refusal stays one, though a store does not answer
        first.clear()
    notes = [
        f"{cause} {rows:,}, such as: {printable(first[cause], _EXAMPLE_CHARACTERS)}"
        for cause, rows in causes
        if cause in first
    ]
    most = causes[0][0] if causes and causes[0][1] > summary.dead_rows / 2 else None
    if most == ErrorType.MISSING_AUDIO:
        notes.append(f"An audio_uri is looked up under {audio_root} (--audio_root): is that right?")
    if most == ErrorType.PATH_NOT_ALLOWED and "web address" not in first.get(most, ""):
        notes.append(
            f"Only what lies under {audio_root} (--audio_root) is read, by its path below it; "
            "audio.allow_outside_root: true in the config lets a catalog that you trust name other paths."
        )
    return notes
