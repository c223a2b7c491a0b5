"""CSV records from lines: quoted line breaks, bounded memory, and a way back after a quote that is never closed.

Fields are parted by commas, semicolons or tabs, whichever parts the header.
"""

from __future__ import annotations

import collections
import csv
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from transforms.catalog_files import MAX_RECORD_BYTES, OversizedLine

_QUOTE: Final = ord('"')
_COMMA: Final = ","
_TAB: Final = "\t"
#: What may part fields; of two that part a header into as many columns the one that stands first here does.
DELIMITERS: Final = (_COMMA, _TAB, ";")


class CsvRecord(NamedTuple):
    r"""One record that is not blank.

    Attributes
    ----------
    line_number
        Line on which it starts, counted from 1.
    text
        Its bytes as they stand, lines joined by ``\n``; only the beginning when it is too long.
    fields
        Null when the record could not be split; ``problem`` then says why. Bytes that are no UTF-8 stand in it as
        lone surrogates (``surrogateescape``).
    """

    line_number: int
    text: bytes
    fields: list[str] | None
    problem: str | None = None


class _RecordTooLongError(Exception):
    """The record did not end within the limit."""


class _LineSource:
    """Numbered lines, which can be given back; the first one says what parts the fields."""

    def __init__(self, lines: Iterable[bytes | OversizedLine]) -> None:
        self._lines = enumerate(lines, start=1)
        self._returned: collections.deque[tuple[int, bytes | OversizedLine]] = collections.deque()
        self.delimiter = _COMMA
        for number, line in self._lines:
            if isinstance(line, OversizedLine) or (line and not line.isspace()):
                self._returned.append((number, line))
                if not isinstance(line, OversizedLine):
                    self.delimiter = _delimiter_of(line)
                break

    def __iter__(self) -> Iterator[tuple[int, bytes | OversizedLine]]:
        return self

    def __next__(self) -> tuple[int, bytes | OversizedLine]:
        return self._returned.popleft() if self._returned else next(self._lines)

    def give_back(self, lines: list[tuple[int, bytes | OversizedLine]]) -> None:
        self._returned.extendleft(reversed(lines))


def _delimiter_of(header: bytes) -> str:
    """What parts the first line of a header into most fields, and so all lines of the file."""
    text = header.decode("utf-8", "surrogateescape")

    def fitness(delimiter: str) -> tuple[bool, int]:
        try:
            fields = next(csv.reader([text], delimiter=delimiter), [])
        except csv.Error:
            return False, 0
        # A quote that is left over was one around a name, and the delimiter stood within it.
        return not any('"' in field for field in fields), len(fields)

    return max(DELIMITERS, key=fitness)


def read_csv_records(lines: Iterable[bytes | OversizedLine], max_bytes: int = MAX_RECORD_BYTES) -> Iterator[CsvRecord]:
    """Split lines into records in the dialect of RFC 4180, but for the delimiter, blank lines left out.

    A record that cannot be split (a quote never closed, text behind a closing quote, too long) costs its first line
    only: reading goes on at the next line, so that one stray quote does not swallow the rows behind it. Where tabs part
    the fields, such a line is split at its tabs: databases write quotes there that are part of the text.
    """
    source = _LineSource(lines)
    for number, record in _assemble(source, max_bytes):
        if isinstance(record, CsvRecord):
            yield record
        else:
            # Most rows hold no quote; then a delimiter always separates, and splitting is several times as fast.
            yield CsvRecord(number, record, record.decode("utf-8", "surrogateescape").split(source.delimiter))


def read_csv_texts(lines: Iterable[bytes | OversizedLine], max_bytes: int = MAX_RECORD_BYTES) -> Iterator[bytes]:
    """Give the bytes of each record as :func:`read_csv_records` bounds them, without splitting it into fields."""
    for _, record in _assemble(_LineSource(lines), max_bytes):
        if isinstance(record, CsvRecord):
            yield record.text + (record.problem or "").encode()
        else:
            yield record


def read_csv_header(lines: Iterable[bytes | OversizedLine]) -> CsvRecord | None:
    """Read the first record that is not blank; null when there is none."""
    return next(read_csv_records(lines), None)


def _assemble(source: _LineSource, max_bytes: int) -> Iterator[tuple[int, bytes] | tuple[int, CsvRecord]]:
    """Line number and record; a record without quotes as the bytes of its one line."""
    for number, line in source:
        if isinstance(line, OversizedLine):
            problem = f"the line is {line.length} bytes long, more than the {max_bytes} that a row may have"
            yield number, CsvRecord(number, line.beginning, None, problem)
        elif not line or line.isspace():
            continue
        elif _QUOTE not in line and b"\r" not in line:
            yield number, line
        else:
            yield number, _quoted_record(source, number, line, max_bytes)


def _quoted_record(source: _LineSource, number: int, line: bytes, max_bytes: int) -> CsvRecord:
    taken: list[tuple[int, bytes | OversizedLine]] = []
    texts = [line]

    def feed() -> Iterator[str]:
        yield line.decode("utf-8", "surrogateescape") + "\n"
        size = len(line)
        for following in source:
            taken.append(following)
            text = following[1]
            if isinstance(text, OversizedLine):
                raise _RecordTooLongError
            size += len(text) + 1
            if size > max_bytes:
                raise _RecordTooLongError
            texts.append(text)
            yield text.decode("utf-8", "surrogateescape") + "\n"

    # The limit is the process's; ours lies above every record that gets here.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * max_bytes))
    try:
        fields = next(csv.reader(feed(), delimiter=source.delimiter, strict=True))
    except _RecordTooLongError:
        problem = f"a quote that opens here is not closed within {max_bytes} bytes"
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            problem = "a quote that opens here is never closed"
        else:
            problem = f"the row's quoting is broken ({error})"
    else:
        return CsvRecord(number, b"\n".join(texts), fields)
    source.give_back(taken)
    if source.delimiter == _TAB and b"\r" not in line:
        return CsvRecord(number, line, line.decode("utf-8", "surrogateescape").split(_TAB))
    return CsvRecord(number, line, None, problem)
