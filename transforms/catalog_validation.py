"""One schema for catalog rows of every format: a row as it was read becomes a CatalogRow or a dead letter."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from transforms.catalog_files import MAX_RECORD_BYTES, RAW_CHARACTERS
from transforms.catalog_settings import AS_IN_CONTRACT, CatalogSettings
from transforms.records import CatalogRow, DeadLetter, ErrorType, RowTally, Stage

#: The columns without which a catalog cannot be read.
REQUIRED_COLUMNS: Final = ("track_id", "audio_uri")

#: Every column of the contract, in its order.
CONTRACT_COLUMNS: Final = tuple(f.name for f in dataclasses.fields(CatalogRow) if f.name != "tally")

#: Longest track that a catalog may state: 31 days, in milliseconds. More is a unit mistaken or a number run wild.
MAX_DURATION_MS: Final = 31 * 24 * 3600 * 1000

#: Longest texts, and most genres of a row.
MAX_ID_CHARACTERS: Final = 512
MAX_URI_CHARACTERS: Final = 4096
MAX_TEXT_CHARACTERS: Final = 10_000
MAX_GENRES: Final = 200
_SHOWN_CHARACTERS: Final = 80

_CONTROL_OR_SURROGATE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_FRACTION: Final = re.compile(r"[0-9]{1,19}(?:\.[0-9]{0,19})?")
_WHOLE_NUMBER: Final = re.compile(r"([0-9]{1,19})(?:\.0*)?")
_ISRC: Final = re.compile("[A-Za-z0-9]{12}")
_EXPECTED_MS: Final = "a whole number of milliseconds"
#: Units that lengths may be in besides milliseconds: what is expected then, and how many milliseconds one has.
_UNITS: Final = {"s": ("a number of seconds", 1000), "min": ("a number of minutes", 60_000)}
_OTHER_UNIT: Final = "where lengths are in seconds or minutes, set catalog.duration_unit: s or min in the config"
_GENRE_SEPARATOR: Final = re.compile("[|;]")


class _RefusedError(Exception):
    """A value does not fit its column; the argument says what was expected."""


def validate_row(
    raw: Mapping[str, Any], place: str, settings: CatalogSettings = AS_IN_CONTRACT
) -> CatalogRow | DeadLetter:
    """Check one row against the catalog contract.

    Parameters
    ----------
    raw
        The row's columns as they were read: text from CSV; JSON values from JSON lines; Python values from Parquet
        and BigQuery. Unknown columns are ignored.
    place
        Where the row stands, such as ``catalog.jsonl:12``; distinct for every row of a catalog.
    settings
        What the catalog calls its columns, and the unit of ``duration_ms``.

    Returns
    -------
    CatalogRow or DeadLetter
        The row, typed, texts as they were given; or an ``invalid_row`` whose message names every column that is
        wrong, its value and what was expected, and whose ``catalog_row`` holds the row as it was read, the unknown
        columns too.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for column, name, check in _checks(settings):
        value = raw.get(name)
        if value is None:
            if column in _REQUIRED:
                found = "is null" if name in raw else "is missing"
                problems.append(f"{_named(column, name)} {found}, where {_EXPECTED_ID} is required")
            continue
        try:
            values[column] = check(value)
        except _RefusedError as refused:
            problems.append(f"{_named(column, name)} is {shown(value)}, not {refused}")
    if problems:
        return DeadLetter(
            track_id=values.get("track_id"),
            catalog_row=catalog_row_json(raw),
            stage=Stage.CATALOG,
            error_type=ErrorType.INVALID_ROW,
            message=f"{_printable(place)}: {'; '.join(problems)}.",
            tally=RowTally.of_place(place),
        )
    return CatalogRow(**values, tally=RowTally.of_place(place))


#: What the message of an ``invalid_row`` holds that names its length: one of these.
LENGTH_REFUSED: Final = tuple(f"not {what} from" for what in (_EXPECTED_MS, *(what for what, _ in _UNITS.values())))


def _named(column: str, name: str) -> str:
    return column if name == column else f"{column} ({shown(name)})"


