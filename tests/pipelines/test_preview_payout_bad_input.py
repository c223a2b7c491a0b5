"""Wrong arguments and streams of the payout preview: exit status 2, one sentence, nothing written."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.preview_payout import run
from tests.pipelines.published_run import publish_run
from tests.pipelines.refusals import refusal

ROW = {"track_id": "t", "month": "2026-11", "licensor": "A", "streams": 5}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("payout") / "out"
    publish_run(folder, "2026-11-24", "spotify", tracks=3)
    pq.write_table(pa.Table.from_pylist([ROW]), folder.parent / "good.parquet")
    return folder


FLAGS = [
    ({"--tables": "{t}/none"}, ["--tables", "is not there"]),
    ({"--tables": "gs://bucket/out"}, ["--tables gs://bucket/out", "local"]),
    ({"--tables": "{t}"}, ["holds no published run"]),
    ({"--run_date": "2026-11-23"}, ["no published run of 2026-11-23", "2026-11-24"]),
    ({"--policy": "deezer"}, ["--policy deezer", "has spotify", "categorize_tracks with --policy deezer"]),
    ({"--streams": "{t}/none*.parquet"}, ["--streams", "matches no file"]),
    ({"--streams": "s3://bucket/*.parquet"}, ["--streams s3://bucket", "local"]),
    ({"--month": "2026-13"}, ["--month", "2026-13"]),
    ({"--month": "2026-12"}, ["--month 2026-12", "latest is 2026-11"]),
    ({"--pool": "1e6"}, ["--pool", "'1e6'"]),
    ({"--pool": "-5"}, ["--pool", "-5"]),
    ({"--pool": "1.005"}, ["--pool", "'1.005'", "two decimals"]),
    ({"--pool": "0"}, ["--pool", "'0'"]),
    ({"--pool": "99999999999999999"}, ["--pool"]),
    ({"--output": "{t}/good.parquet"}, ["--output", "good.parquet"]),
    ({"--output": "{t}/out/track_labels/run_date=2026-11-24"}, ["--output", "is in track_labels of --tables"]),
    ({"--output": "{t}/out/track_labels/../runs/p"}, ["--output", "is in runs of --tables"]),
]


@pytest.mark.parametrize(("changes", "named"), FLAGS, ids=[str(changes) for changes, _ in FLAGS])
def test_bad_flag(changes, named, tables, tmp_path, capsys):
    here = str(tables.parent)
    flags = {"--tables": tables, "--streams": f"{here}/good.parquet", "--policy": "spotify", "--output": tmp_path / "p"}
    flags |= {flag: value.format(t=here) for flag, value in changes.items()}
    message = refusal(capsys, run, *(f"{flag}={value}" for flag, value in flags.items()))
    for text in named:
        assert text in message
    assert not (tmp_path / "p").exists()
    assert not list(tables.rglob("payout_*"))


STREAMS = [
    ([ROW | {"streams": -1}], ["track 't' has -1 streams", "add a correction to the month"]),
    ([ROW, ROW | {"streams": None}], ["column streams has rows without a value"]),
    ([ROW | {"track_id": None}, ROW], ["column track_id has rows without a value"]),
    ([ROW, ROW | {"track_id": ""}], ["column track_id has rows without a value"]),
    ([ROW | {"month": "November"}], ["'November' is no month", "YYYY-MM"]),
    ([ROW | {"month": "2026-00"}, ROW], ["'2026-00'"]),
    ([ROW, ROW | {"month": None}], ["column month has rows without a value"]),
    ([ROW | {"streams": 2.5}], ["streams is of type double", "an integer"]),
    ([ROW | {"track_id": 7}, ROW | {"track_id": 8}], ["track_id is of type int64", "text"]),
    ([{k: v for k, v in ROW.items() if k != "licensor"}], ["lacks the column licensor"]),
    ([ROW | {"streams": 2**62}], ["more than there can be"]),
]


@pytest.mark.parametrize(("rows", "named"), STREAMS, ids=[named[0] for _, named in STREAMS])
def test_bad_streams(rows, named, tables, tmp_path, capsys):
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "s.parquet")
    argv = ["--tables", tables, "--streams", tmp_path / "s.parquet", "--policy", "spotify"]
    message = refusal(capsys, run, *argv, "--output", tmp_path / "p")
    for text in named:
        assert text in message
    assert not (tmp_path / "p").exists()


def test_streams_that_are_no_parquet_or_have_no_rows(tables, tmp_path, capsys):
    argv = ["--tables", tables, "--streams", tmp_path / "s.parquet", "--policy", "spotify", "--output", tmp_path / "p"]
    (tmp_path / "s.parquet").write_bytes(b"track_id,month\n")
    assert "is no Parquet file" in refusal(capsys, run, *argv)
    pq.write_table(pa.Table.from_pylist([ROW]).slice(0, 0), tmp_path / "s.parquet")
    assert "hold no rows" in refusal(capsys, run, *argv)


def test_a_run_whose_file_has_gone(tables, tmp_path, capsys):
    folder = tmp_path / "out"
    publish_run(folder, "2026-11-24", "spotify", tracks=3)
    (file,) = folder.glob("royalty_treatments/*/*.parquet")
    file.unlink()
    argv = ["--tables", folder, "--streams", tables.parent / "good.parquet", "--policy", "spotify"]
    message = refusal(capsys, run, *argv, "--output", tmp_path / "p")
    assert file.name in message
    assert "is not as it was published" in message


@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_streams_whose_pages_are_damaged(tables, tmp_path, capsys, compression):
    path = tmp_path / "streams.parquet"
    rows = [ROW | {"track_id": f"t{i}"} for i in range(5000)]
    pq.write_table(pa.Table.from_pylist(rows), path, compression=compression)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"?" * 60 + whole[64:])
    flags = ["--tables", tables, "--streams", path, "--policy", "spotify", "--output", tmp_path / "p"]
    assert "streams.parquet: cannot be read to its end" in refusal(capsys, run, *flags)
    assert not (tmp_path / "p").exists()


def test_an_output_that_cannot_be_written(tables, tmp_path, capsys):
    flags = ["--tables", tables, "--streams", tables.parent / "good.parquet", "--policy", "spotify"]
    for output in ("/proc/payout", tmp_path / ("x" * 300)):
        assert "--output" in refusal(capsys, run, *flags, "--output", output)
