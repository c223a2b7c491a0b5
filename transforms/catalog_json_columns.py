"""Which columns a catalog of JSON lines has: it has no header, so its rows tell."""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final

from transforms.catalog_files import OversizedLine
from transforms.catalog_hints import missing_columns, wanted_columns
from transforms.catalog_records import UnreadableRecord, parse_json_line
from transforms.catalog_settings import CatalogSettings
from transforms.catalog_validation import REQUIRED_COLUMNS

#: Rows of each file that are parsed, to name the columns that are there.
_ROWS_PARSED: Final = 100


class JsonColumns:
    """The columns of all files of a catalog together: writers leave out what a row has no value for.

    Parameters
    ----------
    settings
        What the catalog calls its columns.

    Attributes
    ----------
    names
        Those of the first rows of each file.
    """

    def __init__(self, settings: CatalogSettings) -> None:
        self.names: list[str] = []
        self._settings = settings
        self._nested: dict[str, None] = {}
        #: Names that no row has had so far, each with how it stands in a line.
        self._absent: dict[str, tuple[bytes, ...]] = {}
        for column in wanted_columns(settings):
            name = settings.named(column)
            written = (name, unicodedata.normalize("NFD", name))
            forms = {json.dumps(n, ensure_ascii=a).encode() for n in written for a in (True, False)}
            # Some writers, PHP's among them, put a backslash before a slash.
            self._absent[name] = (*forms, *(form.replace(b"/", rb"\/") for form in forms))

    def look(self, lines: Iterable[bytes | OversizedLine], most: int | None) -> list[str]:
        """Look at the lines of a file until every wanted column was seen, at ``most`` of them when that is a number.

        Behind ``most`` lines an optional column passes for seen: another row may have it.

        Returns
        -------
        list of str
            Names of columns, from the file's first rows.
        """
        lines = iter(lines)
        here: dict[str, None] = {}
        for line in itertools.islice(lines, _ROWS_PARSED):
            if isinstance(line, OversizedLine):
                self._find(line)
            elif line and not line.isspace():
                fields = parse_json_line(line, self._settings)
                if not isinstance(fields, UnreadableRecord):
                    self._take(fields)
                    here.update(dict.fromkeys(fields))
        rest = lines if most is None else itertools.islice(lines, most)
        while self._absent and (following := next(rest, None)) is not None:
            self._find(following)
        if most is not None and next(iter(lines), None) is not None:
            required = {self._settings.named(column) for column in REQUIRED_COLUMNS}
            self._absent = {name: forms for name, forms in self._absent.items() if name in required}
        return [name for name in here if name not in self._nested]

    def _take(self, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            self._absent.pop(name, None)
            if name not in self.names:
                self.names.append(name)
            items = value if isinstance(value, list) else [value]
            if any(isinstance(item, dict) for item in items):
                self._nested.setdefault(name)

    def _find(self, line: bytes | OversizedLine) -> None:
        text = line.beginning if isinstance(line, OversizedLine) else line
        for name in [name for name, forms in self._absent.items() if any(form in text for form in forms)]:
            del self._absent[name]

    def problem(self) -> str | None:
        """Which wanted columns no row has, as the end of a sentence; null for none, and where no row can be parsed."""
        if not self.names or not self._absent:
            return None
        wanted = (self._settings.named(column) for column in wanted_columns(self._settings))
        seen = [name for name in wanted if name not in self._absent]
        names = [*self.names, *(name for name in seen if name not in self.names)]
        return missing_columns(names, self._settings, self._nested)

    @property
    def plain_names(self) -> list[str]:
        """Those of ``names`` that hold no objects."""
        return [name for name in self.names if name not in self._nested]
