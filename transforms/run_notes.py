"""What a run noticed of its catalog as a whole, in sentences with the mend; none of it stops the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from transforms.catalog_validation import is_about_length
from transforms.printable import counted, printable
from transforms.records import ErrorType
from transforms.run_summary import RunSummary
from transforms.run_tables import RunTables

#: Fewer of the labels than this share may be slips of single rows.
_LEAST_SHARE: Final = 0.001
#: Causes of dead letters of which a refusal gives an example, and its length in characters.
_CAUSES_SHOWN: Final = 3
_EXAMPLE_CHARACTERS: Final = 300
_MENDS: Final = {
    "ms": "It was read as milliseconds: if it is in seconds, set catalog.duration_unit: s in the config.",
    "s": "It was read as seconds, as catalog.duration_unit: s says: if it is in milliseconds, leave that out.",
}


def unit_note(summary: RunSummary, config: Mapping[str, Any]) -> str | None:
    """Say that the catalog's lengths are in another unit than they were read in; null when they are not.

    Parameters
    ----------
    config
        The run's, JSON-ready, as its manifest has it.
    """
    tracks = summary.flags.get("duration_in_other_unit", 0)
    if not tracks or tracks < _LEAST_SHARE * summary.label_rows:
        return None
    unit = config.get("catalog", {}).get("duration_unit", "ms")
    return (
        f"duration_ms seems to be in another unit: {tracks:,} of {counted(summary.label_rows, 'labelled track')} last "
        f"1,000 times as long as the catalog says, or a thousandth (flag duration_in_other_unit). {_MENDS[unit]}"
    )


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
    lengths, is_mapped = 0, False
    try:
        for batch in tables.reader("dead_letters", ["error_type", "message"]):
            for cause, message in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                first[cause] = min(first.get(cause, message), message)
                if cause == ErrorType.INVALID_ROW and is_about_length(message):
                    lengths, is_mapped = lengths + 1, is_mapped or "duration_ms (" in message
    except Exception:  # a refusal stays one, though a store does not answer
        first.clear()
        lengths = 0
    notes = [
        f"{cause} {rows:,}, such as: {printable(first[cause], _EXAMPLE_CHARACTERS)}"
        for cause, rows in causes
        if cause in first
    ]
    most = causes[0][0] if causes and causes[0][1] > summary.dead_rows / 2 else None
    if most == ErrorType.MISSING_AUDIO:
        notes.append(f"An audio_uri is looked up under {audio_root} (--audio_root): is that right?")
    if lengths and most == ErrorType.INVALID_ROW:
        away = "catalog.columns.duration_ms out of the config" if is_mapped else "the column out of the catalog"
        notes.append(
            f"{lengths:,} of these invalid_row are lengths that cannot be read: duration_ms is optional. Mend its "
            f"values, empty where none is known, or leave {away}."
        )
    if most == ErrorType.PATH_NOT_ALLOWED and "web address" not in first.get(most, ""):
        notes.append(
            f"Only what lies under {audio_root} (--audio_root) is read, by its path below it; "
            "audio.allow_outside_root: true in the config lets a catalog that you trust name other paths."
        )
    return notes
