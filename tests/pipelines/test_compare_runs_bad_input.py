"""Wrong arguments and tables of the comparison: exit status 2, one sentence, nothing written."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.compare_runs import run
from tests.pipelines.published_run import publish_run
from tests.pipelines.refusals import refusal


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    for date, run_id in (("2026-11-23", "a"), ("2026-11-24", "b")):
        publish_run(folder / "out", date, "spotify", run_id=run_id, tracks=3)
    publish_run(folder / "plain", "2026-11-24", run_id="c", tracks=3)
    row = {"track_id": "t", "month": "2026-11", "licensor": "A", "streams": 5}
    pq.write_table(pa.Table.from_pylist([row]), folder / "good.parquet")
    pq.write_table(pa.Table.from_pylist([row | {"streams": -5}]), folder / "bad.parquet")
    (folder / "empty").mkdir()
    (folder / "link").symlink_to(folder / "out")
    return folder


FLAGS = [
    ({"--before": "{t}/none"}, ["--before", "none", "is not there"]),
    ({"--after": "{t}/none"}, ["--after", "none", "is not there"]),
    ({"--before": "{t}/empty"}, ["--before", "holds no published run"]),
    ({"--after": "{t}/good.parquet"}, ["--after", "is no folder"]),
    ({"--before": "ftp://host/out"}, ["--before ftp://host/out", "not supported"]),
    ({"--before_run_date": "2026-11-22"}, ["--before", "no published run of 2026-11-22", "2026-11-23"]),
    ({"--before_run_date": "2026-11-24"}, ["--before_run_date 2026-11-24", "run of --after too"]),
    ({"--after_run_date": "2026-11-23"}, ["no published run earlier than 2026-11-23"]),
    ({"--before_run_date": "yesterday"}, ["--before_run_date", "'yesterday'"]),
    ({"--policy": "deezer"}, ["--policy deezer", "has spotify"]),
    ({"--streams": "{t}/none*.parquet"}, ["--streams", "matches no file"]),
    ({"--streams": "{t}/bad.parquet"}, ["track 't' has -5 streams"]),
    ({"--streams": "{t}/good.parquet", "--after": "{t}/plain"}, ["--streams", "no policy was evaluated by both"]),
    ({"--month": "2026-11"}, ["--month 2026-11", "needs --streams"]),
    ({"--pool": "5"}, ["--pool", "needs --streams"]),
    ({"--max_moved_share": "0.1"}, ["--max_moved_share 0.1", "needs --streams"]),
    ({"--max_changed_share": "5"}, ["--max_changed_share", "'5'", "from 0 to 1"]),
    ({"--max_changed_share": "nan"}, ["--max_changed_share", "'nan'"]),
    ({"--max_music_to_functional": "0.5"}, ["--max_music_to_functional", "'0.5'", "whole number"]),
    ({"--config": "{t}/none.yaml"}, ["--config", "none.yaml"]),
    ({"--output": "{t}/good.parquet"}, ["--output", "good.parquet"]),
    ({"--output": "{t}/out"}, ["--output", "is in --before", "give a path outside it"]),
    ({"--output": "{t}/link/c"}, ["--output", "is in --before"]),
    ({"--output": "{t}/plain/c", "--after": "{t}/plain"}, ["--output", "is in --after"]),
]


@pytest.mark.parametrize(("changes", "named"), FLAGS, ids=[str(changes) for changes, _ in FLAGS])
def test_bad_flag(changes, named, tables, tmp_path, capsys):
    flags = {"--before": f"{tables}/out", "--after": f"{tables}/out", "--output": tmp_path / "c"}
    flags |= {flag: value.format(t=tables) for flag, value in changes.items()}
    message = refusal(capsys, run, *(f"{flag}={value}" for flag, value in flags.items()))
    for text in named:
        assert text in message
    assert not (tmp_path / "c").exists()
    assert not list(tables.rglob("comparison.*"))


def test_a_file_that_is_not_what_was_published(tables, tmp_path, capsys):
    publish_run(tmp_path / "out", "2026-11-24", run_id="b", tracks=3)
    (file,) = (tmp_path / "out").glob("track_labels/*/*.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    argv = ["--before", tables / "out", "--after", tmp_path / "out", "--output", tmp_path / "c"]
    assert "--after" in (message := refusal(capsys, run, *argv)) and "has changed" in message
    file.unlink()
    assert "is not there" in refusal(capsys, run, *argv)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("summary", ["{", "[]", "{}"])
def test_a_staging_folder_that_is_not_earmarks(tables, tmp_path, capsys, summary):
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged" / "run_summary.json").write_text(summary)
    argv = ["--before", tables / "out", "--after", tmp_path / "staged", "--output", tmp_path / "c"]
    assert "run_summary.json is none of Earmark's" in refusal(capsys, run, *argv)


def test_a_summary_that_leads_out_of_its_folder(tables, tmp_path, capsys):
    (tmp_path / "staged").mkdir()
    manifest = json.loads((tables / "out" / "runs" / "b" / "manifest.json").read_text())
    summary = manifest["summary"] | {"files": [dict(file, path=f"../{file['path']}") for file in manifest["files"]]}
    (tmp_path / "staged" / "run_summary.json").write_text(json.dumps(summary))
    argv = ["--before", tables / "out", "--after", tmp_path / "staged", "--output", tmp_path / "c"]
    assert "outside its partition" in refusal(capsys, run, *argv)
