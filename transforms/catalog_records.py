"""Records of one catalog file, each with its place, before any is judged.

What comes out of a file is a record per non-blank line (JSON lines), row (CSV, Parquet); a record that cannot be split
into columns still is one. What ends the run is a file that breaks off: :class:`CatalogReadError`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final

from transforms.catalog_csv import CsvRecord, read_csv_records
from transforms.catalog_files import (
    MAX_RECORD_BYTES,
    RAW_CHARACTERS,
    CatalogFile,
    CatalogFormat,
    CatalogReadError,
    OversizedLine,
    format_of,
    open_stored,
    open_text,
    read_lines,
)
from transforms.catalog_hints import column_problem, in_one_line
from transforms.catalog_settings import AS_IN_CONTRACT, CatalogSettings, in_nfc, with_names_in_nfc
from transforms.catalog_validation import CONTRACT_COLUMNS, shown

#: Arrays and objects within one another; deeper is refused, at the same depth on every machine.
MAX_JSON_DEPTH: Final = 64

#: What databases write for null in a text file.
_NULL: Final = r"\N"
_PARQUET_BATCH_ROWS: Final = 1024
_UNDECODABLE: Final = re.compile("[\udc80-\udcff]")


@dataclasses.dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that has no columns: ``problem`` ends a sentence, ``raw`` is its text, cut to 4096 characters."""

    problem: str
    raw: str


#: A record's columns; one line of JSON, still to be parsed; or one that cannot be split.
RecordContent = dict[str, Any] | bytes | UnreadableRecord


def read_records(file: CatalogFile, settings: CatalogSettings = AS_IN_CONTRACT) -> Iterator[tuple[str, RecordContent]]:
    """Place and content of every non-blank record of a file, in its order.

    A place is the file's name and a number counted from 1: the line for JSON lines, the line where the record starts
    for CSV, the row for Parquet. Of a Parquet file only the columns that are used are read.

    Raises
    ------
    CatalogReadError
        When the file cannot be read to its end, or lacks the required columns: then the run must fail.
    """
    catalog_format = format_of(file.path)
    number = 0
    try:
        if catalog_format is CatalogFormat.JSON_LINES:
            records = _read_json_lines(file)
        elif catalog_format is CatalogFormat.CSV:
            records = _read_csv(file, settings)
        elif catalog_format is CatalogFormat.PARQUET:
            records = _read_parquet(file, settings)
        else:
            raise CatalogReadError(f"catalog file {file.name} has an ending that is not supported")
        for number, content in records:
            yield f"{file.name}:{number}", content
    except _BROKEN_OFF as error:
        raise _broken_off(file, number, error) from error


def read_batches(file: CatalogFile, settings: CatalogSettings = AS_IN_CONTRACT) -> Iterator[tuple[int, Any]]:
    """The records of a Parquet file as batches of Arrow's, each with the number of its first record.

    Raises
    ------
    CatalogReadError
        As in :func:`read_records`.
    """
    number = 0
    try:
        for batch in _parquet_batches(file, settings):
            yield number + 1, batch
            number += batch.num_rows
    except _BROKEN_OFF as error:
        raise _broken_off(file, number, error) from error


# pyarrow's errors are ValueError, OSError or NotImplementedError; gzip's are OSError, EOFError or zlib.error.
_BROKEN_OFF: Final = (OSError, EOFError, zlib.error, ValueError, NotImplementedError)


def _broken_off(file: CatalogFile, number: int, error: Exception) -> CatalogReadError:
    return CatalogReadError(
        f"catalog file {file.name} cannot be read behind record {number}"
        f" ({type(error).__name__}: {error}); the run stops, for its other rows would be missing"
    )


def parse_json_line(line: bytes, settings: CatalogSettings = AS_IN_CONTRACT) -> dict[str, Any] | UnreadableRecord:
    """Columns of one line of a JSON lines file."""
    used = _used_names(settings)

    def refuse(problem: str) -> UnreadableRecord:
        return UnreadableRecord(problem, _raw(line))

    repeated: list[tuple[str, Any, Any]] = []

    def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Called for the line's own object last, so that what it leaves in `repeated` is about that one.
        fields = dict(pairs)
        repeated.clear()
        if len(fields) < len(pairs):
            seen: dict[str, Any] = {}
            for key, value in pairs:
                if key in seen and in_nfc([key])[0] in used:
                    repeated.append((key, seen[key], value))
                seen.setdefault(key, value)
        return fields

    try:
        text = line.decode("utf-8")
        value = json.loads(text, object_pairs_hook=as_object)
    except UnicodeDecodeError as error:
        return refuse(f"the line is not UTF-8: byte {error.start + 1} is 0x{line[error.start]:02x}")
    except json.JSONDecodeError as error:
        return refuse(f"the line is not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}")
    except RecursionError:
        return refuse(_TOO_DEEP)
    except ValueError:  # a number of thousands of digits
        return refuse("the line is not JSON that can be read: a number in it has too many digits")
    if not isinstance(value, dict):
        return refuse(f"the line is {_JSON_NAMES.get(type(value), 'a number')}, where a JSON object is required")
    if line.count(b"[") + line.count(b"{") > MAX_JSON_DEPTH and _is_deeper(value, MAX_JSON_DEPTH):
        return refuse(_TOO_DEEP)
    fields = with_names_in_nfc(value)
    if len(fields) < len(value) and not repeated:
        as_object(list(zip(in_nfc(value), value.values(), strict=True)))
    if repeated:
        key, first, second = repeated[0]
        return refuse(f"{key} stands twice in the line, as {shown(first)} and as {shown(second)}")
    return fields


