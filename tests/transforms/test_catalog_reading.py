"""Catalogs of every format, from file to rows, with nothing lost."""

from __future__ import annotations

import collections
import csv
import datetime
import decimal
import gzip
import json
import pathlib
import tempfile
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.catalog_bigquery import row_place
from transforms.catalog_files import name_files
from transforms.catalog_reading import NameBigQueryRow, ReadCatalog
from transforms.catalog_records import UnreadableRecord, parse_json_line, read_records
from transforms.catalog_settings import AS_IN_CONTRACT, CatalogSettings, ColumnNames
from transforms.catalog_validation import unreadable_record, validate_row
from transforms.records import NO_ROWS, CatalogRow, DeadLetter, RowTally

_COLLECTED: dict[str, list[Any]] = collections.defaultdict(list)


def collect(element: Any, name: str) -> None:
    _COLLECTED[name].append(element)


def run(catalog: str) -> tuple[list[CatalogRow], list[DeadLetter], list[RowTally], dict[str, int]]:
    _COLLECTED.clear()
    pipeline = beam.Pipeline(runner=FnApiRunner())
    content = pipeline | ReadCatalog(catalog)
    for name, elements in content._asdict().items():
        _ = elements | f"Collect{name}" >> beam.Map(collect, name)
    result = pipeline.run()
    result.wait_until_finish()
    counts = {
        counter.key.metric.name: counter.committed
        for counter in result.metrics().query()["counters"]
        if counter.key.metric.namespace == "ReadCatalog"
    }
    rows = sorted(_COLLECTED["rows"], key=lambda row: (row.track_id, row.tally.digest))
    letters = sorted(_COLLECTED["dead_letters"], key=lambda letter: letter.message)
    return rows, letters, list(_COLLECTED["read"]), counts


def judge(
    path: pathlib.Path, settings: CatalogSettings = AS_IN_CONTRACT
) -> tuple[list[CatalogRow], list[DeadLetter], list[RowTally]]:
    """The same without Beam: for the many files of a property."""
    rows: list[CatalogRow] = []
    letters: list[DeadLetter] = []
    read: list[RowTally] = []
    for place, content in read_records(name_files([str(path)])[0], settings):
        read.append(RowTally.of_place(place))
        if isinstance(content, bytes):
            content = parse_json_line(content, settings)
        if isinstance(content, UnreadableRecord):
            letters.append(unreadable_record(content.problem, content.raw, place))
            continue
        judged = validate_row(content, place, settings)
        if isinstance(judged, CatalogRow):
            rows.append(judged)
        else:
            letters.append(judged)
    return rows, letters, read


def total(tallies: list[RowTally]) -> RowTally:
    return sum(tallies, NO_ROWS)


TABLE: list[dict[str, Any]] = [
    {"track_id": "T1", "audio_uri": "a.ogg", "title": 'Rain, "heavy"\nand long', "duration_ms": 180_000, "mood": "x"},
    {"track_id": "T2", "audio_uri": "b.ogg", "title": None, "duration_ms": None, "mood": None},
    {"track_id": None, "audio_uri": "c.ogg", "title": "雨", "duration_ms": 1, "mood": "y"},
]


def write_jsonl(path: pathlib.Path) -> None:
    text = "\n".join(json.dumps(row) for row in TABLE)
    path.write_bytes(
        b"\xef\xbb\xbf\r\n" + text.replace("\n", "\r\n\r\n").encode()
    )  # BOM, CRLF, blanks, no last newline


def write_jsonl_gz(path: pathlib.Path) -> None:
    lines = [(json.dumps(row) + "\n").encode() for row in TABLE]
    path.write_bytes(gzip.compress(lines[0]) + gzip.compress(lines[1] + lines[2]))  # two members


def write_csv(path: pathlib.Path) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(TABLE[0]))
        writer.writeheader()
        writer.writerows(TABLE)


def write_csv_gz(path: pathlib.Path) -> None:
    write_csv(path)
    path.write_bytes(gzip.compress(path.read_bytes()))


def write_parquet(path: pathlib.Path) -> None:
    pq.write_table(pa.Table.from_pylist(TABLE), path, row_group_size=2)


