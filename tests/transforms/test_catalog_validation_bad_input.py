"""What one column of a catalog row can get wrong."""

from __future__ import annotations

import decimal
import json
from typing import Any

import pytest

from transforms.catalog_validation import catalog_row_json, unreadable_record, validate_row
from transforms.records import DeadLetter, ErrorType


def refused(raw: dict[str, Any]) -> DeadLetter:
    letter = validate_row(raw, "c.csv:2")
    assert isinstance(letter, DeadLetter), letter
    assert letter.error_type is ErrorType.INVALID_ROW
    return letter


@pytest.mark.parametrize("column", ["track_id", "audio_uri"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " \t",
        1.5,
        float("nan"),
        True,
        [],
        ["T"],
        {},
        "a\x00b",
        "a\nb",
        "a\x7f",
        "a\ud800",
        b"\xff",
        "x" * 5000,
    ],
)
def test_a_required_column(column: str, value: Any) -> None:
    letter = refused({"track_id": "T1", "audio_uri": "a.ogg", column: value})
    assert f": {column} is " in letter.message
    assert letter.track_id == (None if column == "track_id" else "T1")


@pytest.mark.parametrize("value", [" T1", "T1 ", "\u00a0T1", "T1\u3000", b" T1"])
def test_a_track_id_with_blanks_around_it_would_meet_no_stream(value: Any) -> None:
    letter = refused({"track_id": value, "audio_uri": "a.ogg"})
    assert letter.message.startswith(f"c.csv:2: track_id is {value!r}, not ")
    assert letter.message.endswith("without blanks around it.")
    assert letter.track_id is None
    assert json.loads(letter.catalog_row)["track_id"] == (value.decode() if isinstance(value, bytes) else value)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("duration_ms", -1),
        ("duration_ms", "-1"),
        ("duration_ms", "1e5"),
        ("duration_ms", "180_000"),
        ("duration_ms", "٣"),
        ("duration_ms", "NaN"),
        ("duration_ms", "3:20"),
        ("duration_ms", 1.5),
        ("duration_ms", float("inf")),
        ("duration_ms", decimal.Decimal("1E+400")),
        ("duration_ms", decimal.Decimal("sNaN")),
        ("duration_ms", True),
        ("duration_ms", [1]),
        ("duration_ms", 10**15),
        ("duration_ms", "9" * 5000),
        ("isrc", "USRC1760783"),
        ("isrc", "USRC1760783É"),
        ("isrc", 1.5),
        ("title", ["Rain"]),
        ("title", 1.5),
        ("title", True),
        ("title", "x" * 10_001),
        ("release_id", "a\x00"),
        ("genres", {"a": 1}),
        ("genres", [1]),
        ("genres", 1.5),
        ("genres", ["a"] * 201),
        ("audio_etag", "a\r"),
        ("language", b"\xff\xfe"),
    ],
)
def test_an_optional_column(column: str, value: Any) -> None:
    raw = {"track_id": "T1", "audio_uri": "a.ogg", column: value}
    letter = refused(raw)
    assert letter.message.startswith(f"c.csv:2: {column} is ")
    assert len(letter.message) < 400
    assert letter.track_id == "T1"


def test_a_huge_row_is_cut_and_still_json() -> None:
    raw = {"track_id": None, "audio_uri": "a", "lyrics": "la " * 1_000_000}
    kept = json.loads(refused(raw).catalog_row)
    assert list(kept) == ["raw"]
    assert len(kept["raw"]) == 4096
    assert json.loads(catalog_row_json({"lyrics": "la"})) == {"lyrics": "la"}


def test_an_unreadable_record_is_cut_and_printable() -> None:
    letter = unreadable_record("the line is not JSON", "\ud800" + "x" * 10_000, "c\ud800.jsonl:3")
    assert len(json.loads(letter.catalog_row)["raw"]) == 4096
    letter.catalog_row.encode("utf-8")
    letter.message.encode("utf-8")
    assert letter.track_id is None
    assert letter.message.endswith("jsonl:3: the line is not JSON.")
