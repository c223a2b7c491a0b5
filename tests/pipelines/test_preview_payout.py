"""The payout preview on a published run: real files in, real files out."""

from __future__ import annotations

import datetime
import random
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.preview_payout import run
from tests.pipelines.published_run import publish_run
from transforms.payout_tables import PREVIEW_TABLES


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("payout") / "out"
    labels = publish_run(folder, "2026-11-24", "spotify", "deezer")
    rng = random.Random(5)
    ids = [label["track_id"] for label in labels] + ["gone"]
    for month in ("2026-10", "2026-11"):
        rows = [
            {"track_id": t, "month": month, "licensor": rng.choice(["A", "B", None]), "streams": rng.randint(0, 9999)}
            for t in ids
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder.parent / f"streams-{month}.parquet")
    return folder


def preview(tables, output, *flags) -> dict[str, list[dict]]:
    argv = ["--tables", tables, "--streams", tables.parent / "streams-*.parquet", "--policy", "spotify"]
    assert run([str(argument) for argument in (*argv, "--output", output, *flags)]) == 0
    found = {}
    for name, schema in PREVIEW_TABLES.items():
        table = pq.read_table(output / f"{name}.parquet")
        assert table.schema.equals(schema, check_metadata=False)
        found[name] = table.to_pylist()
    return found


def test_the_pool_adds_up_under_each_policy_and_no_stream_is_lost(tables, tmp_path, capsys):
    found = preview(tables, tmp_path, "--policy", "deezer", "--pool", "1000000.01")
    streams = f"SELECT sum(streams) FROM read_parquet('{tables.parent}/streams-*.parquet') WHERE month = '2026-11'"
    ((all_streams,),) = duckdb.sql(streams).fetchall()
    for policy_id in ("spotify", "deezer"):
        rows = [row for row in found["payout_split"] if row["policy_id"] == policy_id]
        assert sum(row["amount"] for row in rows) == Decimal("1000000.01")
        assert sum(row["share"] for row in rows) == 1
        assert sum(row["streams"] for row in rows) == all_streams
        assert {row["licensor"] for row in rows} == {"A", "B", None}
        assert any(row["royalty_class"] == "unlabelled" for row in rows)
        assert {row["month"] for row in rows} == {"2026-11"}
    assert {row["policy_id"] for row in found["payout_difference"]} == {"deezer"}
    assert sum(row["amount_difference"] for row in found["payout_difference"]) == 0
    assert [row["track_id"] for row in found["unlabelled_tracks"]] == ["gone"]
    deezer = [row for row in found["payout_split"] if row["policy_id"] == "deezer"]
    assert {row["amount"] for row in deezer if row["royalty_class"] == "functional"} == {Decimal(0)}
    printed = capsys.readouterr().out
    for words in (
        "spotify",
        "pending_review",
        "(none named)",
        "without a label, paid as music: 1,",
        "from 2026-10 on",
    ):
        assert words in printed


def test_without_a_pool_there_are_shares_and_no_money(tables, tmp_path):
    found = preview(tables, tmp_path, "--month", "2026-10")
    assert {row["amount"] for row in found["payout_split"]} == {None}
    assert sum(row["share"] for row in found["payout_split"]) == 1
    assert {row["month"] for row in found["payout_split"]} == {"2026-10"}
    assert found["payout_difference"] == []


def test_the_same_preview_gives_the_same_bytes(tables, tmp_path):
    preview(tables, tmp_path / "a", "--policy", "deezer", "--pool", "99.99")
    preview(tables, tmp_path / "b", "--policy", "deezer", "--pool", "99.99")
    for name in PREVIEW_TABLES:
        assert (tmp_path / "a" / f"{name}.parquet").read_bytes() == (tmp_path / "b" / f"{name}.parquet").read_bytes()


def test_the_latest_published_run_is_taken_unless_another_is_named(tables, tmp_path):
    folder = tmp_path / "out"
    for date, run_id in (("2026-11-22", "old"), ("2026-11-23", "new")):
        publish_run(folder, date, "spotify", run_id=run_id)
    publish_run(folder, "2026-11-24", "spotify", run_id="unfinished")
    (folder / "runs" / "unfinished" / "_SUCCESS").unlink()
    argv = ["--tables", folder, "--streams", tables.parent / "streams-2026-11.parquet", "--policy", "spotify"]
    for flags, run_id in (([], "new"), (["--run_date", "2026-11-22"], "old")):
        assert run([str(argument) for argument in (*argv, "--output", tmp_path / "p", *flags)]) == 0
        rows = pq.read_table(tmp_path / "p" / "payout_split.parquet").to_pylist()
        assert {row["run_id"] for row in rows} == {run_id}


def test_a_month_may_be_a_date_in_one_file_and_text_in_another(tables, tmp_path):
    rows = [{"track_id": "t", "month": datetime.date(2026, 11, 30), "licensor": "A", "streams": 5000}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "s-1.parquet")
    pq.write_table(pa.Table.from_pylist([rows[0] | {"month": "2026-11", "streams": 7}]), tmp_path / "s-2.parquet")
    argv = ["--tables", tables, "--streams", tmp_path / "s-*.parquet", "--policy", "deezer", "--pool", "10"]
    assert run([str(argument) for argument in (*argv, "--output", tmp_path / "p")]) == 0
    (row,) = pq.read_table(tmp_path / "p" / "payout_split.parquet").to_pylist()
    assert (row["month"], row["streams"], row["amount"], row["royalty_class"]) == (
        "2026-11", 5007, Decimal(10), "unlabelled",
    )  # fmt: skip


def test_nothing_to_divide_is_said(tables, tmp_path, capsys):
    rows = [{"track_id": "t", "month": "2026-11", "licensor": "A", "streams": 0}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "s.parquet")
    argv = ["--tables", tables, "--streams", tmp_path / "s.parquet", "--policy", "spotify", "--pool", "10"]
    assert run([str(argument) for argument in (*argv, "--output", tmp_path / "p")]) == 0
    assert "Under spotify no stream earns; 10.00 are not divided." in capsys.readouterr().out
    (row,) = pq.read_table(tmp_path / "p" / "payout_split.parquet").to_pylist()
    assert (row["tracks"], row["streams"], row["share"], row["amount"]) == (1, 0, 0, 0)


def test_a_preview_that_fails_leaves_nothing_of_an_earlier_one(tables, tmp_path, monkeypatch):
    preview(tables, tmp_path / "p", "--policy", "spotify")
    (tmp_path / "p" / "notes.txt").write_text("of the user")

    def fails(*unused):
        assert {path.name for path in (tmp_path / "p").glob("*.parquet")} <= {"payout_difference.parquet"}
        raise OSError("as a disk does")

    monkeypatch.setattr("pipelines.preview_payout.write_unlabelled", fails)
    with pytest.raises(OSError, match="as a disk does"):
        preview(tables, tmp_path / "p", "--policy", "spotify")
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["notes.txt"]
