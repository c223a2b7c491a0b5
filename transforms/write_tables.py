"""Rows → Parquet files in the staging folder: the same rows give the same files, byte for byte."""

from __future__ import annotations

import bisect
import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Final

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.metrics import Metrics

from transforms.carried_rows import CarriedRows
from transforms.row_packs import EncodedRow, PackRows, Shard, checked_shards, record_batch, unpack_rows
from transforms.run_summary import StagedFile
from transforms.table_schemas import SORT_KEYS, TABLES
from transforms.whole_files import whole_file

_ROW_GROUP_BYTES: Final = 64 * 2**20
_ROW_GROUP_MAX_ROWS: Final = 128 * 1024


def shard_count(total_rows: int, rows_per_file: int) -> int:
    """How many files a table of ``total_rows`` is written to: at least one.

    Raises
    ------
    ValueError
        ``rows_per_file`` is less than 1, or ``total_rows`` is negative.
    """
    if rows_per_file < 1 or total_rows < 0:
        raise ValueError(f"rows_per_file {rows_per_file} must be at least 1 and total_rows {total_rows} at least 0")
    return max(1, -(-total_rows // rows_per_file))


class WriteTable(beam.PTransform):
    """Write a table's rows as Parquet files to ``<staging_dir>/<table>/`` and give a :class:`StagedFile` for each.

    Rows come as dicts, or many at once as :class:`~transforms.carried_rows.CarriedRows`.

    A row's file follows from its ``track_id`` (or, without one, its ``catalog_row``), the rows of a file are in the
    table's sort order, and a file's name ends in the first digits of its SHA-256. So the files depend on the rows
    alone: not on the input's order, nor on the number of workers, nor on a bundle that ran twice. Every file is
    written, those without rows with the schema only.

    The rows of one file are in memory at once: choose the number of files by :func:`shard_count`.

    Parameters
    ----------
    table
        A key of ``TABLES``; the rows are dicts with exactly its columns.
    staging_dir
        Any folder that Beam's file systems can write.
    shards
        Number of files: an int, or an ``AsSingleton`` side input of one.

    Raises
    ------
    TableValueError
        While running: a row misses a column or has an unknown one, a null where the schema allows none, a value of
        another type, a float that is no finite number, or text that is no valid Unicode.
    """

    def __init__(self, table: str, staging_dir: str, shards: int | beam.pvalue.AsSingleton) -> None:
        super().__init__(f"WriteTable[{table}]")
        if table not in TABLES:
            raise ValueError(f"unknown table {table!r}; the tables are {', '.join(TABLES)}")
        self._table = table
        self._staging_dir = staging_dir
        self._shards = shards

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        """Compose the stages."""
        table, shards = self._table, self._shards
        packed = rows | "ToShards" >> beam.ParDo(PackRows(table), shards)
        # One element without a row per file, so that files without rows are written too.
        empty = (
            rows.pipeline
            | "OneStart" >> beam.Create([None], reshuffle=False)
            | "EveryShard" >> beam.FlatMap(_every_shard, shards)
        )
        return (
            (packed, empty)
            | "WithEmptyShards" >> beam.Flatten()
            | "GroupByShard" >> beam.GroupByKey()
            # The number of files comes with the key: Beam keeps the last element of a DoFn with a side input until the
            # job ends, which is all rows of a file here.
            | "WriteShard" >> beam.ParDo(_WriteShard(table, self._staging_dir)).with_output_types(StagedFile)
        )


class _WriteShard(beam.DoFn):
    def __init__(self, table: str, staging_dir: str) -> None:
        self._table = table
        self._staging_dir = staging_dir
        self._rows = Metrics.counter("WriteTable", f"{table}_rows")
        self._files = Metrics.counter("WriteTable", "files")
        self._bytes = Metrics.counter("WriteTable", "file_bytes")

    def process(self, element: tuple[Shard, Iterable[bytes | EncodedRow | CarriedRows | None]]) -> Iterator[StagedFile]:
        (shard, shards), grouped = element
        carried = [item for item in grouped if isinstance(item, CarriedRows)]
        fresh = sorted_table(self._table, _batches(self._table, grouped))
        number = fresh.num_rows + sum(part.rows for part in carried)
        with tempfile.TemporaryFile(prefix="earmark-table-") as data:
            _write_parquet(self._table, fresh, carried, data)
            size = data.tell()
            data.seek(0)
            sha256 = hashlib.file_digest(data, "sha256").hexdigest()
            path = f"{self._table}/part-{shard:05d}-of-{shards:05d}-{sha256[:8]}.parquet"
            data.seek(0)
            with whole_file(self._staging_dir, path) as stream:
                shutil.copyfileobj(data, stream, 1 << 20)
        self._rows.inc(number)
        self._files.inc()
        self._bytes.inc(size)
        yield StagedFile(self._table, path, number, size, sha256)


def _every_shard(unused: None, shards: int) -> list[tuple[Shard, None]]:
    return [((shard, shards), None) for shard in range(checked_shards(shards))]


def _batches(table: str, grouped: Iterable[bytes | EncodedRow | CarriedRows | None]) -> Iterator[pa.RecordBatch]:
    alone: list[EncodedRow] = []
    for item in grouped:
        if isinstance(item, bytes):
            yield unpack_rows(table, item)
        elif isinstance(item, tuple):
            alone.append(item)
    yield record_batch(table, alone)


def parquet_bytes(table: str, rows: list[EncodedRow]) -> bytes:
    """Make the Parquet file of ``rows`` (from :func:`encode_row`, any order), sorted by the table's ``SORT_KEYS``."""
    return parquet_file(table, arrow_table(table, rows))


def arrow_table(table: str, rows: list[EncodedRow]) -> pa.Table:
    """Make an Arrow table of ``rows`` (from :func:`encode_row`, any order), sorted by the table's ``SORT_KEYS``."""
    return sorted_table(table, [record_batch(table, rows)])


def sorted_table(table: str, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """Make one Arrow table of rows in any order, sorted by the table's ``SORT_KEYS``, nulls first."""
    schema = TABLES[table]
    data = pa.Table.from_batches(batches, schema=schema).combine_chunks()
    keys = data.select(SORT_KEYS[table])
    order = _order(keys)
    if _has_equal_neighbours(keys.take(order)):
        # All columns take part, so that rows that are equal in the sort keys have one order too.
        for field in schema:
            if field.name not in keys.column_names:
                keys = keys.append_column(field.name, _ranks(data[field.name]))
        order = _order(keys)
    data = data.take(order)
    data.validate()
    return data


def _order(keys: pa.Table) -> pa.Array:
    return pc.sort_indices(keys, sort_keys=[(name, "ascending", "at_start") for name in keys.column_names])


def _has_equal_neighbours(rows: pa.Table) -> bool:
    equal = pa.repeat(pa.scalar(True), max(0, rows.num_rows - 1))
    for column in rows.columns:
        first, second = column.slice(0, len(equal)), column.slice(1)
        both_null = pc.and_(first.is_null(), second.is_null())
        equal = pc.and_(equal, pc.coalesce(pc.equal(first, second), both_null))
    return bool(pc.any(equal, min_count=0).as_py())


def _ranks(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Give what orders rows by a column: itself, or the place of each list among all of them."""
    if not pa.types.is_list(column.type):
        return column
    lists = [tuple(value) for value in column.to_pylist()]
    places = {value: place for place, value in enumerate(sorted(set(lists)))}
    return pa.array([places[value] for value in lists], pa.int64())


def parquet_file(table: str, data: pa.Table) -> bytes:
    """Make the Parquet file of rows in Arrow's format, in the table's schema and sorted by its ``SORT_KEYS``."""
    sink = io.BytesIO()
    _write_parquet(table, data, [], sink)
    return sink.getvalue()


def _write_parquet(table: str, fresh: pa.Table, carried: Sequence[CarriedRows], sink: IO[bytes]) -> None:
    """Write rows, those carried among the fresh ones, with a row group in memory at once beside the fresh ones."""
    schema = TABLES[table]
    rows = fresh.num_rows + sum(part.rows for part in carried)
    row_bytes = max(1, (table_bytes(fresh) + sum(part.bytes for part in carried)) // max(1, rows))
    group_rows = max(1, min(_ROW_GROUP_MAX_ROWS, _ROW_GROUP_BYTES // row_bytes))
    with pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        # A dictionary of float vectors costs time and saves nothing.
        use_dictionary=[path for field in schema if (path := _dictionary_path(field)) is not None],
        write_page_index=True,
        sorting_columns=pq.SortingColumn.from_ordering(
            schema, [(name, "ascending") for name in SORT_KEYS[table]], null_placement="at_start"
        ),
    ) as writer:
        waiting: list[pa.Table] = []
        for part in _merged(table, fresh, carried):
            waiting.append(part)
            del part
            while sum(batch.num_rows for batch in waiting) >= group_rows:
                together = pa.concat_tables(waiting)
                group, waiting = together.slice(0, group_rows).combine_chunks(), [together.slice(group_rows)]
                del together  # with it goes what the group was put together from, before it is written
                writer.write_table(group, row_group_size=group_rows)
        rest = pa.concat_tables(waiting) if waiting else schema.empty_table()
        if rest.num_rows or not rows:
            writer.write_table(rest.combine_chunks(), row_group_size=group_rows)


def _merged(table: str, fresh: pa.Table, carried: Sequence[CarriedRows]) -> Iterator[pa.Table]:
    """Rows of both in the table's sort order; no track is in both."""
    if len(carried) > 1:
        raise ValueError(f"{len(carried)} lots of carried rows for one file of {table}, where there can be one")
    if carried:
        ids = fresh["track_id"].to_pylist()
        taken = 0
        for batch in carried[0].batches():
            behind = bisect.bisect_right(ids, batch["track_id"][-1].as_py(), lo=taken)
            if behind > taken:
                batch = pa.concat_tables([batch, fresh.slice(taken, behind - taken)])
                batch = batch.take(pc.sort_indices(batch, [(key, "ascending") for key in SORT_KEYS[table]]))
                taken = behind
            yield batch
        fresh = fresh.slice(taken)
    yield fresh


def table_bytes(data: pa.Table) -> int:
    """Size of a table in memory: ``nbytes``, but without validity bitmaps that say nothing.

    Arrow leaves one behind in some ways to the same rows and not in others, and row groups depend on the size.
    """
    return sum(_column_bytes(column) for column in data.columns)


def _column_bytes(column: pa.Array | pa.ChunkedArray) -> int:
    data_type, rows = column.type, len(column)
    bitmap_bytes = -(-rows // 8) if column.null_count else 0
    if pa.types.is_string(data_type):
        return bitmap_bytes + 4 * rows + int(pc.sum(pc.binary_length(column)).as_py() or 0)
    if pa.types.is_list(data_type):
        return bitmap_bytes + 4 * rows + _column_bytes(pc.list_flatten(column))
    return bitmap_bytes + -(-rows * int(data_type.bit_width) // 8)


def _dictionary_path(field: pa.Field) -> str | None:
    if pa.types.is_string(field.type):
        return str(field.name)
    if pa.types.is_list(field.type) and pa.types.is_string(field.type.value_type):
        return f"{field.name}.list.element"
    return None
