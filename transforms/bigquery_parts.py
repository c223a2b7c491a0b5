"""What is loaded: a published run's files in parts, each checked against the manifest and summed up on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from models.errors import UserError
from transforms.bigquery_schema import BIGQUERY_TABLES, PUBLISHED_RUNS, Column, bigquery_columns
from transforms.published_runs import PublishedFile, PublishedRun, open_checked
from transforms.table_checksums import Checksum, checksum_of
from transforms.table_schemas import TABLES
from transforms.warehouse_tables import fitted_batches, runs_batch


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Rows of one table that one load job brings into a staging table of their own.

    A staging table that a load replaces as a whole may be loaded as often as one likes: no row is doubled, whatever
    was killed.

    Attributes
    ----------
    source
        Opens the file to send, or the ``gs://`` names that BigQuery reads.
    columns
        Those that the files have, in their order.
    content_sha256
        Of the files, as their manifest has it.
    """

    table: str
    source: Callable[[], IO[bytes]] | Sequence[str]
    columns: tuple[str, ...]
    checksum: Checksum
    content_sha256: str

    def bigquery_columns(self) -> list[Column]:
        """The columns of the staging table."""
        declared = {column["name"]: column for column in bigquery_columns(BIGQUERY_TABLES[self.table])}
        return [declared[name] for name in self.columns]


def content_sha256(files: Sequence[PublishedFile]) -> str:
    """One digest for the content of some files, in whatever order they are."""
    content = sorted((file.table, file.sha256, file.rows) for file in files)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def parts_of(run: PublishedRun, tables: str) -> list[Part]:
    """Read all files of a run, check each by its sha256, and give them as parts, the row of ``published_runs`` last.

    A file on this machine is a part; files of a table on an object store, which one load job takes, are one together.

    Parameters
    ----------
    tables
        What the user gave, for messages.

    Raises
    ------
    UserError
        A file has gone, is another one than the manifest lists, or has other columns than are declared.
    """
    parts = []
    for table in TABLES:
        files = run.files_of(table)
        for group in [files] if "://" in tables else [[file] for file in files]:
            if group:
                parts.append(_part(run, table, group, tables))
    return [*parts, _runs_part(run)]


def _part(run: PublishedRun, table: str, files: Sequence[PublishedFile], tables: str) -> Part:
    checksum, columns = Checksum(), None
    for file in files:
        with open_checked(file, tables, run) as handle, pq.ParquetFile(handle) as parquet:
            found = tuple(parquet.schema_arrow.names)
            unknown = [name for name in found if name not in TABLES[table].names]
            if unknown or found != (columns or found):
                what = f"has a column {unknown[0]}, unknown here" if unknown else "has other columns than its siblings"
                raise UserError(f"{file.uri}: {what}; publish with the Earmark that wrote it.")
            columns = found
            checksum += checksum_of(TABLES[table], fitted_batches(parquet, file))
    source: Callable[[], IO[bytes]] | Sequence[str]
    if "://" in tables:
        source = [file.uri for file in files]
    else:

        def source() -> IO[bytes]:
            return open_checked(files[0], tables, run)

    return Part(table, source, columns or (), checksum, content_sha256(files))


def _runs_part(run: PublishedRun) -> Part:
    schema = BIGQUERY_TABLES[PUBLISHED_RUNS]
    digest = content_sha256(run.files)
    batch = runs_batch([run])
    row = pa.RecordBatch.from_arrays([*batch.columns, pa.array([digest])], schema=schema)

    def source() -> IO[bytes]:
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_batches([row]), sink)
        sink.seek(0)
        return sink

    return Part(PUBLISHED_RUNS, source, tuple(schema.names), checksum_of(schema, [row]), digest)
