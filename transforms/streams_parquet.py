"""Streams per track, month and licensor out of Parquet files, as the consumers of the tables count them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.errors import UserError

#: What one row of streams is; several rows of one track, month and licensor add up.
STREAMS: Final = pa.schema(
    [
        pa.field("track_id", pa.string(), False, {"description": "The catalog's id of the track."}),
        pa.field("month", pa.string(), False, {"description": "The month, as `YYYY-MM`."}),
        pa.field("licensor", pa.string(), True, {"description": "Who is paid for the track in that month."}),
        pa.field("streams", pa.int64(), False, {"description": "Number of streams, 0 or more."}),
    ]
)
MONTH_PATTERN: Final = "[0-9]{4}-(0[1-9]|1[0-2])"
#: Of all rows together, so that every sum fits a 64-bit column.
MOST_STREAMS: Final = 10**18


def find_stream_files(pattern: str) -> list[str]:
    """List the files of a path or glob (``--streams``), each with the columns of :data:`STREAMS`.

    Raises
    ------
    UserError
        No file matches, or one is no Parquet, lacks a column or has it in another type.
    """
    if "://" in pattern:
        raise UserError(f"--streams {pattern}: must be on a local disk; copy the files here and give the copies.")
    # A path that is there is itself, whatever brackets stand in it.
    found = [pattern] if os.path.exists(pattern) else glob.glob(pattern, recursive=True)  # noqa: PTH110, PTH207 - as given
    paths = sorted(path for path in found if not os.path.isdir(path))  # noqa: PTH112
    if not paths:
        raise UserError(f"--streams {pattern}: matches no file; give a Parquet file or a glob in quotes.")
    for path in paths:
        try:
            schema = pq.read_schema(path)
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"--streams {path}: is no Parquet file ({error}); give one with {_columns()}.") from error
        for field in STREAMS:
            if field.name not in schema.names:
                raise UserError(f"--streams {path}: lacks the column {field.name}; it needs {_columns()}.")
            if not _fits(field.name, schema.field(field.name).type):
                raise UserError(
                    f"--streams {path}: the column {field.name} is of type {schema.field(field.name).type}; it must be "
                    f"{_WANTED[field.name]}."
                )
    return paths


_WANTED: Final = {"track_id": "text", "month": "text (YYYY-MM) or a date", "licensor": "text", "streams": "an integer"}


def _columns() -> str:
    return ", ".join(STREAMS.names)


def _fits(column: str, kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if column == "streams":
        return bool(pa.types.is_integer(kind))
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(
        is_text or (column == "month" and pa.types.is_date(kind)) or (column == "licensor" and kind == pa.null())
    )


def read_streams(paths: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Read the files of :func:`find_stream_files` as batches of :data:`STREAMS`.

    Raises
    ------
    UserError
        A file is damaged, a value is missing, a month is none, or a number of streams is negative.
    """
    for path in paths:
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for batch in file.iter_batches(columns=STREAMS.names, batch_size=2**19):
                    batch.validate(full=True)
                    yield _checked(batch, path)
        except (OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"--streams {path}: cannot be read to its end ({reason}); write or copy it anew."
            ) from error


def _checked(batch: pa.RecordBatch, path: str) -> pa.RecordBatch:
    columns = []
    for field in STREAMS:
        column = batch.column(field.name)
        if field.name == "month" and pa.types.is_date(column.type):
            column = pc.strftime(column, format="%Y-%m")
        try:
            column = column.cast(field.type)
        except pa.ArrowInvalid as error:
            raise UserError(f"--streams {path}: the column {field.name} holds {error}; mend the file.") from error
        if (column.null_count and not field.nullable) or (
            field.name == "track_id" and pc.any(pc.equal(column, "")).as_py()
        ):
            raise UserError(f"--streams {path}: the column {field.name} has rows without a value; fill or drop them.")
        columns.append(column)
    track_ids, months, _, streams = columns
    if not pc.all(is_month := pc.match_substring_regex(months, f"^{MONTH_PATTERN}$"), min_count=0).as_py():
        wrong = months.filter(pc.invert(is_month))[0].as_py()
        raise UserError(f"--streams {path}: {wrong!r} is no month; write it as YYYY-MM, such as 2026-11.")
    if len(streams) and pc.min(streams).as_py() < 0:
        first = pc.index(pc.less(streams, 0), True).as_py()
        raise UserError(
            f"--streams {path}: track {track_ids[first].as_py()[:100]!r} has {streams[first].as_py()} streams; a "
            "number of streams is 0 or more, so add a correction to the month that it corrects."
        )
    return pa.RecordBatch.from_arrays(columns, schema=STREAMS)
