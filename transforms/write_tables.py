"""Rows → Parquet files in the staging folder: the same rows give the same files, byte for byte."""

from __future__ import annotations

import bisect
import datetime
import hashlib
import io
import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Final, TypeAlias

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.metrics import Metrics

from transforms.carried_rows import CarriedRows
from transforms.records import key_hash
from transforms.run_summary import StagedFile
from transforms.table_schemas import SORT_KEYS, TABLES
from transforms.whole_files import whole_file

Row: TypeAlias = Mapping[str, Any]
EncodedRow: TypeAlias = tuple[Any, ...]

_ROW_GROUP_BYTES: Final = 64 * 2**20
_ROW_GROUP_MAX_ROWS: Final = 128 * 1024


class TableValueError(ValueError):
    """A row does not fit its table's schema: an error in this project's code, never in a user's data."""


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
        keyed = rows | "ToShards" >> beam.Map(_key_by_shard, table, shards)
        # One element without a row per file, so that files without rows are written too.
        empty = (
            rows.pipeline
            | "OneStart" >> beam.Create([None], reshuffle=False)
            | "EveryShard" >> beam.FlatMap(_every_shard, shards)
        )
        return (
            (keyed, empty)
            | "WithEmptyShards" >> beam.Flatten()
            | "GroupByShard" >> beam.GroupByKey()
            | "WriteShard" >> beam.ParDo(_WriteShard(table, self._staging_dir), shards).with_output_types(StagedFile)
        )


class _WriteShard(beam.DoFn):
    def __init__(self, table: str, staging_dir: str) -> None:
        self._table = table
        self._staging_dir = staging_dir
        self._rows = Metrics.counter("WriteTable", f"{table}_rows")
        self._files = Metrics.counter("WriteTable", "files")
        self._bytes = Metrics.counter("WriteTable", "file_bytes")

    def process(
        self, element: tuple[int, Iterable[EncodedRow | CarriedRows | None]], shards: int
    ) -> Iterator[StagedFile]:
        shard, grouped = element
        rows: list[EncodedRow] = []
        carried: list[CarriedRows] = []
        for item in grouped:
            if isinstance(item, CarriedRows):
                carried.append(item)
            elif item is not None:
                rows.append(item)
        number = len(rows) + sum(part.rows for part in carried)
        with tempfile.TemporaryFile(prefix="earmark-table-") as data:
            _write_parquet(self._table, arrow_table(self._table, rows), carried, data)
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


def _every_shard(unused: None, shards: int) -> list[tuple[int, None]]:
    return [(shard, None) for shard in range(_checked_shards(shards))]


def _checked_shards(shards: int) -> int:
    if shards < 1:
        raise ValueError(f"a table needs at least one file, not {shards}")
    return shards


def _key_by_shard(row: Row | CarriedRows, table: str, shards: int) -> tuple[int, EncodedRow | CarriedRows]:
    if isinstance(row, CarriedRows):
        return row.shard, row
    encoded = encode_row(table, row)
    key = row["track_id"] if row["track_id"] is not None else row["catalog_row"]
    return key_hash(key) % _checked_shards(shards), encoded


def parquet_bytes(table: str, rows: list[EncodedRow]) -> bytes:
    """Make the Parquet file of ``rows`` (from :func:`encode_row`, any order), sorted by the table's ``SORT_KEYS``."""
    return parquet_file(table, arrow_table(table, rows))


def arrow_table(table: str, rows: list[EncodedRow]) -> pa.Table:
    """Make an Arrow table of ``rows`` (from :func:`encode_row`, any order), sorted by the table's ``SORT_KEYS``."""
    schema = TABLES[table]
    first = [schema.get_field_index(name) for name in SORT_KEYS[table]]
    order = first + [index for index in range(len(schema)) if index not in first]
    # All columns take part, so that rows that are equal in the sort keys have one order too. Nulls come first.
    rows = sorted(rows, key=lambda row: tuple((row[index] is not None, row[index]) for index in order))
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [_to_array(field.type, list(values)) for field, values in zip(schema, columns, strict=True)]
    data = pa.Table.from_arrays(arrays, schema=schema)
    data.validate()
    return data


def parquet_file(table: str, data: pa.Table) -> bytes:
    """Make the Parquet file of rows in Arrow's format, in the table's schema and sorted by its ``SORT_KEYS``."""
    sink = io.BytesIO()
    _write_parquet(table, data, [], sink)
    return sink.getvalue()


