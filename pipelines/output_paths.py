"""Refusing to write where published tables are: a file of another job there would unpublish a partition."""

from __future__ import annotations

import pathlib
from typing import Final

from models.errors import UserError
from transforms.table_schemas import TABLES

#: What categorize_tracks alone writes to in its ``--output``.
_OF_RUNS: Final = frozenset({*TABLES, "runs", ".staging", ".locks"})


def check_outside_tables(flag: str, output: str, tables_flag: str, tables: str) -> None:
    """Refuse a path that is in a folder of tables, or is that folder; links are followed.

    Raises
    ------
    UserError
        Names both flags.
    """
    if _within(output, tables) is not None:
        raise UserError(
            f"{flag} {output}: is in {tables_flag} {tables}, where only categorize_tracks writes; give a path outside "
            "it."
        )


def check_no_partition(flag: str, output: str | None, tables_flag: str, tables: str) -> None:
    """Refuse a path in what :func:`check_outside_tables` refuses that a run writes: a table's folder, or ``runs``.

    Raises
    ------
    UserError
        Names both flags.
    """
    within = _within(output, tables) if output is not None else None
    if within is not None and within.parts and within.parts[0] in _OF_RUNS:
        raise UserError(
            f"{flag} {output}: is in {within.parts[0]} of {tables_flag} {tables}, where only categorize_tracks writes; "
            "give a path outside it."
        )


def _within(output: str, tables: str) -> pathlib.Path | None:
    """The path from a local folder of tables to ``output``; null when it leads elsewhere."""
    if "://" in tables:
        return None
    folder, place = pathlib.Path(tables).resolve(), pathlib.Path(output).resolve()
    return place.relative_to(folder) if place.is_relative_to(folder) else None
