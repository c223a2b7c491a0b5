"""The views that ship in ``sql/``: their text, their order, and what the head of each says of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

#: Beside this package, in a checkout as in an installation.
SQL_FOLDER: Final = Path(__file__).parents[1] / "sql"

#: Every view, each behind those that it reads.
VIEWS: Final = (
    "current_labels",
    "label_history",
    "review_queue",
    "coverage_by_licensor",
    "dead_letters_by_cause",
    "duplicate_audio",
    "category_drift",
    "royalty_summary",
    "labels_by_licensor",
    "royalty_by_licensor",
    "track_search",
)


@dataclasses.dataclass(frozen=True, slots=True)
class SqlFile:
    """A file of ``sql/``: one statement below a comment.

    Attributes
    ----------
    purpose
        One sentence, from the first line.
    """

    name: str
    purpose: str
    statement: str


def read_sql(path: Path) -> SqlFile:
    """Read a file whose first line is ``-- <its name>: <what it gives>``.

    Raises
    ------
    ValueError
        It has no such line.
    """
    text = path.read_text(encoding="utf-8")
    name, colon, purpose = text.split("\n", 1)[0].removeprefix("-- ").partition(": ")
    if name != path.stem or not colon:
        raise ValueError(f"{path} must begin with '-- {path.stem}: ' and what it gives")
    return SqlFile(name, purpose, text)


def read_views() -> list[SqlFile]:
    """All views, in the order in which they can be made."""
    return [read_sql(SQL_FOLDER / f"{name}.sql") for name in VIEWS]
