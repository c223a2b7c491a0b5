"""Catalogs that must be refused before any work, each with the reason and the mend."""

from __future__ import annotations

import gzip
import os
import pathlib
import re
import sys
import time

import pytest

from models.errors import UserError
from transforms.catalog_bigquery import BigQuerySource, parse_bigquery
from transforms.catalog_checks import catalog_fingerprint, check_catalog
from transforms.catalog_files import match_files
from transforms.catalog_settings import CatalogSettings


def message(catalog: str) -> str:
    with pytest.raises(UserError) as caught:
        check_catalog(catalog)
    text = str(caught.value)
    assert "\n" not in text
    assert "--catalog" in text
    return text


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("c.txt", b"x", "whose ending is not one of .jsonl"),
        ("c", b"x", "whose ending is not one of .jsonl"),
        ("c.parquet.gz", b"x", "whose ending is not one of .jsonl"),
        ("c.json", b'\n [{"track_id": 1}]', "starts with '[', as a JSON array does; write one object per line"),
        ("c.json", b'{\n "track_id": 1\n}', "an object spread over several lines"),
        ("c.jsonl", b'{"a":1}'.decode().encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        ("c.csv", "track_id,audio_uri\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        ("c.csv", b"id,audio_uri\n1,2\n", "has no column track_id; its columns are 'id', 'audio_uri'"),
        ("c.csv", b"a,b\n", "has no column track_id and no column audio_uri"),
        ("c.tsv", "track_id\taudio_uri\n".encode("utf-16-le"), "is UTF-16 text; save it as UTF-8"),
        (
            "c.csv",
            b"track_id,audio_uri,L\xe4nge\n",
            "has a header that is not UTF-8 (byte 21 is 0xe4); save it as UTF-8",
        ),
        ("c.csv", b"track_id,audio_uri\r1,a\r", "parts its lines by single carriage returns; write line feeds"),
        ("c.csv", gzip.compress(b"track_id,audio_uri\n", mtime=0), "c.csv is compressed with gzip; call it c.csv.gz."),
        ("c.tsv", gzip.compress(bytes(range(256)), mtime=0), "c.tsv is compressed with gzip; call it c.tsv.gz."),
        ("c.jsonl", gzip.compress(b'{"track_id": 1}', mtime=0), "c.jsonl is compressed with gzip; call it c.jsonl.gz."),
        ("c.csv", b"sep=;\ntrack_id;audio_uri\n", "starts with the line 'sep=;', which is for a spreadsheet program"),
        ("c.csv", b'\xef\xbb\xbf"sep=,"\r\ntrack_id,audio_uri\r\n', "remove it, for example with: sed 1d"),
        (
            "c.csv",
            b"SEP=\t\ntrack_id\taudio_uri\n",
            "starts with the line 'SEP=\\t', which is for a spreadsheet program",
        ),
        ("c.csv", b"track_id|audio_uri|title\n", "parts its columns by '|'; write commas, semicolons or tabs"),
        ("c.csv", b'"id"|"audio_uri"|"title, artist"\n', "parts its columns by '|'"),
        ("c.xlsx", b"PK", "or save a spreadsheet as CSV"),
        (
            "c.json",
            b'{"tracks": [{"track_id": 1, "audio_uri": "a"}]}',
            "'tracks' holds objects, and only what stands at",
        ),
        ("c.csv", b"track_id,audio_uri,title,title\n", "has the column title twice"),
        ("c.csv", b'track_id,"audio_uri\nT1,a\n', "has a header that cannot be read: a quote that opens here is never"),
        ("c.csv.gz", b"track_id,audio_uri\n", "cannot be read as CSV (Not a gzipped file"),
        ("c.jsonl.gz", gzip.compress(os.urandom(5000))[:-3000], "cannot be read as JSON lines (Compressed file ended"),
        ("c.parquet", b"", "cannot be read as Parquet ("),
        ("c.parquet", b"PAR1 and no more PAR1", "cannot be read as Parquet ("),
    ],
)
def test_a_file_that_is_no_catalog(tmp_path: pathlib.Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert expected in message(str(tmp_path / name))
    assert expected in message(str(tmp_path / "*"))


def test_columns_may_have_odd_names(tmp_path: pathlib.Path) -> None:
    (tmp_path / "c.csv").write_text("track_id,audio_uri|path,a|b,sep=\n")
    settings = CatalogSettings.model_validate({"columns": {"audio_uri": "audio_uri|path"}})
    assert check_catalog(str(tmp_path / "c.csv"), settings) == ""


def test_a_parquet_schema_without_the_required_columns(tmp_path: pathlib.Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"track_id": ["T"]}), tmp_path / "c.parquet")
    assert "c.parquet has no column audio_uri; its columns are 'track_id'" in message(str(tmp_path / "c.parquet"))