def unreadable_record(problem: str, raw: str, place: str) -> DeadLetter:
    """Dead letter of a record that could not be split into columns.

    Parameters
    ----------
    problem
        What is wrong with it, as the end of a sentence.
    raw
        The record's text; it is cut to 4096 characters.
    place
        As in :func:`validate_row`.
    """
    return DeadLetter(
        track_id=None,
        catalog_row=_json_text({"raw": raw[:RAW_CHARACTERS]}),
        stage=Stage.CATALOG,
        error_type=ErrorType.INVALID_ROW,
        message=f"{_printable(place)}: {problem}.",
        tally=RowTally.of_place(place),
    )


def shown(value: object) -> str:
    """Show a value in a message: its ``repr``, cut to about 80 characters, always encodable as UTF-8."""
    text = repr(value[: 2 * _SHOWN_CHARACTERS] if isinstance(value, str | bytes) else value)
    if len(text) > _SHOWN_CHARACTERS:
        text = text[: _SHOWN_CHARACTERS - 1] + "…"
    return _printable(text)


def catalog_row_json(raw: Mapping[str, Any]) -> str:
    """Write a row as JSON text, whatever Parquet or BigQuery put into it.

    Dates and times become ISO 8601 text, decimals and numbers that JSON lacks (``NaN``, ``Infinity``) become text,
    bytes become text with escapes. A row above 1 MiB becomes ``{"raw": "<its beginning>"}``.
    """
    text = _json_text(_json_ready(raw))
    return text if len(text) <= MAX_RECORD_BYTES else _json_text({"raw": text[:RAW_CHARACTERS]})


def _json_text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    # A lone surrogate cannot be written to a table; as an escape it can, and is still the same JSON.
    return json.dumps(value, allow_nan=False) if _SURROGATE.search(text) else text


