"""Catalogs whose columns have other names: the rows are those of the same catalog in the contract's names."""

from __future__ import annotations

import csv
import gzip
import json
import pathlib
import unicodedata
from typing import Any, Literal

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from models.errors import UserError
from transforms.carried_rows import read_buckets
from transforms.catalog_buckets import ReadCatalogBuckets, to_rows
from transforms.catalog_checks import check_catalog
from transforms.catalog_files import name_files
from transforms.catalog_hints import as_config, likeliest
from transforms.catalog_json_columns import JsonColumns
from transforms.catalog_reading import JudgeRecord, NameBigQueryRow
from transforms.catalog_records import read_records
from transforms.catalog_settings import AS_IN_CONTRACT, CatalogSettings, ColumnNames
from transforms.catalog_validation import CONTRACT_COLUMNS, validate_row
from transforms.records import CatalogRow

SETTINGS = CatalogSettings.model_validate(
    {"columns": {"track_id": "Recording-Nr.", "audio_uri": "Dateï", "title": "Titel", "isrc": "Recording-Nr."},
     "duration_unit": "s"}
)  # fmt: skip
NAMES = ["Recording-Nr.", "Dateï", "Titel", "title", "duration_ms"]
ROWS = [
    ["ZZEAR2500001", "a b.ogg", 'The "Rain"; part\t1', "not this one", "61.5"],
    ["ZZEAR2500002", "b.ogg", "Zwei, drei", "", "7"],
]
EXPECTED = [
    CatalogRow("ZZEAR2500001", "a b.ogg", 'The "Rain"; part\t1', isrc="ZZEAR2500001", duration_ms=61_500),
    CatalogRow("ZZEAR2500002", "b.ogg", "Zwei, drei", isrc="ZZEAR2500002", duration_ms=7_000),
]


Form = Literal["NFC", "NFD"]


def write(folder: pathlib.Path, ending: str) -> pathlib.Path:
    path = folder / f"c{ending}"
    rows = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif "jsonl" in ending:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        delimiter = {".csv": ",", "-semicolon.csv": ";", "-tab.csv": "\t", ".tsv": "\t", ".tsv.gz": "\t"}[ending]
        with path.open("w", encoding="utf-8-sig", newline="") as stream:
            csv.writer(stream, delimiter=delimiter).writerows([NAMES, *ROWS])
        if ending.endswith(".gz"):
            path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def without_tally(row: Any) -> CatalogRow:
    assert isinstance(row, CatalogRow), row
    return CatalogRow(**{name: getattr(row, name) for name in CONTRACT_COLUMNS})


