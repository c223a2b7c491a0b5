"""Which column of a catalog is likely meant where one is missing, and how to say so in the config."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from transforms.catalog_settings import AS_IN_CONTRACT, CatalogSettings
from transforms.catalog_validation import CONTRACT_COLUMNS, REQUIRED_COLUMNS, shown
from transforms.printable import counted

#: What exports call the columns, beside words that resemble the contract's.
_OTHER_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "track_id": ("id", "song_id", "recording_id", "asset_id", "track"),
    "audio_uri": ("file_path", "file_name", "file", "path", "url", "audio", "audio_file", "location"),
    "title": ("track_title", "track_name", "song", "name"),
    "artist": ("artists", "artist_name", "performer"),
    "release_id": ("album_id", "product_id", "upc"),
    "release_title": ("album", "album_title", "album_name", "release"),
    "isrc": ("isrc_code",),
    "duration_ms": (
        *("duration", "duration_s", "duration_sec", "duration_seconds", "duration_in_seconds"),
        *("length", "length_s", "length_sec", "length_seconds", "length_in_seconds"),
        *("duration_min", "duration_mins", "duration_minutes", "duration_in_minutes"),
        *("length_min", "length_mins", "length_minutes", "length_in_minutes"),
        *("track_length", "duration_milliseconds"),
    ),
    "declared_type": ("content_type", "recording_type"),
    "licensor": ("distributor", "provider", "licensor_name"),
    "record_label": ("label", "label_name"),
    "language": ("lang", "language_code"),
    "genres": ("genre",),
    "audio_etag": ("etag",),
}
#: Columns whose values are identifiers; of any other a name that ends in "id" is none.
_IDENTIFIERS: Final = ("track_id", "audio_uri", "release_id", "isrc", "audio_etag")
_MINUTES: Final = re.compile(r"(?:mins?|minutes?)[\W_]*$", re.IGNORECASE)
_SECONDS: Final = re.compile(r"(?:[\W_]s|(?<!m)(?<!milli)(?<!micro)(?:secs?|seconds?))[\W_]*$", re.IGNORECASE)
#: How alike two names must be to be named where a column is missing, and where nothing hangs on it.
_ALIKE: Final = 0.75
_MUCH_ALIKE: Final = 0.85
_LISTED: Final = 20
#: A header may hold a hundred thousand names, or one of a megabyte.
_MOST_COMPARED: Final = 500
#: A catalog of thousands of files may have as many headers.
_MOST_HEADERS: Final = 100
_CHARACTERS_COMPARED: Final = 100
#: A word that YAML takes for text without quotes, whatever its rules for numbers, dates and truth are.
_PLAIN: Final = re.compile(r"(?!(?:null|true|false|yes|no|on|off|y|n)$)[A-Za-z][A-Za-z_]*[0-9]*", re.IGNORECASE)


#: What stands before a line to paste, at the end of its own line.
PUT: Final = "put this line into the --config file:"

_BLANK: Final = "NAME"
_PUT_NAMES: Final = (
    f"put this line into the --config file, with the catalog's own name in place of {_BLANK} (docs/catalog.md):"
)


def in_one_line(problem: str) -> str:
    """A sentence with its line to paste, for a log."""
    return problem.replace("\n", " ")


def likeliest(column: str, found: Iterable[str], least: float = _ALIKE) -> str | None:
    """The column among ``found`` that a column of the contract most likely is; null when none resembles it."""
    words = [_plain(name) for name in (column, *_OTHER_NAMES.get(column, ()))]
    best: tuple[float, str] | None = None
    for name in itertools.islice(found, _MOST_COMPARED):
        plain = _plain(name[:_CHARACTERS_COMPARED])
        if column not in _IDENTIFIERS and plain.endswith(("id", "ids")):
            continue
        score = max(_likeness(plain, word) for word in words)
        if score >= least and (best is None or score > best[0]):
            best = score, name
    return None if best is None else best[1]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _likeness(first: str, second: str) -> float:
    return difflib.SequenceMatcher(None, first, second, autojunk=False).ratio()


def as_config(names: Iterable[tuple[str, str]], unit: str = "ms") -> str:
    """How a config says what columns are called and in which unit lengths are, in YAML."""
    inner = ", ".join(
        f"{column}: {name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=not name.isprintable())}"
        for column, name in names
    )
    return f"catalog: {{columns: {{{inner}}}{'' if unit == 'ms' else f', duration_unit: {unit}'}}}"


def _mend(settings: CatalogSettings, likely: Sequence[tuple[str, str]]) -> str:
    """The config's line with columns that are likely meant, beside what it says already."""
    lengths = [name for column, name in likely if column == "duration_ms"]
    unit = _said_unit(lengths[0]) if lengths else None
    return as_config([*settings.given(), *likely], unit or settings.duration_unit)


def _said_unit(name: str) -> str | None:
    """The unit of a length as its column's name says; null where it says none, or the contract's."""
    end = name[-_CHARACTERS_COMPARED:]
    return next((unit for unit, word in (("s", _SECONDS), ("min", _MINUTES)) if word.search(end)), None)


def listed(names: Sequence[str]) -> str:
    """Name the columns that are there, the first twenty of them."""
    return (", ".join(shown(name) for name in names[:_LISTED]) + (", …" if len(names) > _LISTED else "")) or "none"


