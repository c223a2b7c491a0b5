"""Reading ``labels.parquet``, which evaluate_classifier wrote and anybody may have changed since."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.errors import UserError
from models.labelled_tracks import COLUMNS

_TEXT: Final = ("true_category", "package", "model_version")
_OPTIONAL_NUMBERS: Final = ("dominant_share",)


def read_labels(path: str, source: str) -> pa.Table:
    """Read the file and check what :func:`models.labelled_tracks.labelled_tracks` takes for granted.

    Parameters
    ----------
    source
        Names the file in messages, such as ``--labels labels.parquet``.

    Raises
    ------
    UserError
        It is no Parquet file or a damaged one, or a column has another type, a null, or a number that is not finite.
    """
    try:
        table = pq.read_table(path)
        table.validate(full=True)
    except (OSError, pa.ArrowException) as error:
        # Of a file that is missing Arrow says no more than its path.
        text = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        reason = " ".join(text.split())[:200]
        raise UserError(f"{source}: cannot be read ({reason}); give a Parquet file.") from error
    for name in (*COLUMNS, *_OPTIONAL_NUMBERS):
        if name in table.column_names and (problem := _problem(name, table[name])):
            raise UserError(
                f"{source}: the column {name} has {problem}; give a labels.parquet that evaluate_classifier wrote."
            )
    return table


def _problem(name: str, column: pa.ChunkedArray) -> str | None:
    kind = column.type
    if name in _TEXT:
        fits, wanted = _is_text(kind), "text"
    elif name == "flags":
        # Of lists that are all empty a writer may not know the type.
        empty = pa.types.is_list(kind) and pa.types.is_null(kind.value_type)
        fits, wanted = empty or (pa.types.is_list(kind) and _is_text(kind.value_type)), "lists of text"
    else:
        fits, wanted = pa.types.is_floating(kind) or pa.types.is_integer(kind), "numbers"
    if not fits and len(column):
        return f"values of type {kind}, where {wanted} are expected"
    if column.null_count or (name == "flags" and pc.list_flatten(column).null_count):
        return f"{column.null_count or 'some'} values that are null, where {wanted} are expected"
    if wanted == "numbers" and not pc.all(pc.is_finite(column), min_count=0).as_py():
        return "values that are no finite numbers"
    return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
