"""Rows that share a track id."""

from __future__ import annotations

import collections
import dataclasses
import json
import random
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.metrics import MetricsFilter
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from transforms.catalog_duplicates import CollapseDuplicates
from transforms.records import NO_ROWS, CatalogRow, DeadLetter, ErrorType, RowTally

_COLLECTED: dict[str, list[Any]] = collections.defaultdict(list)


def collect(element: Any, name: str) -> None:
    _COLLECTED[name].append(element)


def collapse(rows: list[CatalogRow]) -> tuple[list[CatalogRow], list[DeadLetter], dict[str, int]]:
    _COLLECTED.clear()
    pipeline = beam.Pipeline(runner=FnApiRunner())
    distinct = pipeline | beam.Create(rows, reshuffle=False) | CollapseDuplicates()
    for name, elements in distinct._asdict().items():
        _ = elements | f"Collect{name}" >> beam.Map(collect, name)
    result = pipeline.run()
    result.wait_until_finish()
    counters = result.metrics().query(MetricsFilter().with_namespace("CollapseDuplicates"))["counters"]
    counts = {counter.key.metric.name: counter.committed for counter in counters}
    return (
        sorted(_COLLECTED["rows"], key=lambda row: row.track_id),
        sorted(_COLLECTED["dead_letters"], key=lambda letter: (letter.message, letter.tally.digest)),
        counts,
    )


def row(track_id: str, line: int, **columns: Any) -> CatalogRow:
    return CatalogRow(
        track_id, columns.pop("audio_uri", "a.ogg"), **columns, tally=RowTally.of_place(f"c.jsonl:{line}")
    )


ROWS = [
    row("once", 1),
    row("same", 2, title="Rain", genres=("a", "b")),
    row("same", 3, title="Rain", genres=("a", "b")),
    row("same", 4, title="Rain", genres=("a", "b")),
    row("two", 5, title="Rain", isrc=None),
    row("two", 6, title="Storm", isrc="USRC17607839"),
    row("many", 7, duration_ms=4),
    row("many", 8, duration_ms=1),
    row("many", 9, duration_ms=3),
    row("many", 10, duration_ms=2),
    row("many", 11, duration_ms=2),
    row("list", 12, genres=("a", "b")),
    row("list", 13, genres=("b", "a")),
]


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_identical_rows_collapse_and_conflicting_ones_all_become_dead_letters(seed: int | None) -> None:
    shuffled = list(ROWS)
    if seed is not None:
        random.Random(seed).shuffle(shuffled)
    rows, letters, counts = collapse(shuffled)

    same = RowTally.of_place("c.jsonl:2") + RowTally.of_place("c.jsonl:3") + RowTally.of_place("c.jsonl:4")
    assert rows == [row("once", 1), dataclasses.replace(ROWS[1], tally=same)]
    assert [letter.message for letter in letters] == [
        *["track_id 'list' stands in 2 catalog rows that differ in genres: ('a', 'b') and ('b', 'a')."] * 2,
        *["track_id 'many' stands in 5 catalog rows that differ in duration_ms: 1 and 2, among others."] * 5,
        *[
            "track_id 'two' stands in 2 catalog rows that differ in title: 'Rain' and 'Storm';"
            " isrc: 'USRC17607839' and nothing."
        ]
        * 2,
    ]
    assert {letter.error_type for letter in letters} == {ErrorType.DUPLICATE_TRACK_ID}
    # Each letter holds its own row and its own tally.
    by_tally = {letter.tally: json.loads(letter.catalog_row) for letter in letters}
    assert by_tally == {
        given.tally: json.loads(json.dumps(given.contract_fields()))
        for given in ROWS
        if given.track_id in ("two", "many", "list")
    }
    assert sum((element.tally for element in [*rows, *letters]), NO_ROWS) == sum((r.tally for r in ROWS), NO_ROWS)
    assert counts == {"rows_collapsed": 2, "rows_duplicate_track_id": 9}


def test_no_rows() -> None:
    assert collapse([]) == ([], [], {})