def column_problem(columns: Collection[str], settings: CatalogSettings = AS_IN_CONTRACT) -> str | None:
    """Why these cannot be a catalog's columns, as the end of a sentence with the mend; null when they can."""
    names = list(columns)
    if problem := missing_columns(names, settings):
        return problem
    for column in CONTRACT_COLUMNS:
        if names.count(settings.named(column)) > 1:
            return f"has the column {settings.named(column)} twice"
    return None


def wanted_columns(settings: CatalogSettings) -> list[str]:
    """Columns of the contract that must be there: the required ones, and those that the config names."""
    return [*REQUIRED_COLUMNS, *(column for column, _ in settings.given() if column not in REQUIRED_COLUMNS)]


def missing_columns(names: Sequence[str], settings: CatalogSettings, nested: Collection[str] = ()) -> str | None:
    """Which wanted columns are not among ``names``, as the end of a sentence with the likeliest ones; null for none.

    Parameters
    ----------
    nested
        Those of ``names`` that no column can be.

    Returns
    -------
    str or None
        The mend, where it is known, stands on a line of its own, which can be pasted.
    """
    missing = [column for column in wanted_columns(settings) if settings.named(column) not in names]
    if not missing:
        return None
    found = f"its columns are {listed(names)}"
    if nested:
        found += (
            f"; {listed(list(nested))} holds objects, and only what stands at the top of a line is a column: bring "
            "columns there, for example with jq"
        )
    free = [name for name in _free(names, settings) if name not in nested]
    named = {column for column, _ in settings.given()}
    if mistaken := [column for column in missing if column in named]:
        column, name = mistaken[0], settings.named(mistaken[0])
        close = (*difflib.get_close_matches(name, names[:_MOST_COMPARED], n=1), likeliest(column, free))[0]
        hint = "" if close is None else f"; did you mean {shown(close)}?"
        return f"has no column {shown(name)}, the config's catalog.columns.{column}; {found}{hint}"
    likely = _likely(missing, free, _ALIKE)
    called = " and ".join(f"{column} is {shown(name)}" for column, name in likely)
    taken = {name for _, name in likely}
    optional = _likely(_optional_missing(names, settings), [name for name in free if name not in taken], _MUCH_ALIKE)
    required = [(column, dict(likely).get(column, _BLANK)) for column in missing]
    mend = _mend(settings, [*required, *optional])
    put = PUT if len(likely) == len(missing) else _PUT_NAMES
    return (
        f"has no column {' and no column '.join(missing)}; {found}; {f'if {called}, ' if likely else ''}{put}\n{mend}"
    )


def _free(names: Iterable[str], settings: CatalogSettings) -> list[str]:
    """Names that no column of the contract has."""
    taken = {settings.named(column) for column in CONTRACT_COLUMNS}
    return [name for name in names if name not in taken]


def _optional_missing(names: Sequence[str], settings: CatalogSettings) -> list[str]:
    """Optional columns of the contract that are not among ``names``."""
    return [c for c in CONTRACT_COLUMNS if c not in REQUIRED_COLUMNS and settings.named(c) not in names]


def _likely(columns: Iterable[str], free: Sequence[str], least: float) -> list[tuple[str, str]]:
    """Columns of the contract, each with the one among ``free`` that it likely is; no name twice."""
    left, likely = list(free), []
    for column in columns:
        if (name := likeliest(column, left, least)) is not None:
            likely.append((column, name))
            left.remove(name)
    return likely


def unused_columns(names: Sequence[str], settings: CatalogSettings) -> str:
    """A sentence about columns that may be optional ones under another name, and a line to paste; empty for none."""
    likely = _likely(_optional_missing(names, settings), _free(names, settings), _MUCH_ALIKE)
    if not likely:
        return ""
    is_one = len(likely) == 1
    return (
        f"Not used: the catalog's column{'' if is_one else 's'} {listed([name for _, name in likely])}. If "
        f"{'it is' if is_one else 'they are'} what Earmark calls {', '.join(column for column, _ in likely)}, "
        f"{PUT}\n{_mend(settings, likely)}"
    )


def partly_unused_columns(files: Mapping[tuple[str, ...], Sequence[str]], settings: CatalogSettings) -> str:
    """Sentences about optional columns that some files have and others seem to have under another name.

    Parameters
    ----------
    files
        Column names, each with the names of the files that have these.

    Returns
    -------
    str
        Empty for none. A mapping would mend one file and break the other, so that the mend is one name in all of them.
    """
    headers = dict(itertools.islice(files.items(), _MOST_HEADERS))
    everywhere = {name for names in headers for name in names}
    found: dict[tuple[str, str], list[str]] = {}
    for names, of_files in headers.items():
        partly = [column for column in _optional_missing(names, settings) if settings.named(column) in everywhere]
        for pair in _likely(partly, _free(names, settings), _MUCH_ALIKE):
            found.setdefault(pair, []).extend(of_files)
    sentences = []
    for (column, name), of_files in found.items():
        others = f" and {counted(len(of_files) - 1, 'other file')}" if len(of_files) > 1 else ""
        sentences.append(
            f"Not used: the column {shown(name)} of {min(of_files)}{others}, where other files have "
            f"{settings.named(column)}. If it is the same, give it that name in every file."
        )
    return " ".join(sentences)