ENDINGS = [".jsonl", ".parquet", ".csv", "-semicolon.csv", "-tab.csv", ".tsv", ".tsv.gz"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_mapped_catalog_gives_the_rows_of_the_contract(tmp_path: pathlib.Path, ending: str) -> None:
    path = write(tmp_path, ending)
    assert check_catalog(str(path), SETTINGS) == ""
    judge = JudgeRecord(SETTINGS)
    (file,) = name_files([str(path)])
    assert [without_tally(row) for record in read_records(file, SETTINGS) for row in judge.process(record)] == EXPECTED


def test_a_mapped_bigquery_row() -> None:
    record = list(NameBigQueryRow(SETTINGS).process(dict(zip(NAMES, ROWS[1], strict=True))))[-1]
    assert without_tally(*JudgeRecord(SETTINGS).process(record)) == EXPECTED[1]


@pytest.mark.parametrize("ending", [".tsv", ".parquet"])
def test_a_mapped_catalog_in_buckets(tmp_path: pathlib.Path, ending: str) -> None:
    path = write(tmp_path, ending)
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = pipeline | ReadCatalogBuckets(str(path), None, SETTINGS, str(tmp_path / "staging"), 2)
    paths = [str(found) for found in (tmp_path / "staging").rglob("*.arrow")]
    rows = sorted(to_rows(read_buckets(paths, [0, 1])), key=lambda row: row.track_id)
    assert [without_tally(row) for row in rows] == EXPECTED


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".csv", ".tsv.gz"])
@pytest.mark.parametrize(("of_file", "of_config"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_accents_may_be_written_in_two_ways(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, ending: str, of_file: Form, of_config: Form
) -> None:
    monkeypatch.setitem(globals(), "NAMES", [unicodedata.normalize(of_file, name) for name in NAMES])
    names = {column: unicodedata.normalize(of_config, name) for column, name in SETTINGS.given()}
    settings = CatalogSettings.model_validate({"columns": names, "duration_unit": "s"})
    assert settings == SETTINGS
    path = write(tmp_path, ending)
    assert check_catalog(str(path), settings) == ""
    judge = JudgeRecord(settings)
    (file,) = name_files([str(path)])
    assert [without_tally(row) for record in read_records(file, settings) for row in judge.process(record)] == EXPECTED
    record = list(NameBigQueryRow(settings).process(dict(zip(NAMES, ROWS[1], strict=True))))[-1]
    assert without_tally(*JudgeRecord(settings).process(record)) == EXPECTED[1]
    if ending == ".parquet":
        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            _ = pipeline | ReadCatalogBuckets(str(path), None, settings, str(tmp_path / "staging"), 1)
        paths = [str(found) for found in (tmp_path / "staging").rglob("*.arrow")]
        assert sorted(row.track_id for row in to_rows(read_buckets(paths, [0]))) == [row.track_id for row in EXPECTED]


def test_a_rare_name_of_json_lines_in_the_other_form(tmp_path: pathlib.Path) -> None:
    row = {"track_id": "T", "audio_uri": "a"}
    rare = row | {unicodedata.normalize("NFD", "språk"): "da"}
    lines = [*[json.dumps(row)] * 300, json.dumps(rare, ensure_ascii=False)]
    (tmp_path / "c.jsonl").write_text("\n".join(lines))
    assert check_catalog(str(tmp_path / "c.jsonl"), CatalogSettings(columns=ColumnNames(language="språk"))) == ""


def test_every_column_of_the_contract_can_be_mapped() -> None:
    assert tuple(ColumnNames.model_fields) == CONTRACT_COLUMNS
    names = {column: f"their {column}" for column in CONTRACT_COLUMNS}
    settings = CatalogSettings.model_validate({"columns": names})
    assert dict(settings.renamed()) == names
    assert settings.of_run() == {"columns": names}


def test_what_is_as_in_the_contract_is_no_part_of_the_run() -> None:
    assert AS_IN_CONTRACT.of_run() == {}
    assert CatalogSettings.model_validate({"columns": {"title": "title", "isrc": None}}).of_run() == {}
    assert SETTINGS.of_run()["duration_unit"] == "s"


@pytest.mark.parametrize(
    "name", ["file_path", "ISRC", "file path", "null", "1e3", "a: b", "#x", "ä", '"', "2026-01-01", "a\u2028b", "\x1b"]
)
def test_the_mend_is_yaml_that_says_what_was_meant(name: str) -> None:
    assert yaml.safe_load(as_config([("track_id", name), ("title", "t")])) == {
        "catalog": {"columns": {"track_id": name, "title": "t"}}
    }


@pytest.mark.parametrize(
    ("column", "found", "expected"),
    [
        ("track_id", ["title", "Track ID", "id"], "Track ID"),
        ("track_id", ["artist", "recordingId"], "recordingId"),
        ("track_id", ["trackid_", "tracks"], "trackid_"),
        ("audio_uri", ["FilePath", "profile"], "FilePath"),
        ("audio_uri", ["direction", "audio_url"], "audio_url"),
        ("duration_ms", ["Duration (ms)", "direction"], "Duration (ms)"),
        ("genres", ["gender"], None),
        ("artist", ["artist_id", "artistId", "Artist ID", "artist_ids"], None),
        ("title", ["title_id", "Track title"], "Track title"),
        ("release_id", ["release_title", "albumId"], "albumId"),
        ("track_id", ["x", "", "..."], None),
    ],
)
def test_the_likeliest_column(column: str, found: list[str], expected: str | None) -> None:
    assert likeliest(column, found) == expected


def test_optional_columns_under_other_names_are_told(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("track_id,audio_uri,Title,album,artist_id,artist,release_date,mood\n")
    told = check_catalog(str(path))
    assert "the catalog's columns 'Title', 'album'. If they are what Earmark calls title, release_title" in told
    assert told.endswith(
        "put this line into the --config file:\ncatalog: {columns: {title: Title, release_title: album}}"
    )
    settings = CatalogSettings.model_validate({"columns": {"title": "Title", "release_title": "album"}})
    assert check_catalog(str(path), settings) == ""


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_columns_that_one_file_has_under_another_name_are_told(tmp_path: pathlib.Path, ending: str) -> None:
    def write_names(name: str, names: list[str]) -> None:
        row = json.dumps(dict.fromkeys(names, "x")) if ending == "jsonl" else ",".join(names)
        (tmp_path / f"{name}.{ending}").write_text(row + "\n")

    write_names("a", ["track_id", "audio_uri", "title", "licensor"])
    write_names("b", ["track_id", "audio_uri", "Title", "Licensor", "album"])
    write_names("c", ["track_id", "audio_uri", "licensor", "Title"])
    write_names("d", ["track_id", "audio_uri", "Licensor", "Title"])
    told = check_catalog(str(tmp_path / f"*.{ending}"))
    for sentence in (
        "Not used: the catalog's column 'album'.",
        f"Not used: the column 'Title' of b.{ending} and 2 other files, where other files have title",
        f"Not used: the column 'Licensor' of b.{ending} and 1 other file, where other files have licensor",
        "give it that name in every file",
    ):
        assert sentence in told
    (tmp_path / f"a.{ending}").unlink()
    told = check_catalog(str(tmp_path / f"*.{ending}"))
    assert "columns 'Title', 'album'. If they are" in told
    assert "where other files have title" not in told


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        *((name, "s") for name in ("Duration (s)", "Duration (sec)", "duration (seconds)", "durationSeconds")),
        *((name, "s") for name in ("duration_s", "length_sec", "Length [s]", "duration_in_seconds", "DurationSec")),
        *((name, "ms") for name in ("Duration", "Duration (ms)", "Length", "durations", "lengths")),
        *((name, "ms") for name in ("durationMilliseconds", "duration_msec", "duration_millisec")),
        *((name, "min") for name in ("duration_min", "Duration (min)", "durationMinutes", "Length [min.]")),
        *((name, "min") for name in ("duration_mins", "length_minutes", "LENGTH_MIN", "duration_in_minutes")),
    ],
)
def test_a_column_whose_name_says_its_unit(tmp_path: pathlib.Path, name: str, unit: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(f"track_id,audio_uri,{name}\n")
    mend = yaml.safe_load(check_catalog(str(path)).split("\n")[1])
    settings = CatalogSettings.model_validate(mend["catalog"])
    assert (settings.columns, settings.duration_unit) == (ColumnNames(duration_ms=name), unit)
    path.write_text(f"id,path,{name}\n")
    with pytest.raises(UserError) as caught:
        check_catalog(str(path))
    assert CatalogSettings.model_validate(yaml.safe_load(caught.value.to_paste)["catalog"]).duration_unit == unit


def test_the_line_to_paste_keeps_the_unit_of_the_config(tmp_path: pathlib.Path) -> None:
    (tmp_path / "c.csv").write_text("track_id,audio_uri,duration_ms,Title\n")
    told = check_catalog(str(tmp_path / "c.csv"), CatalogSettings(duration_unit="s"))
    assert told.endswith("\ncatalog: {columns: {title: Title}, duration_unit: s}")


def test_json_lines_have_the_columns_of_all_their_rows(tmp_path: pathlib.Path) -> None:
    settings = CatalogSettings.model_validate({"columns": {"language": "språk", "genres": "art"}})
    row = {"track_id": "T", "audio_uri": "a"}
    lines = ["no JSON", *[json.dumps(row)] * 300, json.dumps(row | {"språk": "da"}, ensure_ascii=False)]
    (tmp_path / "1.jsonl").write_text("\n".join(lines))
    (tmp_path / "2.jsonl").write_text(json.dumps({"art": ["x"]}))
    assert check_catalog(str(tmp_path / "*.jsonl"), settings) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [("183.4", 183_400), (183.4567, 183_457), (5, 5_000), ("0", 0), (" ", None), (float("nan"), None), (0.0005, 1)],
)
def test_lengths_in_seconds(value: Any, expected: int | None) -> None:
    row = validate_row(
        {"track_id": "T", "audio_uri": "a", "duration_ms": value}, "p", CatalogSettings(duration_unit="s")
    )
    assert without_tally(row).duration_ms == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3.05", 183_000), (3.05, 183_000), (5, 300_000), ("0", 0), (" ", None), ("44640", 44640 * 60_000)],
)
def test_lengths_in_minutes(value: Any, expected: int | None) -> None:
    row = validate_row(
        {"track_id": "T", "audio_uri": "a", "duration_ms": value}, "p", CatalogSettings(duration_unit="min")
    )
    assert without_tally(row).duration_ms == expected


