"""The optional columns of a manifest that an evaluation slices by, and what their values must be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from models.errors import UserError

#: Words, each value a slice of its own; ``hard_tags`` holds several, parted by blanks.
TEXT_COLUMNS: Final = ("genre", "codec", "language", "slice", "hard_tags")
#: Numbers: kb/s, LUFS, and the level of one part of a mix against the other in dB.
NUMBER_COLUMNS: Final = ("bitrate_kbps", "loudness_lufs", "mix_db")
#: ``review`` where a person should listen whatever the label; such rows are in no figure of the categories.
EXPECTED_DECISION: Final = "expected_decision"
#: The same on all rows that are one recording under another codec or loudness.
PAIR: Final = "pair"
OPTIONAL_COLUMNS: Final = (*TEXT_COLUMNS, *NUMBER_COLUMNS, EXPECTED_DECISION, PAIR)


def optional_columns(row: Mapping[str, str | None], where: str) -> tuple[tuple[str, str], ...]:
    """The optional columns that a row of a manifest fills, as pairs of column and value.

    Parameters
    ----------
    row
        By column, as :class:`csv.DictReader` gives it.
    where
        The row's place, for messages.

    Raises
    ------
    UserError
        When a number is none, or an expected decision is another word than ``review``.
    """
    filled = tuple((column, value.strip()) for column in OPTIONAL_COLUMNS if (value := row.get(column) or "").strip())
    for column, value in filled:
        if column in NUMBER_COLUMNS and not _is_number(value):
            raise UserError(f"{where}: {column} {value!r} is no number; write it like -14.5, or leave it empty.")
        if column == EXPECTED_DECISION and value != "review":
            raise UserError(f"{where}: {EXPECTED_DECISION} {value!r} is unknown; write review, or leave it empty.")
    return filled


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