@pytest.mark.parametrize(
    ("name", "write", "bad_place"),
    [
        ("c.jsonl", write_jsonl, "c.jsonl:6"),
        ("c.ndjson.gz", write_jsonl_gz, "c.ndjson.gz:3"),
        ("c.json", write_jsonl, "c.json:6"),
        ("c.csv", write_csv, "c.csv:5"),
        ("c.CSV.gz", write_csv_gz, "c.CSV.gz:5"),
        ("c.parquet", write_parquet, "c.parquet:3"),
    ],
)
def test_every_format_gives_the_same_rows(tmp_path: pathlib.Path, name: str, write: Any, bad_place: str) -> None:
    write(tmp_path / name)
    rows, letters, read, counts = run(str(tmp_path / name))
    assert [(row.track_id, row.audio_uri, row.title, row.duration_ms) for row in rows] == [
        ("T1", "a.ogg", TABLE[0]["title"], 180_000),
        ("T2", "b.ogg", None, None),
    ]
    (letter,) = letters
    assert letter.message.startswith(f"{bad_place}: track_id is ")
    assert letter.tally == RowTally.of_place(bad_place)
    # Of a Parquet file only the columns that are used are read.
    assert json.loads(letter.catalog_row).get("mood") == (None if name.endswith(".parquet") else "y")
    assert json.loads(letter.catalog_row)["title"] == "雨"
    assert len(set(read)) == len(read) == 3
    assert total(read) == total([element.tally for element in [*rows, *letters]])
    assert counts == {"files_read": 1, "rows_read": 3, "rows_valid": 2, "rows_invalid": 1}


def test_a_glob_over_folders_gives_distinct_places(tmp_path: pathlib.Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "part-0.jsonl").write_text(f'{{"track_id":"{folder}","audio_uri":"x"}}\n{{}}\n')
    rows, letters, read, counts = run(str(tmp_path / "*" / "*.jsonl"))
    assert [row.track_id for row in rows] == ["a", "b"]
    assert [letter.message.split(": ")[0] for letter in letters] == ["a/part-0.jsonl:2", "b/part-0.jsonl:2"]
    assert len(set(read)) == 4
    assert counts["files_read"] == 2


def test_names_are_base_names_while_those_differ() -> None:
    assert [file.name for file in name_files(["/x/b/2.csv", "/x/a/1.csv", "/x/a/1.csv"])] == ["1.csv", "2.csv"]
    assert [file.name for file in name_files(["gs://k/x/b/1.csv", "gs://k/x/a/1.csv"])] == ["a/1.csv", "b/1.csv"]


