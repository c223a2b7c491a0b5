"""Catalogs that can be read, and the digest of what they hold."""

from __future__ import annotations

import gzip
import pathlib
import random
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.catalog_checks import catalog_fingerprint, check_catalog

ROW = b'{"track_id":"T1","audio_uri":"a.ogg"}\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.jsonl", ROW),
        ("c.json", b"\xef\xbb\xbf\n" + ROW),
        ("c.ndjson", b""),
        ("c.jsonl.gz", gzip.compress(ROW, mtime=0)),
        ("c.jsonl.gz", b""),
        ("c.csv", b""),
        ("c.csv", b'\xef\xbb\xbf"track_id", audio_uri ,x,x\r\n'),
        ("c.csv.gz", gzip.compress(b"audio_uri,track_id\n", mtime=0)),
        ("c.jsonl", b"the first line is bad\n" + ROW),
    ],
)
def test_what_can_be_read(tmp_path: pathlib.Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    check_catalog(str(tmp_path / name))
    check_catalog(str(tmp_path / "*"))
    assert len(catalog_fingerprint(str(tmp_path / name))) == 64


def test_checks_need_no_beam(tmp_path: pathlib.Path) -> None:
    (tmp_path / "c.jsonl").write_bytes(ROW)
    script = (
        "import sys; from transforms.catalog_checks import *; check_catalog(sys.argv[1]);"
        "catalog_fingerprint(sys.argv[1]);"
        "sys.exit('apache_beam' in sys.modules or 'google.auth' in sys.modules)"
    )
    root = str(pathlib.Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "c.jsonl")], check=True, cwd=root)


def write(path: pathlib.Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("header", [b"", b"track_id,audio_uri\n"], ids=["jsonl", "csv"])
def test_the_fingerprint_is_of_the_records_and_not_of_their_order(tmp_path: pathlib.Path, header: bytes) -> None:
    ending = ".csv" if header else ".jsonl"
    records = [b'{"track_id":"%d"}' % n if not header else b'%d,"a\nb %d"' % (n, n) for n in range(50)]
    first = catalog_fingerprint(write(tmp_path / f"a{ending}", header + b"\n".join(records)))
    random.Random(1).shuffle(records)
    text = header + b"\n".join(records)
    assert catalog_fingerprint(write(tmp_path / f"b{ending}", text + b"\n\n")) == first
    packed = gzip.compress(b"\xef\xbb\xbf" + text, mtime=0)
    assert catalog_fingerprint(write(tmp_path / f"c{ending}.gz", packed)) == first
    # The same rows in two files, each with the header.
    (tmp_path / "parts").mkdir()
    write(tmp_path / "parts" / f"1{ending}", header + b"\n".join(records[:20]))
    write(tmp_path / "parts" / f"2{ending}", header + b"\n".join(records[20:]))
    assert catalog_fingerprint(str(tmp_path / "parts" / f"*{ending}")) == first
    # Other rows, a row twice, and another header are another content.
    for changed in (text.replace(b"7", b"8", 1), text + b"\n" + records[0], text.replace(b"track_id", b"track", 1)):
        assert catalog_fingerprint(write(tmp_path / f"d{ending}", changed)) != first


def test_a_row_is_not_mixed_from_the_lines_of_others(tmp_path: pathlib.Path) -> None:
    first = catalog_fingerprint(write(tmp_path / "a.csv", b'track_id,audio_uri\nT1,"a\nb"\nT2,"c\nd"\n'))
    second = catalog_fingerprint(write(tmp_path / "b.csv", b'track_id,audio_uri\nT1,"a\nd"\nT2,"c\nb"\n'))
    assert first != second


def test_the_fingerprint_says_which_header_a_record_stands_under(tmp_path: pathlib.Path) -> None:
    one, other = b"track_id,audio_uri,title,artist\n", b"track_id,audio_uri,artist,title\n"
    rows = b"T1,a,X,Y\n", b"T2,b,X,Y\n"
    found = []
    for name, (first, second) in (("a", rows), ("b", rows[::-1])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.csv").write_bytes(one + first)
        (tmp_path / name / "2.csv").write_bytes(other + second)
        found.append(catalog_fingerprint(str(tmp_path / name / "*.csv")))
    assert found[0] != found[1]


def test_fingerprint_of_parquet_and_of_bigquery(tmp_path: pathlib.Path) -> None:
    for name, track in (("a", "T1"), ("b", "T2")):
        pq.write_table(pa.table({"track_id": [track], "audio_uri": ["x"]}), tmp_path / f"{name}.parquet")
    both = catalog_fingerprint(str(tmp_path / "*.parquet"))
    (tmp_path / "a.parquet").rename(tmp_path / "z.parquet")
    assert catalog_fingerprint(str(tmp_path / "*.parquet")) == both
    assert catalog_fingerprint(str(tmp_path / "b.parquet")) != both
    sources = ["bigquery://my-project.d.t", "bigquery://my-project.d.u", "bigquery:SELECT 1"]
    assert len({catalog_fingerprint(source) for source in sources}) == 3
