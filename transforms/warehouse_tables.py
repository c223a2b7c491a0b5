"""The tables of the local warehouse: made from the declared schemas, filled through Arrow, checked for mixed models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import UserError
from transforms.published_runs import PublishedFile, PublishedRun, open_checked
from transforms.table_schemas import TABLES

#: The comment of everything that Earmark puts into a warehouse begins with it; what has none is somebody else's.
MARK: Final = "Earmark: "

#: One row per run whose rows are in the file, from the manifests.
PUBLISHED_RUNS: Final = pa.schema(
    [
        pa.field("run_id", pa.string(), False, {"description": "The run."}),
        pa.field("run_date", pa.date32(), False, {"description": "The date that it was for; one run for each."}),
        pa.field("model_version", pa.string(), False, {"description": "The model, as the manifest names it."}),
        pa.field("taxonomy_version", pa.string(), False, {"description": "Version of categories and types."}),
        pa.field("config_sha256", pa.string(), False, {"description": "Digest of the run's settings."}),
        pa.field("labels", pa.int64(), False, {"description": "Rows of track_labels."}),
        pa.field("dead_letters", pa.int64(), False, {"description": "Rows of dead_letters."}),
    ]
)
_MEANINGS: Final = {
    "published_runs": "the runs whose rows are in this file.",
    "streams": "streams per track, month and licensor; empty unless --streams was given.",
}
_TYPES: Final = {
    pa.string(): "VARCHAR",
    pa.float64(): "DOUBLE",
    pa.float32(): "FLOAT",
    pa.int64(): "BIGINT",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
}


def create_table(connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema) -> None:
    """Make a table with a schema's columns, types, nullability and descriptions."""
    columns = ", ".join(f'"{f.name}" {_sql_type(f.type)}{"" if f.nullable else " NOT NULL"}' for f in schema)
    connection.execute(f'CREATE TABLE "{name}" ({columns})')
    meaning = _MEANINGS.get(name, "a table of the pipeline; docs/tables.md describes it.")
    connection.execute(f'COMMENT ON TABLE "{name}" IS {sql_text(MARK + meaning)}')
    for field in schema:
        description = field.metadata[b"description"].decode("utf-8")
        connection.execute(f'COMMENT ON COLUMN "{name}"."{field.name}" IS {sql_text(description)}')


def _sql_type(kind: pa.DataType) -> str:
    return f"{_TYPES[kind.value_type]}[]" if pa.types.is_list(kind) else _TYPES[kind]


def sql_text(value: str) -> str:
    """Quote text for SQL, where DuckDB takes no parameter (``COMMENT ON``)."""
    return "'" + value.replace("'", "''") + "'"


def insert(
    connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> None:
    """Append rows; they travel as Arrow, so that no path and no value of a catalog ever stands in SQL."""
    connection.register("incoming", pa.RecordBatchReader.from_batches(schema, batches))
    try:
        connection.execute(f'INSERT INTO "{name}" SELECT * FROM incoming')  # noqa: S608 - a name of ours
    finally:
        connection.unregister("incoming")


def fitted_batches(
    parquet: pq.ParquetFile, file: PublishedFile, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Read a file as batches in today's schema; a nullable column that the file is too old to have is null.

    Parameters
    ----------
    columns
        Those of the table to read; null for all.

    Raises
    ------
    UserError
        At once: a column has another type, or is missing and has to have values.
    """
    schema, found = columns_of(file.table, columns), parquet.schema_arrow
    for field in schema:
        if field.name not in found.names:
            wrong = None if field.nullable else "is missing"
        else:
            kind = found.field(field.name).type
            wrong = None if kind == field.type else f"is of type {kind} in the place of {field.type}"
        if wrong:
            raise UserError(f"{file.uri}: the column {field.name} {wrong}; run categorize_tracks for that date again.")

    def fitted() -> Iterator[pa.RecordBatch]:
        names = [name for name in schema.names if name in found.names]
        for batch in parquet.iter_batches(columns=names):
            arrays = [batch.column(f.name) if f.name in names else pa.nulls(batch.num_rows, f.type) for f in schema]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return fitted()


def read_table(
    run: PublishedRun, table: str, columns: Sequence[str], tables: str, flag: str = "--tables"
) -> Iterator[pa.RecordBatch]:
    """Read some columns of a table of a run, from files that are what its manifest says.

    Parameters
    ----------
    tables, flag
        What named the run, for messages.

    Raises
    ------
    UserError
        A file has gone, is another one, or has columns of other types.
    """
    for file in run.files_of(table):
        with open_checked(file, tables, run, flag=flag) as handle, pq.ParquetFile(handle) as parquet:
            yield from fitted_batches(parquet, file, columns)


def columns_of(table: str, columns: Sequence[str] | None) -> pa.Schema:
    """A table's schema with these columns only; null for all."""
    return TABLES[table] if columns is None else pa.schema([TABLES[table].field(name) for name in columns])


def runs_batch(runs: Sequence[PublishedRun]) -> pa.RecordBatch:
    """Rows of ``published_runs``."""
    rows = [
        {
            **{name: getattr(run, name) for name in PUBLISHED_RUNS.names if hasattr(run, name)},
            "labels": run.rows("track_labels"),
            "dead_letters": run.rows("dead_letters"),
        }
        for run in runs
    ]
    return pa.RecordBatch.from_pylist(rows, schema=PUBLISHED_RUNS)


def refuse_mixed_models(connection: duckdb.DuckDBPyConnection, tables: str) -> None:
    """Refuse what no run may publish: two models in one partition, or two lengths of a model's embeddings.

    Raises
    ------
    UserError
        Names the table and run date, or the model.
    """
    for table in ("track_labels", "track_embeddings"):
        mixed = connection.execute(
            f"SELECT run_date, list_sort(list(DISTINCT model_version)) FROM {table} "  # noqa: S608 - names of ours
            "GROUP BY run_date HAVING count(DISTINCT model_version) > 1 ORDER BY run_date"
        ).fetchone()
        if mixed is not None:
            raise UserError(
                f"--tables {tables}: {table} of run_date {mixed[0]} mixes the models {', '.join(mixed[1])}; run "
                "categorize_tracks for that date again."
            )
    lengths = connection.execute(
        "SELECT model_version, min(len(embedding)), max(len(embedding)) FROM track_embeddings GROUP BY model_version "
        "HAVING min(len(embedding)) <> max(len(embedding)) ORDER BY model_version"
    ).fetchone()
    if lengths is not None:
        raise UserError(
            f"--tables {tables}: embeddings of {lengths[0]} have {lengths[1]} and {lengths[2]} numbers; label again "
            "the run dates that another build of the model labelled."
        )


def count_rows(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Count the rows of a table or view."""
    found = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608 - a name of ours
    return int(found[0]) if found else 0