def _json_ready(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {str(key): _json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_ready(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _as_text(value: Any, expected: str) -> str | None:
    """Text of a value; null when it stands for no value. Whole numbers count: writers infer them from digits."""
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, bytes):  # a Parquet column without the string annotation
        try:
            return _as_text(value.decode("utf-8"), expected)
        except UnicodeDecodeError:
            raise _RefusedError(f"{expected} in UTF-8") from None
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _RefusedError(expected)


def _identifier(max_characters: int, required: bool, is_key: bool = False) -> Callable[[Any], str | None]:
    expected = f"{'a non-empty' if required else 'a'} text of at most {max_characters} characters"

    def check(value: Any) -> str | None:
        text = _as_text(value, expected)
        if text is None and required:
            raise _RefusedError(expected)
        if text is not None and len(text) > max_characters:
            raise _RefusedError(expected)
        if text is not None and _CONTROL_OR_SURROGATE.search(text):
            raise _RefusedError(f"{expected} without control characters")
        # The stream counts of a licensor have the id without them, and the rows would silently not meet.
        if text is not None and is_key and text != text.strip():
            raise _RefusedError(f"{expected} without blanks around it")
        return text

    return check


def _free_text(value: Any) -> str | None:
    expected = f"a text of at most {MAX_TEXT_CHARACTERS} characters"
    text = _as_text(value, expected)
    if text is None:
        return None
    if len(text) > MAX_TEXT_CHARACTERS:
        raise _RefusedError(expected)
    # Half an emoji, cut off by a writer that counts in UTF-16, is no reason to leave a track unlabelled.
    return _SURROGATE.sub("\ufffd", text)


def _isrc(value: Any) -> str | None:
    expected = "an ISRC: 12 letters and digits, hyphens aside"
    text = _as_text(value, expected)
    if text is not None and (len(text) > 64 or not _ISRC.fullmatch(text.strip().replace("-", ""))):
        raise _RefusedError(expected)
    return text


def _duration_ms(value: Any) -> int | None:
    expected = f"{_EXPECTED_MS} from 0 to {MAX_DURATION_MS}"
    fraction = f"{expected}; {_OTHER_UNIT}"
    number: int
    if isinstance(value, bool):
        raise _RefusedError(expected)
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        # "180000.0" is what a table with gaps in a whole-number column is written as.
        matched = _WHOLE_NUMBER.fullmatch(text)
        if not matched:
            raise _RefusedError(fraction if _FRACTION.fullmatch(text) else expected)
        number = int(matched[1])
    elif isinstance(value, int):
        number = value
    elif isinstance(value, float | decimal.Decimal):
        try:
            if math.isnan(value):
                return None
            number = int(value)
        except (ArithmeticError, ValueError):  # infinite, or a signalling NaN
            raise _RefusedError(expected) from None
        if number != value:
            raise _RefusedError(fraction)
    else:
        raise _RefusedError(expected)
    if not 0 <= number <= MAX_DURATION_MS:
        raise _RefusedError(expected)
    return number


def _duration_in(unit: str) -> Callable[[Any], int | None]:
    """Check of a number of seconds or minutes, which may have a fraction: in whole milliseconds."""
    what, unit_ms = _UNITS[unit]
    expected = f"{what} from 0 to {MAX_DURATION_MS // unit_ms}"

    def check(value: Any) -> int | None:
        text = value.strip() if isinstance(value, str) else value
        if text == "" or (isinstance(text, float) and math.isnan(text)):
            return None
        if isinstance(text, str) and not _FRACTION.fullmatch(text):
            raise _RefusedError(expected)
        if isinstance(text, bool) or not isinstance(text, str | int | float | decimal.Decimal):
            raise _RefusedError(expected)
        try:
            # Through its text: 0.0005 s is a half, which a binary fraction would put on either side.
            duration_ms = decimal.Decimal(str(text)) * unit_ms
            if not 0 <= duration_ms <= MAX_DURATION_MS:
                raise _RefusedError(expected)
        except (ArithmeticError, ValueError):  # not a number, in Decimal's own form, or one of thousands of digits
            raise _RefusedError(expected) from None
        return int(duration_ms.to_integral_value(decimal.ROUND_HALF_UP))

    return check


def _genres(value: Any) -> tuple[str, ...]:
    expected = "a list of texts, or one text with | or ; between them"
    items: list[Any]
    if isinstance(value, list | tuple):
        items = list(value)
    else:
        text = _as_text(value, expected)
        items = [] if text is None else list(_GENRE_SEPARATOR.split(text))
    if len(items) > MAX_GENRES:
        raise _RefusedError(f"at most {MAX_GENRES} genres")
    found: list[str] = []
    for item in items:
        if item is None:
            continue
        if not isinstance(item, str) or len(item) > MAX_ID_CHARACTERS:
            raise _RefusedError(expected)
        if genre := _SURROGATE.sub("\ufffd", item).strip():
            found.append(genre)
    return tuple(found)


_EXPECTED_ID: Final = "a non-empty text"
_REQUIRED: Final = frozenset(REQUIRED_COLUMNS)
_CHECKS: Final[dict[str, Callable[[Any], Any]]] = {
    "track_id": _identifier(MAX_ID_CHARACTERS, required=True, is_key=True),
    "audio_uri": _identifier(MAX_URI_CHARACTERS, required=True),
    "title": _free_text,
    "artist": _free_text,
    "release_id": _identifier(MAX_ID_CHARACTERS, required=False),
    "release_title": _free_text,
    "isrc": _isrc,
    "duration_ms": _duration_ms,
    "declared_type": _free_text,
    "licensor": _free_text,
    "record_label": _free_text,
    "language": _free_text,
    "genres": _genres,
    "audio_etag": _identifier(MAX_ID_CHARACTERS, required=False),
}


@functools.lru_cache(maxsize=8)
def _checks(settings: CatalogSettings) -> Sequence[tuple[str, str, Callable[[Any], Any]]]:
    """Each column of the contract with its name in the catalog and the check of its values."""
    unit = settings.duration_unit
    of_unit = {} if unit == "ms" else {"duration_ms": _duration_in(unit)}
    return [(column, settings.named(column), of_unit.get(column, check)) for column, check in _CHECKS.items()]
