"""A checksum of a table's rows that BigQuery and this machine compute alike, whatever the order of the rows.

Each row becomes text, of all its columns; the MD5 of the text gives two numbers of 32 bits, and the sums of those over
all rows are compared. Numbers with a fraction are taken to nine decimals, since the engines write them differently.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import Final, Literal

import duckdb
import pyarrow as pa

Dialect = Literal["bigquery", "duckdb"]

_NANO: Final = 1_000_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Checksum:
    """Of some rows; those of parts add up to that of the whole.

    Attributes
    ----------
    rows
        Their number.
    digests
        Two sums of 32-bit numbers.
    """

    rows: int = 0
    digests: tuple[int, int] = (0, 0)

    def __add__(self, other: Checksum) -> Checksum:
        first, second = (mine + theirs for mine, theirs in zip(self.digests, other.digests, strict=True))
        return Checksum(self.rows + other.rows, (first, second))

    def __str__(self) -> str:
        return f"{self.rows:,} rows with checksum {self.digests[0]:x}-{self.digests[1]:x}"


def checksum_sql(schema: pa.Schema, relation: str, dialect: Dialect, present: Collection[str] | None = None) -> str:
    """SQL that gives one row: number of rows, first sum, second sum.

    Parameters
    ----------
    schema
        The columns that count, in this order.
    relation
        What stands behind ``FROM``; ours, never a user's.
    dialect
        Whose SQL.
    present
        The columns that ``relation`` has, by default all; one that it lacks counts as null.
    """
    parts = [
        _null_text(field) if present is not None and field.name not in present else _column_text(field, dialect)
        for field in schema
    ]
    text = f"ARRAY_TO_STRING([{', '.join(parts)}], '|')"
    digest = f"TO_HEX(MD5({text}))" if dialect == "bigquery" else f"MD5({text})"
    sums = ", ".join(
        f"COALESCE(SUM(CAST(CONCAT('0x', SUBSTR(digest, {start}, 8)) AS INT64)), 0) AS sum_{start}" for start in (1, 9)
    )
    return f"SELECT COUNT(*) AS row_count, {sums} FROM (SELECT {digest} AS digest FROM {relation}) AS hashed"  # noqa: S608


def _column_text(field: pa.Field, dialect: Dialect) -> str:
    """A column as text that begins with ``=``, or the text of null; a number that is none counts as null."""
    if pa.types.is_list(field.type):
        if pa.types.is_string(field.type.value_type):
            text = f"ARRAY_TO_STRING({field.name}, ',')"
        elif dialect == "bigquery":
            number = f"COALESCE({_number_text('item', dialect)}, 'none')"
            items = f"SELECT {number} FROM UNNEST({field.name}) AS item WITH OFFSET AS place ORDER BY place"  # noqa: S608
            text = f"ARRAY_TO_STRING(ARRAY({items}), ',')"
        else:
            number = f"COALESCE({_number_text('item', dialect)}, 'none')"
            text = f"ARRAY_TO_STRING(LIST_TRANSFORM({field.name}, LAMBDA item: {number}), ',')"
    elif pa.types.is_floating(field.type):
        text = _number_text(field.name, dialect)
    else:
        text = field.name if pa.types.is_string(field.type) else f"CAST({field.name} AS STRING)"
    return f"COALESCE('=' || {text}, {_null_text(field)})"


def _null_text(field: pa.Field) -> str:
    """Null as text; an array that is null in a file is empty in BigQuery, which knows no other."""
    return "'='" if pa.types.is_list(field.type) else "'!'"


def _number_text(value: str, dialect: Dialect) -> str:
    attempt, kind = ("SAFE_CAST", "FLOAT64") if dialect == "bigquery" else ("TRY_CAST", "DOUBLE")
    return f"CAST({attempt}(ROUND(CAST({value} AS {kind}) * {_NANO}) AS INT64) AS STRING)"


def checksum_of(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Checksum:
    """The checksum of rows on this machine.

    Parameters
    ----------
    schema
        That of the batches.
    """
    with duckdb.connect() as connection:
        connection.register("incoming", pa.RecordBatchReader.from_batches(schema, batches))
        found = connection.execute(checksum_sql(schema, "incoming", "duckdb")).fetchone()
    return checksum_from_row(found)


def checksum_from_row(row: tuple[object, ...] | None) -> Checksum:
    """Read the answer to :func:`checksum_sql`."""
    rows, first, second = (int(str(value)) for value in row or (0, 0, 0))
    return Checksum(rows, (first, second))