@functools.lru_cache(maxsize=8)
def _used_names(settings: CatalogSettings) -> frozenset[str]:
    return frozenset(settings.named(column) for column in CONTRACT_COLUMNS)


_TOO_DEEP: Final = f"the line nests more than {MAX_JSON_DEPTH} JSON arrays and objects"
_JSON_NAMES: Final = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}


def _is_deeper(value: Any, limit: int) -> bool:
    level: Sequence[Any] = [value]
    for _ in range(limit):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True


def header_columns(header: CsvRecord) -> list[str]:
    """Column names of a CSV header, as they are compared; spaces around a name are no part of it."""
    return in_nfc(name.strip() for name in header.fields or [])


def open_parquet(stream: IO[bytes]) -> Any:
    """Open a Parquet file, its pages' checksums verified where the writer left any (a ``pyarrow.parquet.ParquetFile``).

    Raises
    ------
    ValueError, OSError
        pyarrow's errors, when it is no Parquet file.
    """
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(stream, page_checksum_verification=True)


def _read_json_lines(file: CatalogFile) -> Iterator[tuple[int, RecordContent]]:
    with open_text(file.path) as stream:
        for number, line in enumerate(read_lines(stream), start=1):
            if isinstance(line, OversizedLine):
                yield number, _oversized(line)
            elif line and not line.isspace():
                yield number, line


def _oversized(line: OversizedLine) -> UnreadableRecord:
    return UnreadableRecord(
        f"the line is {line.length} bytes long, more than the {MAX_RECORD_BYTES} that a row may have",
        _raw(line.beginning),
    )


def _read_csv(file: CatalogFile, settings: CatalogSettings) -> Iterator[tuple[int, RecordContent]]:
    with open_text(file.path) as stream:
        records = read_csv_records(read_lines(stream))
        header = next(records, None)
        if header is None:
            return
        problem = header.problem or ("has a header that is not UTF-8" if not _is_utf8(header) else None)
        problem = problem or column_problem(header_columns(header), settings)
        if problem:
            raise CatalogReadError(f"catalog file {file.name} {in_one_line(problem)}")
        columns = header_columns(header)
        for record in records:
            yield record.line_number, _csv_content(record, columns)


def _is_utf8(record: CsvRecord) -> bool:
    return record.text.isascii() or not any(_UNDECODABLE.search(field) for field in record.fields or ())


def _csv_content(record: CsvRecord, columns: Sequence[str]) -> RecordContent:
    problem = record.problem
    if record.fields is not None:
        if len(record.fields) != len(columns):
            problem = f"the row has {len(record.fields)} fields, where the header has {len(columns)}"
        elif not _is_utf8(record):
            problem = "the row is not UTF-8"
        elif _NULL.encode() in record.text:
            return {n: None if f == _NULL else f for n, f in zip(columns, record.fields, strict=True)}
        else:
            return dict(zip(columns, record.fields, strict=True))
    return UnreadableRecord(problem or "", _raw(record.text))


def _raw(text: bytes) -> str:
    return text[: 4 * RAW_CHARACTERS].decode("utf-8", "replace")[:RAW_CHARACTERS]


def _read_parquet(file: CatalogFile, settings: CatalogSettings) -> Iterator[tuple[int, RecordContent]]:
    rows = (fields for batch in _parquet_batches(file, settings) for fields in batch_rows(batch))
    yield from enumerate(rows, start=1)


def _parquet_batches(file: CatalogFile, settings: CatalogSettings) -> Iterator[Any]:
    with open_stored(file.path) as stream:
        parquet = open_parquet(stream)
        names = in_nfc(parquet.schema_arrow.names)
        problem = column_problem(names, settings)
        if problem:
            raise CatalogReadError(f"catalog file {file.name} {in_one_line(problem)}")
        used = _used_names(settings)
        wanted = {given: name for given, name in zip(parquet.schema_arrow.names, names, strict=True) if name in used}
        number = 0
        # Other columns may be large, or of a kind that nothing here can read. One row group's pages are decoded as they
        # are asked for; no threads, for the stream is one.
        for batch in parquet.iter_batches(_PARQUET_BATCH_ROWS, columns=list(wanted), use_threads=False):
            number += batch.num_rows
            # Of a column named a.b pyarrow takes a for a part.
            yield batch.select(list(wanted)).rename_columns(list(wanted.values()))
        if number != parquet.metadata.num_rows:
            raise OSError(f"{number} rows came out of {parquet.metadata.num_rows}")


def batch_rows(batch: Any) -> list[dict[str, Any]]:
    """The records of a batch of Arrow's."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
        return rows
    except (ValueError, OverflowError, NotImplementedError):
        # Text that is not UTF-8, a date beyond Python's years and the like: take those values one by one.
        columns = [[_scalar_value(scalar) for scalar in column] for column in batch.columns]
        return [dict(zip(batch.schema.names, values, strict=True)) for values in zip(*columns, strict=True)]


def _scalar_value(scalar: Any) -> Any:
    import pyarrow as pa

    try:
        return scalar.as_py()
    except (ValueError, OverflowError, NotImplementedError):
        pass
    if isinstance(scalar, pa.ListScalar | pa.LargeListScalar | pa.FixedSizeListScalar):
        return [_scalar_value(item) for item in scalar.values]
    if isinstance(scalar, pa.StructScalar):
        return {field.name: _scalar_value(scalar[index]) for index, field in enumerate(scalar.type)}
    if isinstance(scalar, pa.StringScalar | pa.LargeStringScalar):
        return scalar.as_buffer().to_pybytes()
    try:
        return scalar.cast(pa.string()).as_py()
    except (ValueError, NotImplementedError):
        return f"a value of type {scalar.type}"