def test_nothing_there(tmp_path: pathlib.Path) -> None:
    assert "does not exist; check the path" in message(str(tmp_path / "c.jsonl"))
    assert "matches no file" in message(str(tmp_path / "*.jsonl"))
    assert "is a folder; name the files in it" in message(str(tmp_path))
    assert "is empty" in message(" ")


def test_a_glob_that_also_matches_what_is_no_file(tmp_path: pathlib.Path) -> None:
    """Rows of it would be missing, and nobody would be told."""
    row = '{"track_id": "T", "audio_uri": "a.wav"}\n'
    (tmp_path / "a.jsonl").write_text(row)
    (tmp_path / "b.jsonl").mkdir()
    (tmp_path / "b.jsonl" / "part-0.jsonl").write_text(row)
    assert f"{tmp_path}/b.jsonl is a folder, and rows in it would be missing" in message(str(tmp_path / "*.jsonl"))
    assert len(match_files(str(tmp_path / "**" / "*-0.jsonl"))) == 1
    assert len(match_files(str(tmp_path / "**"))) == 2
    (tmp_path / "b.jsonl" / "part-0.jsonl").unlink()
    (tmp_path / "b.jsonl").rmdir()
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "gone")
    assert "b.jsonl is a link to nothing; remove it or name" in message(str(tmp_path / "*.jsonl"))
    (tmp_path / "b.jsonl").unlink()
    os.mkfifo(tmp_path / "b.jsonl")
    assert "b.jsonl is no plain file" in message(str(tmp_path / "*.jsonl"))


def test_a_file_that_may_not_be_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text("{}")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "Permission denied" in message(str(path))


def test_schemes_that_cannot_be_read() -> None:
    assert "which no installed file system reads" in message("ftp://host/c.jsonl")


def test_a_fingerprint_of_a_broken_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b"x\n" * 10_000)[:-4])
    with pytest.raises(UserError, match="cannot be read as JSON lines"):
        catalog_fingerprint(str(tmp_path / "c.jsonl.gz"))


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    for variable in ("GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


GOOGLE_CATALOGS = ["bigquery://my-project.music.tracks", "bigquery:SELECT * FROM t", "gs://bucket/c.jsonl"]


@pytest.mark.parametrize("catalog", GOOGLE_CATALOGS)
def test_google_cloud_without_credentials_fails_at_once(no_credentials: None, catalog: str) -> None:
    pytest.importorskip("google.cloud.bigquery_storage")
    started = time.monotonic()
    assert "needs Google Cloud credentials and none are set up" in message(catalog)
    assert time.monotonic() - started < 15  # those who ask a server for some wait for half a minute


@pytest.mark.parametrize("catalog", GOOGLE_CATALOGS)
def test_google_cloud_with_a_key_file_that_is_gone(
    no_credentials: None, monkeypatch: pytest.MonkeyPatch, catalog: str, tmp_path: pathlib.Path
) -> None:
    pytest.importorskip("google.cloud.bigquery_storage")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone.json"))
    assert "GOOGLE_APPLICATION_CREDENTIALS names a file that does not exist" in message(catalog)


@pytest.mark.parametrize("catalog", GOOGLE_CATALOGS)
def test_google_cloud_without_its_libraries(monkeypatch: pytest.MonkeyPatch, catalog: str) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    assert re.search(r"google\.cloud\.storage is missing.*pip install -e '\.\[gcp\]'", message(catalog))


def test_s3_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert "pip install 'apache-beam[aws]'" in message("s3://bucket/c.jsonl")


@pytest.mark.parametrize(
    "catalog",
    [
        "bigquery://",
        "bigquery://a.b",
        "bigquery://my-project.d.t;x",
        "bigquery:",
        "bigquery:DROP TABLE t",
        "bigquery: my-project.d.t",
        "BigQuery:update t",
    ],
)
def test_a_bigquery_source_that_names_nothing_to_read(catalog: str) -> None:
    assert "bigquery://PROJECT.DATASET.TABLE" in message(catalog)


def test_bigquery_sources() -> None:
    assert parse_bigquery("bigquery://my-project.music.tracks") == BigQuerySource(table="my-project:music.tracks")
    assert parse_bigquery("bigquery://a.org:my-project.d.t") == BigQuerySource(table="a.org:my-project:d.t")
    assert parse_bigquery("bigquery: with x as (select 1) select * from x") == BigQuerySource(
        query="with x as (select 1) select * from x"
    )
    assert parse_bigquery("catalog/bigquery.jsonl") is None
