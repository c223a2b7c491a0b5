"""Lines and rows that are no rows, and files that break off."""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import subprocess
import sys

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from transforms.catalog_files import MAX_RECORD_BYTES, CatalogReadError, name_files
from transforms.catalog_reading import ReadCatalog
from transforms.catalog_records import RecordContent, UnreadableRecord, parse_json_line, read_records


def contents(path: pathlib.Path) -> list[tuple[str, RecordContent]]:
    return list(read_records(name_files([str(path)])[0]))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"nope", "the line is not JSON: Expecting value at character 1"),
        (b'{"track_id": "T1"', "the line is not JSON: Expecting ',' delimiter at character 18"),
        (b'{"a": "x\xff"}', "the line is not UTF-8: byte 9 is 0xff"),
        (b"[1]", "the line is an array, where a JSON object is required"),
        (b'"x"', "the line is a text, where a JSON object is required"),
        (b"null", "the line is null, where a JSON object is required"),
        (b"true", "the line is true or false, where a JSON object is required"),
        (b"NaN", "the line is a number, where a JSON object is required"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the line is not JSON that can be read: a number in it has too many digits"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "the line nests more than 64 JSON arrays and objects"),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "the line nests more than 64 JSON arrays and objects"),
        (b'{"track_id":"a","track_id":"b"}', "track_id stands twice in the line, as 'a' and as 'b'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_line_that_is_no_row(line: bytes, problem: str) -> None:
    content = parse_json_line(line)
    assert isinstance(content, UnreadableRecord)
    assert content.problem == problem
    assert content.raw == line.decode("utf-8", "replace")[:4096]


def test_what_looks_odd_and_is_a_row() -> None:
    depth_64 = b'{"a":' * 64 + b"1" + b"}" * 64
    assert isinstance(parse_json_line(depth_64), dict)
    assert parse_json_line(b'{"x":1,"x":2,"deep":{"track_id":1,"track_id":2}}') == {"x": 2, "deep": {"track_id": 2}}
    assert parse_json_line(b'{"a":"' + b"[" * 100 + b'"}') == {"a": "[" * 100}


def test_a_huge_line_is_one_dead_letter_and_the_next_line_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c.jsonl"
    longest = json.dumps({"track_id": "T1", "audio_uri": "a", "x": ""})
    longest = longest[:-2] + "x" * (MAX_RECORD_BYTES - len(longest)) + '"}'
    path.write_text(f'{longest}\r\n{longest}y\n{"z" * 5_000_000}\n{{"track_id": "T2"}}')
    (first, one_more, huge, last) = contents(path)
    assert first == ("c.jsonl:1", longest.encode())
    assert one_more[0] == "c.jsonl:2"
    assert isinstance(one_more[1], UnreadableRecord)
    assert huge == (
        "c.jsonl:3",
        UnreadableRecord("the line is 5000000 bytes long, more than the 1048576 that a row may have", "z" * 4096),
    )
    assert last == ("c.jsonl:4", b'{"track_id": "T2"}')


def test_a_line_of_300_mb_takes_little_memory(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(300):
            stream.write(b"x" * 1_000_000)
        stream.write(b'\n{"track_id":"T"}\n')
    script = """
import resource, sys
from transforms.catalog_files import name_files
from transforms.catalog_records import read_records
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
print(sum(1 for _ in read_records(name_files([sys.argv[1]])[0])), peak() - before)
"""
    if sys.platform == "win32":  # pragma: no cover
        pytest.skip("resource is POSIX only")
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    records, grown_kib = map(int, done.stdout.split())
    assert records == 2
    # macOS counts bytes, Linux KiB.
    assert grown_kib < 30 * 1024 * (1024 if sys.platform == "darwin" else 1)


def test_csv_rows_that_are_no_rows(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(
        b"track_id , audio_uri,title\n"
        b"T1,a\n"  # 2
        b"T2,a,b,c\n"
        b",,\n"
        b'T4,a,"b"c\n'
        b"T5,a,\xe9t\xe9\n"
        b"T6,a\x00,b\n"
        b"T7,a,b\rT8,a,b\n"
        b'T9,a,"b\n'
        b"T10,a,b\n"
    )
    found = dict(contents(path))
    problems = {place: content.problem for place, content in found.items() if isinstance(content, UnreadableRecord)}
    assert problems.pop("c.csv:5").startswith("the row's quoting is broken (")
    assert problems.pop("c.csv:8").startswith("the row's quoting is broken (")
    assert problems == {
        "c.csv:2": "the row has 2 fields, where the header has 3",
        "c.csv:3": "the row has 4 fields, where the header has 3",
        "c.csv:6": "the row is not UTF-8",
        "c.csv:9": "a quote that opens here is never closed",
    }
    assert found["c.csv:4"] == {"track_id": "", "audio_uri": "", "title": ""}
    assert found["c.csv:7"] == {"track_id": "T6", "audio_uri": "a\x00", "title": "b"}
    assert found["c.csv:10"] == {"track_id": "T10", "audio_uri": "a", "title": "b"}
    assert len(found) == 9


LINES = b"".join(b'{"track_id":"T%d","audio_uri":"a%d"}\n' % (n, n * n) for n in range(5000))


def cut_gzip(path: pathlib.Path) -> None:
    path.write_bytes(gzip.compress(LINES)[:-2000])


def gzip_with_wrong_checksum(path: pathlib.Path) -> None:
    packed = bytearray(gzip.compress(LINES))
    packed[-6] ^= 1
    path.write_bytes(packed)


def gzip_with_damage(path: pathlib.Path) -> None:
    packed = bytearray(gzip.compress(LINES))
    packed[len(packed) // 2 : len(packed) // 2 + 64] = bytes(64)
    path.write_bytes(packed)


def gzip_and_more(path: pathlib.Path) -> None:
    path.write_bytes(gzip.compress(LINES) + b"and something else")


@pytest.mark.parametrize("write", [cut_gzip, gzip_with_wrong_checksum, gzip_with_damage, gzip_and_more])
def test_a_text_file_that_breaks_off(tmp_path: pathlib.Path, write: object) -> None:
    assert callable(write)
    write(tmp_path / "c.jsonl.gz")
    with pytest.raises(CatalogReadError, match=r"catalog file c\.jsonl\.gz cannot be read behind record \d+ \("):
        contents(tmp_path / "c.jsonl.gz")


def test_a_parquet_page_that_is_damaged(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c.parquet"
    ids = [f"T{n}" for n in range(50_000)]
    table = pa.table({"track_id": ids, "audio_uri": ids})
    pq.write_table(
        table, path, row_group_size=5_000, compression="NONE", use_dictionary=False, write_page_checksum=True
    )
    # One id turned into another: only the page's checksum tells.
    path.write_bytes(path.read_bytes().replace(b"T23456", b"T23457", 1))
    with pytest.raises(CatalogReadError, match=r"catalog file c\.parquet cannot be read behind record [1-9]"):
        contents(path)


@pytest.mark.parametrize(("name", "text"), [("c.csv", b"a,b\n1,2\n"), ("c.csv", b"track_id,audio_uri,track_id\n")])
def test_a_header_without_the_required_columns_stops_the_run(tmp_path: pathlib.Path, name: str, text: bytes) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(CatalogReadError, match=r"catalog file c\.csv has "):
        contents(tmp_path / name)


def test_a_file_that_breaks_off_fails_the_run(tmp_path: pathlib.Path) -> None:
    cut_gzip(tmp_path / "c.jsonl.gz")
    pipeline = beam.Pipeline(runner=FnApiRunner())
    _ = pipeline | ReadCatalog(str(tmp_path / "*.gz"))
    with pytest.raises(Exception, match="its other rows would be missing"):
        pipeline.run().wait_until_finish()


def test_files_that_are_gone_fail_the_run(tmp_path: pathlib.Path) -> None:
    pipeline = beam.Pipeline(runner=FnApiRunner())
    _ = pipeline | ReadCatalog(str(tmp_path / "*.jsonl"))
    with pytest.raises(Exception, match="matches no file on the worker"):
        pipeline.run().wait_until_finish()