def test_a_file_whose_name_looks_like_a_glob(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c[1].jsonl"
    path.write_text('{"track_id":"T","audio_uri":"x"}')
    assert [row.track_id for row in run(str(path))[0]] == ["T"]


def test_empty_files(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n \n")
    (tmp_path / "b.csv").write_bytes(b"")
    (tmp_path / "c.csv").write_text("track_id,audio_uri\n")
    pq.write_table(
        pa.table({"track_id": pa.array([], pa.string()), "audio_uri": pa.array([], pa.string())}),
        tmp_path / "d.parquet",
    )
    assert run(str(tmp_path / "*"))[:3] == ([], [], [])


def test_parquet_columns_of_every_kind(tmp_path: pathlib.Path) -> None:
    table = pa.table(
        {
            "track_id": pa.array(["T1", None, "T3"]).dictionary_encode(),
            "audio_uri": pa.array([b"a", b"b", b"c"], pa.binary()),
            "title": pa.array([b"ok", b"ok", b"bad\xff"], pa.binary()).view(pa.string()),
            "duration_ms": pa.array([1.0, None, float("nan")]),
            "genres": pa.array([["a", None], None, []], pa.list_(pa.string())),
            "artist": pa.array([None, None, datetime.date(2026, 1, 2)]),
            "release_id": pa.array([None, None, decimal.Decimal("1.50")]),
            "release_title": pa.array([None, None, 3], pa.timestamp("ns")),
            "licensor": pa.array([None, None, {"k": float("nan")}]),
            "language": pa.array([None, None, [{"at": 2}]], pa.list_(pa.struct([("at", pa.timestamp("ns"))]))),
        }
    )
    pq.write_table(table, tmp_path / "c.parquet")
    rows, letters, _ = judge(tmp_path / "c.parquet")
    assert [(row.track_id, row.audio_uri, row.duration_ms, row.genres) for row in rows] == [("T1", "a", 1, ("a",))]
    assert [letter.message.split(",")[0] for letter in letters] == [
        "c.parquet:2: track_id is null",
        "c.parquet:3: title is b'bad\\xff'",
    ]
    kept = json.loads(letters[1].catalog_row, parse_constant=pytest.fail)
    assert kept["release_title"].endswith("00:00:00.000000003")
    assert kept["language"][0]["at"].endswith("00:00:00.000000002")
    assert (kept["artist"], kept["release_id"], kept["licensor"]) == ("2026-01-02", "1.50", {"k": "NaN"})
    assert kept["title"] == "bad\\xff"


def test_a_column_of_parquet_that_nobody_uses_is_not_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c.parquet"
    columns = {
        "id": ["T1", "T2"],
        "lyrics": ["la la la"] * 2,
        "audio.uri": ["a", "b"],
        "audio": [1, 2],
        "Na\u0308me": ["N"] * 2,
    }
    pq.write_table(pa.table(columns), path, compression="NONE", use_dictionary=False, write_page_checksum=True)
    path.write_bytes(path.read_bytes().replace(b"la la la", b"la la ba"))
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)
    names = ColumnNames(track_id="id", audio_uri="audio.uri", title="N\u00e4me", artist="N\u00e4me")
    rows, letters, _ = judge(path, CatalogSettings(columns=names))
    assert [(row.track_id, row.audio_uri, row.title, row.artist) for row in rows] == [
        ("T1", "a", "N", "N"), ("T2", "b", "N", "N"),
    ]  # fmt: skip
    assert letters == []


cells = st.text(st.characters(exclude_categories=("Cs",)), max_size=6) | st.sampled_from(
    ["T1", "a.ogg", "", " ", "180000"]
)
json_values = st.none() | st.booleans() | st.integers() | st.floats() | cells | st.lists(cells, max_size=2)
columns = st.sampled_from(["track_id", "audio_uri", "title", "duration_ms", "genres", "other"])
objects = st.dictionaries(columns, json_values).map(lambda row: json.dumps(row).encode())
lines = objects | st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")) | st.just(b"")


@settings(max_examples=100)
@given(st.lists(lines, max_size=12))
def test_each_json_line_ends_in_exactly_one_place(found: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "c.jsonl"
        path.write_bytes(b"\n".join(found))
        rows, letters, read = judge(path)
    blanks = sum(not line.removeprefix(b"\xef\xbb\xbf" if n == 0 else b"").strip() for n, line in enumerate(found))
    assert len(rows) + len(letters) == len(read) == len(found) - blanks
    assert len(set(read)) == len(read)
    assert collections.Counter(read) == collections.Counter(element.tally for element in [*rows, *letters])


@settings(max_examples=5)
@given(st.lists(st.lists(lines, min_size=1, max_size=8), min_size=1, max_size=3))
def test_the_sums_agree_at_both_ends_of_a_pipeline(files: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, found in enumerate(files):
            (pathlib.Path(folder) / f"{number}.jsonl").write_bytes(b"\n".join(found))
        rows, letters, read, counts = run(f"{folder}/*.jsonl")
    assert total(read) == total([element.tally for element in [*rows, *letters]])
    assert counts.get("rows_read", 0) == len(read) == len(rows) + len(letters)


@settings(max_examples=60)
@given(st.lists(st.tuples(cells, cells, cells), max_size=8), st.booleans())
def test_each_parquet_and_csv_row_ends_in_exactly_one_place(table: list[tuple[str, ...]], as_parquet: bool) -> None:
    names = ["track_id", "audio_uri", "title"]
    with tempfile.TemporaryDirectory() as folder:
        if as_parquet:
            path = pathlib.Path(folder) / "c.parquet"
            values = [list(column) for column in zip(*table, strict=True)] or [[], [], []]
            pq.write_table(pa.table([pa.array(v, pa.string()) for v in values], names), path, row_group_size=3)
        else:
            path = pathlib.Path(folder) / "c.csv"
            with path.open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([names, *table])
        rows, letters, read = judge(path)
    assert len(rows) + len(letters) == len(read) == len(table)
    assert collections.Counter(read) == collections.Counter(element.tally for element in [*rows, *letters])
    good = [
        row for row in table if row[0] == row[0].strip() != "" and row[1].strip() and "".join(row[:2]).isprintable()
    ]
    assert len(rows) >= len(good)


def test_bigquery_rows_are_named_by_their_content() -> None:
    fields = {
        "track_id": "T1",
        "audio_uri": "a",
        "day": datetime.date(2026, 1, 2),
        "price": decimal.Decimal("1.5"),
        "f": float("nan"),
    }
    assert row_place(fields) == row_place(dict(reversed(fields.items())))
    assert row_place(fields) != row_place({**fields, "track_id": "T2"})
    read, record = list(NameBigQueryRow().process(fields))
    assert record == (row_place(fields), fields)
    assert read.value == RowTally.of_place(row_place(fields))
