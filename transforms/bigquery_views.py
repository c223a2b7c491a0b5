"""The views of ``sql/`` in BigQuery: the same statements, with the data set in front of every table that they name."""

from __future__ import annotations

import re
from typing import Final

from transforms.bigquery_client import Dataset
from transforms.bigquery_schema import BIGQUERY_TABLES, bigquery_columns, sql_type
from transforms.streams_parquet import STREAMS as STREAMS_SCHEMA
from transforms.warehouse_views import SQL_FOLDER, VIEWS, SqlFile, read_sql

#: Filled by whoever counts streams; the views need it to be there.
STREAMS: Final = "streams"
_NAMES: Final = "|".join([*BIGQUERY_TABLES, *VIEWS, STREAMS])
_NAMED: Final = re.compile(rf"\b(FROM|JOIN|TABLE|VIEW)(\s+)({_NAMES})\b(?!\s*\()")


def qualified(statement: str, place: str) -> str:
    """Put a data set in front of the tables and views that a statement of ours names; BigQuery wants it in a view.

    Parameters
    ----------
    statement
        From ``sql/``. A name behind FROM, JOIN, TABLE or VIEW is a table's; their names are not used for anything else.
    place
        ``project.dataset``, checked.
    """
    return _NAMED.sub(rf"\1\2`{place}.\3`", statement)


def read_bigquery_sql(name: str) -> SqlFile:
    """Read a view or an example query for BigQuery: its own form where the dialects differ, else that of both."""
    for path in (SQL_FOLDER / folder / f"{name}.sql" for folder in ("bigquery", ".", "examples")):
        if path.exists():
            return read_sql(path)
    raise ValueError(f"sql/ has no {name}")


def make_views(dataset: Dataset) -> None:
    """Make or replace every view in a data set, and an empty table ``streams`` where there is none.

    ``track_search`` is a table there, so that it can have a vector index; it is made anew from the latest run. A view
    that selects ``*`` has the columns of the moment when it was made.
    """
    columns = ", ".join(
        f"{column['name']} {sql_type(column)}{' NOT NULL' if column['mode'] == 'REQUIRED' else ''}"
        for column in bigquery_columns(STREAMS_SCHEMA)
    )
    dataset.query(f"CREATE TABLE IF NOT EXISTS {dataset.name(STREAMS)} ({columns})")
    for name in VIEWS:
        dataset.query(qualified(read_bigquery_sql(name).statement, str(dataset.place)))
