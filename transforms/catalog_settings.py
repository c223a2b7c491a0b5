"""What a catalog calls its columns, and in which unit it gives lengths (``catalog:`` in a config)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import pydantic


def in_nfc(names: Iterable[str]) -> list[str]:
    """Names as they are compared: an accent may be written with its letter (NFC) or behind it (NFD)."""
    return [unicodedata.normalize("NFC", name) for name in names]


def with_names_in_nfc(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a row, their names as :func:`in_nfc` has them; of two of one name the last."""
    if all(map(str.isascii, fields)):
        return fields
    return dict(zip(in_nfc(fields), fields.values(), strict=True))


class ColumnNames(pydantic.BaseModel, frozen=True, extra="forbid"):
    """The name in the catalog of each column of the contract; null where it is the contract's own name."""

    track_id: str | None = pydantic.Field(default=None, min_length=1)
    audio_uri: str | None = pydantic.Field(default=None, min_length=1)
    title: str | None = pydantic.Field(default=None, min_length=1)
    artist: str | None = pydantic.Field(default=None, min_length=1)
    release_id: str | None = pydantic.Field(default=None, min_length=1)
    release_title: str | None = pydantic.Field(default=None, min_length=1)
    isrc: str | None = pydantic.Field(default=None, min_length=1)
    duration_ms: str | None = pydantic.Field(default=None, min_length=1)
    declared_type: str | None = pydantic.Field(default=None, min_length=1)
    licensor: str | None = pydantic.Field(default=None, min_length=1)
    record_label: str | None = pydantic.Field(default=None, min_length=1)
    language: str | None = pydantic.Field(default=None, min_length=1)
    genres: str | None = pydantic.Field(default=None, min_length=1)
    audio_etag: str | None = pydantic.Field(default=None, min_length=1)

    @pydantic.field_validator("*")
    @classmethod
    def _as_compared(cls, name: str | None) -> str | None:
        return None if name is None else in_nfc([name])[0]


class CatalogSettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How a catalog is read (``catalog:``)."""

    #: The catalog's own names of columns.
    columns: ColumnNames = ColumnNames()
    #: Unit of the column ``duration_ms``, whatever it is called: milliseconds, seconds or minutes.
    duration_unit: Literal["ms", "s", "min"] = "ms"

    def named(self, column: str) -> str:
        """Name in the catalog of a column of the contract."""
        name: str | None = getattr(self.columns, column)
        return column if name is None else name

    def renamed(self) -> Iterator[tuple[str, str]]:
        """Columns that have another name in the catalog, each with that name."""
        for column in ColumnNames.model_fields:
            if (name := self.named(column)) != column:
                yield column, name

    def given(self) -> Iterator[tuple[str, str]]:
        """Columns that the config names, also those that it calls by the contract's own name."""
        for column in ColumnNames.model_fields:
            if getattr(self.columns, column) is not None:
                yield column, self.named(column)

    def of_run(self) -> dict[str, Any]:
        """What rows depend on, for the ``run_id``; empty where all is as the contract has it."""
        found: dict[str, Any] = {"columns": names} if (names := dict(self.renamed())) else {}
        return found if self.duration_unit == "ms" else found | {"duration_unit": self.duration_unit}


#: A catalog whose columns have the contract's names.
AS_IN_CONTRACT = CatalogSettings()
