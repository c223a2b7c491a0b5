"""The tables in BigQuery, made from the declared schemas: columns, partitions, clusters, and what may change in them.

Columns are the JSON objects of BigQuery's REST interface, so that nothing here needs Google's libraries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import pyarrow as pa

from models.errors import UserError
from transforms.table_schemas import TABLES
from transforms.warehouse_tables import PUBLISHED_RUNS as RUNS_OF_WAREHOUSE

#: ``{"name", "type", "mode", "description"}``.
Column: TypeAlias = dict[str, Any]

PUBLISHED_RUNS: Final = "published_runs"
PARTITION_COLUMN: Final = "run_date"

#: Every table that is published, in one order. ``published_runs`` has one row per run date and is part of the swap: it
#: says, in the same transaction, which run the other tables hold.
BIGQUERY_TABLES: Final[dict[str, pa.Schema]] = {
    **TABLES,
    PUBLISHED_RUNS: RUNS_OF_WAREHOUSE.append(
        pa.field("content_sha256", pa.string(), False, {"description": "Digest of the sha256 of all the run's files."})
    ),
}

#: What consumers filter and join on, most selective use first; BigQuery sorts each partition by it.
CLUSTERING: Final[dict[str, tuple[str, ...]]] = {
    "track_labels": ("category", "functional_type", "track_id"),
    "track_segments": ("track_id",),
    "track_embeddings": ("track_id",),
    "royalty_treatments": ("policy_id", "royalty_class", "track_id"),
    "dead_letters": ("error_type",),
    PUBLISHED_RUNS: (),
}

_TYPES: Final = {
    pa.string(): "STRING",
    pa.float64(): "FLOAT64",
    pa.float32(): "FLOAT64",
    pa.int64(): "INT64",
    pa.bool_(): "BOOL",
    pa.date32(): "DATE",
}
#: BigQuery's REST interface answers with the older names.
_OLDER_NAMES: Final = {"FLOAT": "FLOAT64", "INTEGER": "INT64", "BOOLEAN": "BOOL"}


def bigquery_columns(schema: pa.Schema) -> list[Column]:
    """Give a schema's columns as BigQuery's: a list is REPEATED, whatever may not be null is REQUIRED."""
    columns = []
    for field in schema:
        repeated = pa.types.is_list(field.type)
        kind = _TYPES[field.type.value_type if repeated else field.type]
        mode = "REPEATED" if repeated else "NULLABLE" if field.nullable else "REQUIRED"
        description = field.metadata[b"description"].decode("utf-8")
        columns.append({"name": field.name, "type": kind, "mode": mode, "description": description})
    return columns


def sql_type(column: Mapping[str, Any]) -> str:
    """A column's type in words and in DDL: ``STRING``, ``ARRAY<FLOAT64>``."""
    kind = _OLDER_NAMES.get(column["type"], column["type"])
    return f"ARRAY<{kind}>" if column.get("mode") == "REPEATED" else str(kind)


def missing_columns(table: str, live: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Compare a table as it is in BigQuery with what is declared, and give the columns that have to be added.

    Parameters
    ----------
    table
        One of ``BIGQUERY_TABLES``.
    live
        The table's columns, from BigQuery.

    Raises
    ------
    UserError
        A column changed its type or went away, which would break readers, or a new one may not be null.
    """
    declared = {column["name"]: column for column in bigquery_columns(BIGQUERY_TABLES[table])}
    there = {column["name"]: column for column in live}
    for name, column in there.items():
        if name not in declared:
            raise UserError(
                f"The table {table} in BigQuery has a column {name} ({sql_type(column)}) that this Earmark does not "
                "write; drop it there when nobody reads it, or publish with the Earmark that writes it."
            )
        if sql_type(column) != sql_type(declared[name]):
            raise UserError(
                f"The column {name} of table {table} is {sql_type(column)} in BigQuery, and this Earmark writes "
                f"{sql_type(declared[name])}; publish to a new data set, or agree with its readers and drop the table."
            )
    added = [column for name, column in declared.items() if name not in there]
    for column in added:
        if column["mode"] == "REQUIRED":
            raise UserError(
                f"The column {column['name']} ({sql_type(column)}) of table {table} is new and may not be null, which "
                "BigQuery cannot add to a table; publish to a new data set, or agree with its readers and drop the "
                "table."
            )
    return added


def relaxed_columns(table: str, live: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give the columns that may be null by now and may not in BigQuery; the other way round nothing has to change."""
    declared = {column["name"]: column["mode"] for column in bigquery_columns(BIGQUERY_TABLES[table])}
    return [
        column["name"]
        for column in live
        if column.get("mode") == "REQUIRED" and declared.get(column["name"]) == "NULLABLE"
    ]


def merged_columns(table: str, live: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The columns as they are to be: those of BigQuery in their order, then the new ones; today's descriptions."""
    declared = {column["name"]: column for column in bigquery_columns(BIGQUERY_TABLES[table])}
    relaxed = set(relaxed_columns(table, live))
    merged = []
    for column in live:
        mode = "NULLABLE" if column["name"] in relaxed else column.get("mode", "NULLABLE")
        merged.append({**column, "mode": mode, "description": declared[column["name"]]["description"]})
    return merged + missing_columns(table, live)
