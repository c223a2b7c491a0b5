"""The tables of one run as batches, wherever they lie: in staging before a run is published, or in their partitions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.catalog_files import open_stored
from transforms.table_schemas import TABLES

#: Of whole rows, which may hold vectors.
_ROWS_AT_ONCE: Final = 10_000


class RunTables:
    """Reads tables part by part; no more than one part of a file is in memory.

    Parameters
    ----------
    files
        The Parquet files of each table, local paths or URIs of Beam's file systems.
    """

    def __init__(self, files: Mapping[str, Sequence[str]]) -> None:
        self._files = files

    def reader(self, table: str, columns: Sequence[str]) -> pa.RecordBatchReader:
        """Give some columns of all rows of a table, for one query of DuckDB.

        A nullable column that a file is too old to have is null.
        """
        schema = pa.schema([TABLES[table].field(name) for name in columns]).remove_metadata()
        return pa.RecordBatchReader.from_batches(schema, self._batches(table, schema))

    def _batches(self, table: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for file in self._open_each(table):
            absent = {f.name for f in schema if f.nullable and f.name not in file.schema_arrow.names}
            for batch in file.iter_batches(columns=[name for name in schema.names if name not in absent]):
                columns = [
                    pa.nulls(batch.num_rows, f.type) if f.name in absent else batch.column(f.name) for f in schema
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def rows_of_tracks(self, table: str, track_ids: Collection[str]) -> list[dict[str, Any]]:
        """Give the rows of a few tracks, in the order of the files."""
        wanted = pa.array(sorted(track_ids), pa.string())
        rows: list[dict[str, Any]] = []
        if not len(wanted):
            return rows
        for file in self._open_each(table):
            for group in range(file.num_row_groups):
                # Most groups hold none of them, which one column tells.
                ids = file.read_row_group(group, columns=["track_id"])["track_id"]
                found = pc.is_in(ids, value_set=wanted)
                if pc.any(found, min_count=0).as_py():
                    for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], use_threads=False):
                        rows += batch.filter(pc.is_in(batch["track_id"], value_set=wanted)).to_pylist()
        return rows

    def _open_each(self, table: str) -> Iterator[pq.ParquetFile]:
        for path in self._files[table]:
            with open_stored(path) as source, pq.ParquetFile(source) as file:
                yield file