def _write_parquet(table: str, fresh: pa.Table, carried: Sequence[CarriedRows], sink: IO[bytes]) -> None:
    """Write rows, those carried among the fresh ones, with a row group in memory at once beside the fresh ones."""
    schema = TABLES[table]
    rows = fresh.num_rows + sum(part.rows for part in carried)
    row_bytes = max(1, (fresh.nbytes + sum(part.bytes for part in carried)) // max(1, rows))
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


def _dictionary_path(field: pa.Field) -> str | None:
    if pa.types.is_string(field.type):
        return str(field.name)
    if pa.types.is_list(field.type) and pa.types.is_string(field.type.value_type):
        return f"{field.name}.list.element"
    return None


def _to_array(data_type: pa.DataType, values: list[Any]) -> pa.Array:
    if pa.types.is_list(data_type) and pa.types.is_float32(data_type.value_type):
        lengths = [0, *(len(value) // 4 for value in values)]
        flat = np.frombuffer(b"".join(values), dtype="<f4")
        offsets = pa.array(np.cumsum(lengths), type=pa.int32())
        return pa.ListArray.from_arrays(offsets, pa.array(flat, type=pa.float32()), type=data_type)
    return pa.array(values, type=data_type)


def encode_row(table: str, row: Row) -> EncodedRow:
    """``row`` checked against the table's schema, as a tuple in the order of its columns.

    A ``list<float32>`` becomes the bytes of its little-endian floats: small and quick to send between workers.

    Raises
    ------
    TableValueError
        As in :class:`WriteTable`.
    """
    checks = _CHECKS[table]
    if row.keys() != checks.keys():
        missing, unknown = sorted(checks.keys() - row.keys()), sorted(row.keys() - checks.keys())
        raise TableValueError(f"table {table}: a row with missing columns {missing} and unknown columns {unknown}")
    encoded: list[Any] = []
    for column, (nullable, check) in checks.items():
        value = row[column]
        if value is None:
            if not nullable:
                raise TableValueError(_complaint(table, column, row, "null where a value is required"))
            encoded.append(None)
            continue
        try:
            encoded.append(check(value))
        except (TypeError, ValueError) as error:
            raise TableValueError(_complaint(table, column, row, str(error))) from error
    return tuple(encoded)


def _complaint(table: str, column: str, row: Row, what: str) -> str:
    return f"table {table}, column {column}: {what} (row with track_id {row.get('track_id')!r})"[:1000]


def _shown(value: Any) -> str:
    shown = repr(value)
    return f"{shown if len(shown) <= 200 else shown[:200] + '…'} of type {type(value).__name__}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {_shown(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"text that is no valid Unicode, {_shown(value)}") from error
    return value if type(value) is str else str.__str__(value)  # members of a StrEnum become plain text


def _float(value: Any) -> float:
    if not isinstance(value, float):
        raise TypeError(f"expected a float, got {_shown(value)}")
    if not math.isfinite(value):
        raise ValueError(f"expected a finite float, got {value}")
    return float(value)


def _int(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected a whole number, got {_shown(value)}")
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"expected a number of 64 bits, got {value}")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected a bool, got {_shown(value)}")
    return value


def _date(value: Any) -> datetime.date:
    if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
        raise TypeError(f"expected a date, got {_shown(value)}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected a list of text, got {_shown(value)}")
    return tuple(_text(item) for item in value)


def _float32s(value: Any) -> bytes:
    if isinstance(value, list | tuple):
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            value = np.array([_float(item) for item in value], dtype=np.float64).astype(np.float32)
    if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.ndim != 1:
        what = f"an array of {value.dtype}, shape {value.shape}" if isinstance(value, np.ndarray) else _shown(value)
        raise TypeError(f"expected a list of floats or a float32 vector, got {what}")
    if not np.isfinite(value).all():
        raise ValueError(f"expected finite float32 values, got {value[~np.isfinite(value)][0]} among them")
    return bytes(value.astype("<f4").tobytes())


_CHECK_OF_TYPE: Final[dict[pa.DataType, Callable[[Any], Any]]] = {
    pa.string(): _text,
    pa.float64(): _float,
    pa.int64(): _int,
    pa.bool_(): _bool,
    pa.date32(): _date,
}
_CHECK_OF_LIST: Final[dict[pa.DataType, Callable[[Any], Any]]] = {pa.string(): _texts, pa.float32(): _float32s}


def _check_of(data_type: pa.DataType) -> Callable[[Any], Any]:
    check = _CHECK_OF_LIST.get(data_type.value_type) if pa.types.is_list(data_type) else _CHECK_OF_TYPE.get(data_type)
    if check is None:
        raise NotImplementedError(f"no check for columns of type {data_type}: add one here")
    return check


_CHECKS: Final = {
    table: {field.name: (field.nullable, _check_of(field.type)) for field in schema} for table, schema in TABLES.items()
}
