"""A comparison as one HTML file: everything is inside it, nothing runs, and it reads on a phone and by keyboard."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from models.taxonomy import CATEGORIES, FUNCTIONAL, MUSIC
from transforms.comparison_record import MOST_ROWS, STATES, changed_rows, presence_rows
from transforms.html_pages import page_environment
from transforms.printable import printable
from transforms.run_changes import CAUSES

#: The lists of changed tracks, in order: heading, what is in it, condition.
_LISTS: Final = (
    (
        "Music that became functional",
        "The costly change: it takes money from a musician. Listen to these first.",
        f"category_before = '{MUSIC}' AND category_after = '{FUNCTIONAL}'",
    ),
    (
        "Other changes of category",
        "",
        f"category_changed AND NOT (category_before = '{MUSIC}' AND category_after = '{FUNCTIONAL}')",
    ),
    (
        "Same category, another type, decision or treatment",
        "",
        "NOT category_changed",
    ),
)
_ROWS_OF_LIST: Final = (MOST_ROWS, MOST_ROWS, 30)
_PRESENCE: Final = (
    ("Became dead letters", "labelled", "dead_letter"),
    ("Ceased to be dead letters", "dead_letter", "labelled"),
    ("Labelled before, not in the run after", "labelled", "absent"),
    ("Labelled in the run after only", "absent", "labelled"),
)
_TITLE_LENGTH: Final = 120


def comparison_html(connection: Any, record: dict[str, Any]) -> str:
    """The page.

    Parameters
    ----------
    connection
        With the tables of :func:`transforms.comparison_tables.write_comparison_tables`.
    record
        What ``comparison.json`` holds.
    """
    environment = page_environment()
    environment.filters.update(shown=_shown, share=_share, points=_points, signed=_signed, money=_money, count=_count)
    lists = [
        {"heading": heading, "note": note, "rows": changed_rows(connection, condition, most)}
        for (heading, note, condition), most in zip(_LISTS, _ROWS_OF_LIST, strict=True)
    ]
    counts = record["tracks"]
    totals = (
        counts["music_to_functional"],
        counts["category_changed"] - counts["music_to_functional"],
        sum(row["tracks"] - row["category_changed"] for row in record["causes"]),
    )
    return environment.get_template("comparison.html.j2").render(
        record=record,
        lists=[entry | {"total": total} for entry, total in zip(lists, totals, strict=True)],
        presence=[
            {
                "heading": heading,
                "total": record["states"][before][after],
                "rows": presence_rows(connection, before, after, 30),
            }
            for heading, before, after in _PRESENCE
        ],
        categories=CATEGORIES,
        states=STATES,
        causes=CAUSES,
    )


def _shown(text: str | None) -> str:
    """A stranger's words, cut and without control characters; they are escaped by the template."""
    return "–" if text is None else printable(text, _TITLE_LENGTH)


def _share(share: float | str | None) -> str:
    return "–" if share is None else f"{100 * float(share):.2f} %"


def _points(change: float | None) -> str:
    return "–" if change is None else f"{100 * change:+.2f}"


def _signed(number: int | str) -> str:
    return f"{Decimal(number):+,}"


def _money(amount: str | None) -> str:
    return "–" if amount is None else f"{Decimal(amount):,}"


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"