def test_what_databases_write_for_null(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text("track_id\taudio_uri\ttitle\tduration_ms\nT\ta\\Nb\t\\N\t\\N\n")
    (file,) = name_files([str(path)])
    ((_, fields),) = read_records(file)
    assert fields == {"track_id": "T", "audio_uri": "a\\Nb", "title": None, "duration_ms": None}


def test_of_a_file_that_is_looked_at_in_part_optional_columns_may_be_behind() -> None:
    settings = CatalogSettings.model_validate({"columns": {"genres": "genre"}})
    whole, part = JsonColumns(settings), JsonColumns(settings)
    whole.look(iter([b'{"track_id": "T", "audio_uri": "a"}'] * 150), most=200)
    part.look(iter([b'{"track_id": "T", "audio_uri": "a"}'] * 400), most=200)
    assert "has no column 'genre', the config's catalog.columns.genres" in str(whole.problem())
    assert part.problem() is None


def test_of_a_file_that_is_looked_at_in_part_required_columns_are_there() -> None:
    columns = JsonColumns(AS_IN_CONTRACT)
    columns.look(iter([b'{"audio_uri": "a", "id": 1}'] * 400), most=200)
    assert "has no column track_id; its columns are 'audio_uri', 'id'; if track_id is 'id'" in str(columns.problem())


def test_a_key_that_stands_twice_and_is_not_used_hides_no_column() -> None:
    columns = JsonColumns(CatalogSettings(columns=ColumnNames(title="Name")))
    columns.look([b'{"track_id": "t", "audio_uri": "a", "Name": "N", "title": "x", "title": "y"}'], None)
    assert columns.problem() is None


def test_a_rare_name_whose_slash_is_written_with_a_backslash() -> None:
    columns = JsonColumns(CatalogSettings(columns=ColumnNames(title="Track/title")))
    plain = b'{"track_id": "t", "audio_uri": "a"}'
    columns.look([*[plain] * 200, rb'{"track_id": "t", "audio_uri": "a", "Track\/title": "N"}'], None)
    assert columns.problem() is None
