"""What the beginning of a catalog's file tells: that it is not what its name says, or how its columns are parted."""

from __future__ import annotations

import re
from typing import IO, Final

from transforms.catalog_csv import DELIMITERS, CsvRecord
from transforms.catalog_files import CatalogFile, OversizedLine, read_lines
from transforms.catalog_hints import missing_columns
from transforms.catalog_records import header_columns
from transforms.catalog_settings import CatalogSettings
from transforms.catalog_validation import shown

_UTF16: Final = "is UTF-16 text; save it as UTF-8, for example with: iconv -f UTF-16 -t UTF-8"
_GZIP: Final = b"\x1f\x8b"
#: Excel reads the delimiter from such a first line.
_SEPARATOR_LINE: Final = re.compile(rb'[\s"]*(sep=[\x00-\x7f]?)[\s",;]*', re.IGNORECASE)


def beginning_problem(beginning: bytes, file: CatalogFile) -> str | None:
    """Why a file cannot be UTF-8 text, as the end of a sentence with the mend; null when it can."""
    # Before UTF-16: the fourth byte of gzip often is zero.
    if beginning.startswith(_GZIP):
        return f"is compressed with gzip; call it {file.name}.gz"
    return _UTF16 if _is_utf16(beginning) else None


def json_problem(stream: IO[bytes], file: CatalogFile) -> str | None:
    """Why a file cannot be JSON lines, as the end of a sentence with the mend; null when it can."""
    for line in read_lines(stream):
        beginning = line.beginning if isinstance(line, OversizedLine) else line
        start = beginning.lstrip()
        if not start:
            continue
        if problem := beginning_problem(start, file):
            return problem
        if start.startswith(b"["):
            return "starts with '[', as a JSON array does; write one object per line, for example with: jq -c '.[]'"
        if start.rstrip() == b"{":
            return "has an object spread over several lines; write one object per line, for example with: jq -c ."
        return None
    return None


def header_problem(header: CsvRecord) -> str | None:
    """Why the first record of a CSV file cannot be a header, as the end of a sentence; null when it can."""
    if matched := _SEPARATOR_LINE.fullmatch(header.text):
        return (
            f"starts with the line {shown(matched[1].decode())}, which is for a spreadsheet program; remove it, for "
            "example with: sed 1d"
        )
    if header.problem and b"\r" in header.text:
        return "parts its lines by single carriage returns; write line feeds, for example with: tr '\\r' '\\n'"
    if header.problem:
        return f"has a header that cannot be read: {header.problem}"
    try:
        header.text.decode("utf-8")
    except UnicodeDecodeError as error:
        return (
            f"has a header that is not UTF-8 (byte {error.start + 1} is 0x{header.text[error.start]:02x}); save it as"
            " UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8"
        )
    return None


def delimiter_problem(header: CsvRecord, settings: CatalogSettings) -> str | None:
    """Whether a header lacks columns because a delimiter parts them that is not looked for."""
    if header.text.count(b"|") <= max(header.text.count(delimiter.encode()) for delimiter in DELIMITERS):
        return None
    if not missing_columns(header_columns(header), settings):
        return None
    return "parts its columns by '|'; write commas, semicolons or tabs"


def _is_utf16(beginning: bytes) -> bool:
    # Without its mark every other byte of Latin text is zero.
    return beginning.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in beginning[:4]
