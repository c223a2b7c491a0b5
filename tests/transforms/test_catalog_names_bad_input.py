"""Catalogs that lack a column: what is there, the likeliest one, and the mend, before any work."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from models.errors import UserError
from transforms.catalog_checks import check_catalog
from transforms.catalog_files import CatalogReadError, name_files
from transforms.catalog_reading import NameBigQueryRow
from transforms.catalog_records import UnreadableRecord, parse_json_line, read_records
from transforms.catalog_settings import AS_IN_CONTRACT, CatalogSettings
from transforms.catalog_validation import validate_row
from transforms.records import DeadLetter


def mapped(**columns: str) -> CatalogSettings:
    return CatalogSettings.model_validate({"columns": columns})


def write(folder: pathlib.Path, ending: str, row: dict[str, str]) -> pathlib.Path:
    path = folder / f"c.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    elif ending == "jsonl":
        path.write_text(json.dumps(row))
    else:
        delimiter = "\t" if ending == "tsv" else ","
        path.write_text(f"{delimiter.join(row)}\n{delimiter.join(row.values())}\n")
    return path


ROW = {"ISRC": "ZZEAR2500001", "file_path": "a.ogg", "name": "Rain", "mood": "calm"}


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        (
            AS_IN_CONTRACT,
            [
                "has no column track_id and no column audio_uri; its columns are 'ISRC', 'file_path', 'name', 'mood'; "
                "if audio_uri is 'file_path', put this line into the --config file, with the catalog's own name in "
                "place of NAME (docs/catalog.md):\n"
                "catalog: {columns: {track_id: NAME, audio_uri: file_path, title: name, isrc: ISRC}}"
            ],
        ),
        (
            mapped(track_id="ISRC"),
            ["has no column audio_uri", "\ncatalog: {columns: {track_id: ISRC, audio_uri: file_path, title: name}}"],
        ),
        (
            mapped(track_id="isrc_code", audio_uri="file_path"),
            ["has no column 'isrc_code', the config's catalog.columns.track_id; its columns are 'ISRC', 'file_path'"],
        ),
        (
            mapped(track_id="ISRC", audio_uri="file_path", title="Name"),
            ["has no column 'Name', the config's catalog.columns.title;", "did you mean 'name'?"],
        ),
        (
            mapped(track_id="ISRC", audio_uri="file_path", genres="tempo"),
            ["has no column 'tempo', the config's catalog.columns.genres;"],
        ),
    ],
)
def test_a_column_that_is_not_there(
    tmp_path: pathlib.Path, ending: str, settings: CatalogSettings, sentences: list[str]
) -> None:
    path = write(tmp_path, ending, ROW)
    with pytest.raises(UserError) as caught:
        check_catalog(str(path), settings)
    assert f"--catalog {path}" in str(caught.value)
    assert "\n" not in str(caught.value)
    for sentence in sentences:
        assert sentence in f"{caught.value}\n{caught.value.to_paste}"
    assert str(caught.value).endswith(":" if caught.value.to_paste else ".")
    if caught.value.to_paste:
        assert yaml.safe_load(caught.value.to_paste)["catalog"]["columns"]["audio_uri"] == "file_path"
    if ending != "jsonl":  # which has no header: a row without the column is a dead letter
        (file,) = name_files([str(path)])
        with pytest.raises(CatalogReadError, match="has no column"):
            list(read_records(file, settings))


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["Werk", "Quelle"], "{track_id: NAME, audio_uri: NAME}"),
        (["Werk", "Quelle", "Title"], "{track_id: NAME, audio_uri: NAME, title: Title}"),
        (["Werk", "audio_uri"], "{track_id: NAME}"),
        (["song_id", "Quelle"], "{track_id: song_id, audio_uri: NAME}"),
    ],
)
def test_how_to_name_columns_that_resemble_none(
    tmp_path: pathlib.Path, ending: str, names: list[str], line: str
) -> None:
    with pytest.raises(UserError) as caught:
        check_catalog(str(write(tmp_path, ending, dict.fromkeys(names, "x"))))
    assert str(caught.value).endswith("with the catalog's own name in place of NAME (docs/catalog.md):")
    assert caught.value.to_paste == f"catalog: {{columns: {line}}}"


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_column_that_is_mapped_to_its_own_name_has_to_be_there(tmp_path: pathlib.Path, ending: str) -> None:
    row = {"track_id": "T", "audio_uri": "a", "Title": "Rain"}
    path = write(tmp_path, ending, row)
    with pytest.raises(UserError, match=r"'title', the config's catalog.columns.title; .*did you mean 'Title'\?"):
        check_catalog(str(path), mapped(title="title"))
    if ending != "jsonl":
        (file,) = name_files([str(path)])
        with pytest.raises(CatalogReadError, match="has no column 'title'"):
            list(read_records(file, mapped(title="title")))


def test_each_file_has_the_columns_that_are_mapped_to_their_own_names(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("track_id,audio_uri,title,licensor\n")
    (tmp_path / "b.csv").write_text("track_id,audio_uri,Title,Licensor\n")
    with pytest.raises(UserError, match=r"b\.csv has no column 'title', the config's catalog.columns.title"):
        check_catalog(str(tmp_path / "*.csv"), mapped(title="title", licensor="licensor"))


def test_a_mapped_column_that_stands_twice(tmp_path: pathlib.Path) -> None:
    (tmp_path / "c.csv").write_text("id,id,audio_uri\n")
    with pytest.raises(UserError, match="has the column id twice"):
        check_catalog(str(tmp_path / "c.csv"), mapped(track_id="id"))


def test_many_odd_columns_make_one_short_line(tmp_path: pathlib.Path) -> None:
    names = ["\x1b[31mid", "x" * 500_000, *(f"c{n}" for n in range(50_000))]
    (tmp_path / "c.csv").write_text(",".join(names) + "\n")
    with pytest.raises(UserError) as caught:
        check_catalog(str(tmp_path / "c.csv"))
    assert len(str(caught.value)) < 900
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_mapped_column_that_stands_twice_in_two_forms(tmp_path: pathlib.Path, ending: str) -> None:
    path = write(tmp_path, ending, {"track_id": "T", "audio_uri": "a", "Trä": "1", "Tra\u0308": "2"})
    with pytest.raises(UserError, match="has the column Trä twice"):
        check_catalog(str(path), mapped(title="Trä"))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('{"Trä": 1, "Tra\u0308": 2, "é": 3, "e\u0301": 4}', "Trä"),
        ('{"Tra\u0308": 1, "Tra\u0308": 2}', "Tra\u0308"),
        ('{"track_id": 1, "track_id": 2, "é": 3, "e\u0301": 4}', "track_id"),
    ],
)
def test_a_line_that_names_a_column_twice(line: str, name: str) -> None:
    found = parse_json_line(line.encode(), mapped(title="Trä"))
    assert isinstance(found, UnreadableRecord)
    assert found.problem == f"{name} stands twice in the line, as 1 and as 2"


def test_a_bigquery_row_without_a_mapped_column() -> None:
    with pytest.raises(CatalogReadError, match=r"the BigQuery catalog has no column 'Titel', .*mean 'titel'"):
        list(NameBigQueryRow(mapped(title="Titel")).process({"track_id": "T", "audio_uri": "a", "titel": None}))


def test_broken_rows_alone_are_no_reason_to_refuse(tmp_path: pathlib.Path) -> None:
    (tmp_path / "c.jsonl").write_text("no JSON\n[1]\n")
    assert check_catalog(str(tmp_path / "c.jsonl"), mapped(title="t")) == ""


def test_a_dead_letter_names_both_columns_and_keeps_the_row() -> None:
    raw = {"Nr": "T\n", "audio_uri": None, "isrc": "x"}
    letter = validate_row(raw, "c.csv:2", mapped(track_id="Nr"))
    assert isinstance(letter, DeadLetter)
    assert letter.message.startswith("c.csv:2: track_id ('Nr') is 'T\\n', not a non-empty text")
    assert json.loads(letter.catalog_row) == raw


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (
            "183.4",
            "ms",
            "is '183.4', not a whole number of milliseconds from 0 to 2678400000; where lengths are in seconds or",
        ),
        (183.4, "ms", "where lengths are in seconds or minutes, set catalog.duration_unit: s or min in the config"),
        ("3:03", "ms", "is '3:03', not a whole number of milliseconds from 0 to 2678400000."),
        ("3:03", "s", "is '3:03', not a number of seconds from 0 to 2678400."),
        ("1e3", "s", "not a number of seconds"),
        ("9" * 19, "s", "not a number of seconds"),
        (-1, "s", "not a number of seconds"),
        (True, "s", "not a number of seconds"),
        (float("inf"), "s", "not a number of seconds"),
        ([1], "s", "not a number of seconds"),
        ("3:03", "min", "is '3:03', not a number of minutes from 0 to 44640."),
        (44640.1, "min", "not a number of minutes"),
    ],
)
def test_lengths_that_are_none(value: Any, unit: str, expected: str) -> None:
    settings = CatalogSettings.model_validate({"duration_unit": unit})
    letter = validate_row({"track_id": "T", "audio_uri": "a", "duration_ms": value}, "p", settings)
    assert isinstance(letter, DeadLetter)
    assert expected in letter.message
