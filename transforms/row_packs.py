"""A table's rows on their way to its files: each checked and encoded, and many of them together as one element.

What a ``GroupByKey`` is handed is kept until its last element has come, by the local runner in memory. Rows by the
thousand, by the column and compressed take a third of the room that they take one by one, and a runner encodes and
decodes one element where it had a thousand.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import apache_beam as beam
import numpy as np
import pyarrow as pa

from transforms.carried_rows import CarriedRows
from transforms.global_window import in_global_window
from transforms.records import key_hash
from transforms.table_schemas import TABLES

Row: TypeAlias = Mapping[str, Any]
EncodedRow: TypeAlias = tuple[Any, ...]
#: Number of a file, and of how many.
Shard: TypeAlias = tuple[int, int]

#: Rows that wait in one bundle, of all files together, before those of one file become a pack.
_ROWS_WAITING: Final = 1_000
#: Fewer rows than this travel one by one: a pack names the buffers of every column.
_FEWEST_PACKED: Final = 8
_CODEC: Final = pa.Codec("zstd", compression_level=1)
_SIZE_BYTES: Final = 8


class TableValueError(ValueError):
    """A row does not fit its table's schema: an error in this project's code, never in a user's data."""


class PackRows(beam.DoFn):
    """Send rows to their files, many at once.

    Takes rows as dicts, or :class:`~transforms.carried_rows.CarriedRows`, and as a side input the table's number of
    files. Gives ``((file, files), rows)``: rows as a pack (bytes, see :func:`unpack_rows`), as one encoded row, or as
    the ``CarriedRows``.

    Parameters
    ----------
    table
        Whose rows.
    """

    def __init__(self, table: str) -> None:
        super().__init__()
        self._table = table

    def start_bundle(self) -> None:
        """Begin with nothing waiting."""
        self._waiting: dict[Shard, list[EncodedRow]] = {}
        self._rows_waiting = 0

    def process(self, row: Row | CarriedRows, shards: int) -> Iterator[tuple[Shard, Any]]:
        """Take one row, or many that are together already."""
        if isinstance(row, CarriedRows):
            yield (row.shard, shards), row
            return
        encoded = encode_row(self._table, row)
        key = row["track_id"] if row["track_id"] is not None else row["catalog_row"]
        self._waiting.setdefault((key_hash(key) % checked_shards(shards), shards), []).append(encoded)
        self._rows_waiting += 1
        if self._rows_waiting >= _ROWS_WAITING:
            # The file with the most, so that packs are large however many files there are.
            yield from self._sent(max(self._waiting, key=lambda shard: len(self._waiting[shard])))

    def finish_bundle(self) -> Iterator[Any]:
        """Send what waits."""
        for shard in list(self._waiting):
            for element in self._sent(shard):
                yield in_global_window(element)

    def _sent(self, shard: Shard) -> Iterator[tuple[Shard, Any]]:
        rows = self._waiting.pop(shard)
        self._rows_waiting -= len(rows)
        if len(rows) < _FEWEST_PACKED:
            yield from ((shard, row) for row in rows)
        else:
            yield shard, pack_rows(self._table, rows)


def checked_shards(shards: int) -> int:
    """Give a number of files that is one."""
    if shards < 1:
        raise ValueError(f"a table needs at least one file, not {shards}")
    return shards


def pack_rows(table: str, rows: Sequence[EncodedRow]) -> bytes:
    """Put rows together, compressed."""
    data = record_batch(table, rows).serialize()
    compressed: bytes = _CODEC.compress(data, asbytes=True)
    return len(data).to_bytes(_SIZE_BYTES, "little") + compressed


def unpack_rows(table: str, pack: bytes) -> pa.RecordBatch:
    """Give the rows that :func:`pack_rows` put together."""
    size = int.from_bytes(pack[:_SIZE_BYTES], "little")
    data = _CODEC.decompress(memoryview(pack)[_SIZE_BYTES:], decompressed_size=size)
    return pa.ipc.read_record_batch(data, TABLES[table])


def record_batch(table: str, rows: Sequence[EncodedRow]) -> pa.RecordBatch:
    """Put rows from :func:`encode_row` into Arrow's format, in their order."""
    schema = TABLES[table]
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [_to_array(field.type, list(values)) for field, values in zip(schema, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


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
