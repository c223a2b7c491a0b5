"""Rows of a Parquet catalog judged by the column: those that are plainly valid never become Python objects.

What is plain is a part of what :func:`transforms.catalog_validation.validate_row` takes as it stands. Every other row
is judged there, one by one, so that nothing is decided twice.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.carried_rows import mask_of
from transforms.catalog_settings import AS_IN_CONTRACT, CatalogSettings
from transforms.catalog_validation import (
    CONTRACT_COLUMNS,
    MAX_DURATION_MS,
    MAX_GENRES,
    MAX_ID_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    MAX_URI_CHARACTERS,
    REQUIRED_COLUMNS,
)

# Of RE2, whose own classes know ASCII only: what Python takes for a space, and control characters.
_SPACES: Final = (
    r"\x{09}-\x{0d}\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
)
_CONTROLS: Final = r"\x{00}-\x{1f}\x{7f}-\x{9f}"
_TEXT: Final = rf"[^{_SPACES}]"
_TRIMMED: Final = rf"^[^{_SPACES}](?s:.*[^{_SPACES}])?$"
_IDENTIFIER: Final = rf"^[^{_CONTROLS}]*[^{_SPACES}{_CONTROLS}][^{_CONTROLS}]*$"
_KEY: Final = rf"^[^{_SPACES}{_CONTROLS}]([^{_CONTROLS}]*[^{_SPACES}{_CONTROLS}])?$"
_ISRC: Final = "^[A-Za-z0-9]{12}$"

#: Pattern and longest text of each column of text; lengths are held against bytes, of which there are more.
_TEXTS: Final = {
    "track_id": (_KEY, MAX_ID_CHARACTERS),
    "audio_uri": (_IDENTIFIER, MAX_URI_CHARACTERS),
    "release_id": (_IDENTIFIER, MAX_ID_CHARACTERS),
    "audio_etag": (_IDENTIFIER, MAX_ID_CHARACTERS),
    "isrc": (_ISRC, 12),
}
_FREE_TEXT: Final = (_TEXT, MAX_TEXT_CHARACTERS)
#: Most that an array of text can hold; one of large text may hold more.
_MOST_BYTES: Final = 2**31 - 1

_Mask = npt.NDArray[np.bool_]


class PlainRows(NamedTuple):
    """What :func:`plain_rows` finds.

    Attributes
    ----------
    plain
        Whether each row of the batch is plainly valid, shape (rows,).
    columns
        The contract's columns of the plain rows: text, ``duration_ms`` as int64, ``genres`` as lists of text.
    """

    plain: _Mask
    columns: dict[str, pa.Array]


def plain_rows(batch: pa.RecordBatch, settings: CatalogSettings = AS_IN_CONTRACT) -> PlainRows:
    """Find the rows that are valid as they stand.

    Parameters
    ----------
    settings
        What the catalog calls its columns; a length in another unit than milliseconds is not plain.
    """
    plain = np.ones(batch.num_rows, bool)
    columns: dict[str, pa.Array] = {}
    for name in CONTRACT_COLUMNS:
        place = batch.schema.get_field_index(settings.named(name))
        column = pa.nulls(batch.num_rows) if place < 0 else batch.column(place)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if name == "duration_ms" and settings.duration_unit != "ms":
            right, columns[name] = _only_nulls(column, pa.int64())
        elif name == "duration_ms":
            right, columns[name] = _durations(column)
        elif name == "genres":
            right, columns[name] = _genres(column)
        else:
            right, columns[name] = _texts(column, *_TEXTS.get(name, _FREE_TEXT))
        if name in REQUIRED_COLUMNS:
            right &= ~mask_of(column.is_null())
        plain &= right
    wanted = pa.array(plain)
    return PlainRows(plain, {name: column.filter(wanted) for name, column in columns.items()})


def _only_nulls(column: pa.Array, kind: pa.DataType) -> tuple[_Mask, pa.Array]:
    return mask_of(column.is_null()), pa.nulls(len(column), kind)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _texts(column: pa.Array, pattern: str, most_bytes: int) -> tuple[_Mask, pa.Array]:
    if not _is_text(column.type) or column.nbytes > _MOST_BYTES or not _is_utf8(column):
        return _only_nulls(column, pa.string())
    texts = column.cast(pa.string())
    right = pc.and_(pc.match_substring_regex(texts, pattern), pc.less_equal(pc.binary_length(texts), most_bytes))
    return mask_of(right.fill_null(True)), texts


def _is_utf8(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _durations(column: pa.Array) -> tuple[_Mask, pa.Array]:
    if pa.types.is_integer(column.type):
        column = column.cast(pa.int64(), safe=False)  # what is too large for it becomes negative
        right = pc.and_(pc.greater_equal(column, 0), pc.less_equal(column, MAX_DURATION_MS))
    elif pa.types.is_float32(column.type) or pa.types.is_float64(column.type):
        whole_number = pc.equal(column, pc.floor(column))
        right = pc.and_(
            whole_number, pc.and_(pc.greater_equal(column, 0.0), pc.less_equal(column, float(MAX_DURATION_MS)))
        )
    else:
        return _only_nulls(column, pa.int64())
    valid = mask_of(right.fill_null(True))
    return valid, pc.if_else(right, column, pa.scalar(None, column.type)).cast(pa.int64())


def _genres(column: pa.Array) -> tuple[_Mask, pa.Array]:
    kind, number = pa.list_(pa.string()), len(column)
    is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    if not is_list or not _is_text(column.type.value_type) or not _is_utf8(column):
        offsets = pa.array(np.zeros(number + 1, np.int32))
        return mask_of(column.is_null()), pa.ListArray.from_arrays(offsets, pa.array([], pa.string()), type=kind)
    items = pc.list_flatten(column)
    lengths = pc.list_value_length(column).fill_null(0).to_numpy().astype(np.int64)
    of_item, texts = _texts(items, _TRIMMED, MAX_ID_CHARACTERS)
    of_item &= ~mask_of(items.is_null())
    right = lengths <= MAX_GENRES
    right[np.arange(number).repeat(lengths)[~of_item]] = False
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return right, pa.ListArray.from_arrays(offsets, texts, type=kind)
