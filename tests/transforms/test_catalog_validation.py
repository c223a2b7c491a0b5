"""Catalog rows as they should be, in the shapes that the formats give them."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog_validation import CONTRACT_COLUMNS, catalog_row_json, shown, validate_row
from transforms.records import CatalogRow, DeadLetter, ErrorType, RowTally, Stage


def valid(**columns: Any) -> CatalogRow:
    row = validate_row({"track_id": "T1", "audio_uri": "a.ogg", **columns}, "c.jsonl:1")
    assert isinstance(row, CatalogRow), row
    return row


def test_all_columns_of_a_json_row() -> None:
    columns = {
        "track_id": "T 1",
        "audio_uri": "folder/a b.ogg",
        "title": "Rain 雨",
        "artist": "Nobody",
        "release_id": "R1",
        "release_title": "Storms",
        "isrc": "us-rc1-76-07839",
        "duration_ms": 180_000,
        "declared_type": "anything at all",
        "licensor": "L",
        "record_label": "Label",
        "language": "en",
        "genres": ["ambient", "sleep"],
        "audio_etag": '"abc"',
    }
    row = validate_row({**columns, "unknown": {"deep": [1]}}, "c.jsonl:7")
    assert row == CatalogRow(**{**columns, "genres": ("ambient", "sleep")}, tally=RowTally.of_place("c.jsonl:7"))
    assert set(columns) == set(CONTRACT_COLUMNS)


@pytest.mark.parametrize("nothing", [None, "", "  ", float("nan")])
def test_an_optional_column_without_a_value_is_null(nothing: Any) -> None:
    optional = [f.name for f in dataclasses.fields(CatalogRow) if f.name not in ("track_id", "audio_uri", "tally")]
    assert valid(**dict.fromkeys(optional, nothing)) == valid()


@pytest.mark.parametrize(
    "given_value", [180_000, "180000", " 180000 ", "180000.0", 180_000.0, decimal.Decimal("180000.00")]
)
def test_duration_as_the_formats_write_it(given_value: Any) -> None:
    assert valid(duration_ms=given_value).duration_ms == 180_000


def test_duration_of_nothing_is_kept() -> None:
    assert valid(duration_ms=0).duration_ms == 0


@pytest.mark.parametrize(
    ("given_value", "genres"),
    [
        ("a|b", ("a", "b")),
        ("a; b;", ("a", "b")),
        ("a, b", ("a, b",)),
        ([], ()),
        ([None, " a "], ("a",)),
        (("a",), ("a",)),
    ],
)
def test_genres_as_list_or_text(given_value: Any, genres: tuple[str, ...]) -> None:
    assert valid(genres=given_value).genres == genres


def test_whole_numbers_and_bytes_count_as_text() -> None:
    row = valid(track_id=12, title=1999, release_id=b"R1")
    assert (row.track_id, row.title, row.release_id) == ("12", "1999", "R1")


def test_half_an_emoji_in_a_title_is_replaced_and_not_refused() -> None:
    row = valid(title="Rain \ud83d", genres=["\udc00x"])
    assert row.title == "Rain \ufffd"
    assert row.genres == ("\ufffdx",)


def test_a_dead_letter_names_columns_values_and_place_and_keeps_unknown_columns() -> None:
    raw = {"track_id": "T1", "duration_ms": -4, "isrc": "x", "mood": "calm"}
    letter = validate_row(raw, "c.jsonl:12")
    assert isinstance(letter, DeadLetter)
    assert (letter.track_id, letter.stage, letter.error_type) == ("T1", Stage.CATALOG, ErrorType.INVALID_ROW)
    assert json.loads(letter.catalog_row) == raw
    assert letter.tally == RowTally.of_place("c.jsonl:12")
    assert letter.message == (
        "c.jsonl:12: audio_uri is missing, where a non-empty text is required; isrc is 'x', not an ISRC: 12 letters and"
        " digits, hyphens aside; duration_ms is -4, not a whole number of milliseconds from 0 to 2678400000."
    )


def test_types_that_json_lacks_become_text() -> None:
    text = catalog_row_json(
        {
            "d": datetime.date(2026, 1, 2),
            "t": datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
            "n": decimal.Decimal("1.50"),
            "b": b"ab\xff",
            "f": [float("nan"), float("-inf"), 1.5],
            "s": {"k": (1, None)},
        }
    )
    assert json.loads(text, parse_constant=pytest.fail) == {
        "d": "2026-01-02",
        "t": "2026-01-02T03:04:00+00:00",
        "n": "1.50",
        "b": "ab\\xff",
        "f": ["NaN", "-Infinity", 1.5],
        "s": {"k": [1, None]},
    }


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=30)
    | st.binary(max_size=10)
    | st.decimals()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*CONTRACT_COLUMNS, "x", "\ud800"]), anything))
def test_any_row_becomes_a_row_or_a_letter_that_tables_can_hold(raw: dict[str, Any]) -> None:
    judged = validate_row(raw, "c.parquet:1")
    assert judged == validate_row(dict(reversed(raw.items())), "c.parquet:1") or isinstance(judged, DeadLetter)
    if isinstance(judged, DeadLetter):
        json.loads(judged.catalog_row, parse_constant=pytest.fail)
        for text in (judged.catalog_row, judged.message, judged.track_id or ""):
            text.encode("utf-8")
    else:
        for value in judged.contract_fields().values():
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
        assert judged.track_id == judged.track_id.strip() != ""
        assert judged.audio_uri.strip()


def test_long_values_are_cut_in_messages() -> None:
    assert len(shown("x" * 10_000_000)) <= 80
    assert len(shown(list(range(1000)))) <= 80
