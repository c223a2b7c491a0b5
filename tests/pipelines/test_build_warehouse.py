"""The warehouse command on published runs: the same rows, refreshed whole, whatever happens on the way."""

import datetime
import pathlib
import shutil
import signal
import subprocess
import sys

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pipelines.build_warehouse import run
from tests.transforms.generated_tables import RUN_DATE, generate_run
from tests.transforms.published_tables import ask, publish
from transforms.table_schemas import TABLES
from transforms.track_search import TRACK_SEARCH
from transforms.warehouse_views import VIEWS

NEXT_DATE = RUN_DATE + datetime.timedelta(days=1)


def build(tables: pathlib.Path, database: pathlib.Path, *flags) -> int:
    return run([str(argument) for argument in ("--tables", tables, "--database", database, *flags)])


def everything(database: pathlib.Path) -> dict[str, list[str]]:
    return {name: sorted(map(repr, ask(database, f"FROM {name}"))) for name in (*TABLES, "published_runs", *VIEWS)}


def test_the_tables_hold_the_rows_and_types_of_the_files(tables, tmp_path):
    publish(tables, generate_run("run-2", run_date=NEXT_DATE))
    assert build(tables, tmp_path / "w.duckdb") == 0
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as connection:
        for table, schema in TABLES.items():
            rows = connection.sql(f"FROM {table}").to_arrow_table().cast(schema)
            files = [str(path) for path in sorted((tables / table).glob("*/*.parquet"))]
            wanted = ds.dataset(files, partitioning=None).to_table()
            assert len(rows) > 0
            assert sorted(map(repr, rows.to_pylist())) == sorted(map(repr, wanted.to_pylist()))
            nullable = connection.execute(
                "SELECT column_name, is_nullable FROM duckdb_columns() WHERE table_name = ?", [table]
            ).fetchall()
            assert dict(nullable) == {field.name: field.nullable for field in schema}


def test_a_plain_duckdb_reads_the_file_without_earmark_or_the_tables(tables, tmp_path):
    build(tables, tmp_path / "w.duckdb")
    wanted = ask(tmp_path / "w.duckdb", "SELECT track_id, title FROM review_queue ORDER BY queue_position")
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "w.duckdb").rename(tmp_path / "elsewhere" / "moved.duckdb")
    shutil.rmtree(tables)
    program = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); "
        "print(c.execute('SELECT track_id, title FROM review_queue ORDER BY queue_position').fetchall())"
    )
    answer = subprocess.run(
        [sys.executable, "-I", "-c", program, moved], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert wanted
    assert answer.stdout.strip() == repr(wanted)


def test_a_second_run_date_brings_history_and_drift(tables, tmp_path):
    database = tmp_path / "w.duckdb"
    build(tables, database)
    assert ask(database, "SELECT DISTINCT run_date_before FROM category_drift") == [(None,)]
    publish(tables, generate_run("run-2", run_date=NEXT_DATE))
    build(tables, database)
    assert ask(database, "SELECT DISTINCT run_date FROM current_labels") == [(NEXT_DATE,)]
    assert ask(database, "SELECT count(*) FROM label_history") == [(24,)]
    changed = ask(
        database,
        "SELECT count(*) FROM label_history WHERE category <> previous_category AND changed LIKE 'category%' "
        "AND why = 'catalog or settings'",
    )
    before, after = (generate_run(name).tables["track_labels"] for name in ("run-1", "run-2"))
    assert changed == [(sum(a["category"] != b["category"] for a, b in zip(before, after, strict=True)),)]
    assert changed != [(0,)]
    (drift,) = ask(
        database,
        "SELECT sum(tracks_before), sum(tracks_after), sum(share_before), sum(share_after) FROM category_drift",
    )
    assert drift == (12, 12, pytest.approx(1), pytest.approx(1))


def test_a_replaced_partition_replaces_its_rows(tables, tmp_path):
    database = tmp_path / "w.duckdb"
    build(tables, database)
    publish(tables, generate_run("run-again", tracks=6))
    build(tables, database)
    assert ask(database, "SELECT run_id, labels FROM published_runs") == [("run-again", 6)]
    for table in TABLES:
        assert ask(database, f"SELECT DISTINCT run_id FROM {table}") == [("run-again",)]


def test_the_same_again_gives_the_same_rows_and_leaves_nothing_beside(tables, tmp_path):
    database = tmp_path / "new" / "w.duckdb"
    build(tables, database)
    before = everything(database)
    build(tables, database)
    assert everything(database) == before
    assert sorted(path.name for path in database.parent.iterdir()) == [".w.duckdb.lock", "w.duckdb"]


def test_runs_without_rows_give_empty_tables_and_views(tmp_path):
    publish(tmp_path / "out", generate_run("run-empty", tracks=0))
    build(tmp_path / "out", tmp_path / "w.duckdb", "--search_output", tmp_path / "search")
    found = everything(tmp_path / "w.duckdb")
    assert len(found.pop("published_runs")) == 1
    assert set(map(len, found.values())) == {0}
    assert pq.read_table(tmp_path / "search" / "track_search.parquet").num_rows == 0


def test_hostile_titles_and_folders_are_only_text(tmp_path):
    hostile = """'); DROP TABLE track_labels; --" {x} $1 \\ *[a-z]?"""
    folder = tmp_path / 'o\'ut [1]* ; -- "x"'
    folder.mkdir()
    generated = generate_run("run-1")
    generated.tables["track_labels"][0]["title"] = hostile
    publish(folder / "tables", generated)
    pq.write_table(streams_of(generated, {0: 7}), folder / "streams[1].parquet")
    flags = ("--streams", folder / "streams[1].parquet", "--search_output", folder / "search'")
    assert build(folder / "tables", folder / "w'[1].duckdb", *flags) == 0
    assert ask(folder / "w'[1].duckdb", "SELECT title FROM current_labels ORDER BY track_id LIMIT 1") == [(hostile,)]
    assert pq.read_table(folder / "search'" / "track_search.parquet")["title"][0].as_py() == hostile


def streams_of(generated, counts: dict[int, int], licensor: str = "Licensor A") -> pa.Table:
    ids = [generated.tables["track_labels"][number]["track_id"] for number in counts]
    columns = {"track_id": ids, "month": ["2026-01"] * len(ids), "licensor": [licensor] * len(ids)}
    return pa.table(columns | {"streams": list(counts.values())})


def test_streams_order_the_review_queue_and_are_read_anew_each_time(tables, tmp_path, capsys):
    generated = generate_run("run-1")
    review = [n for n, row in enumerate(generated.tables["track_labels"]) if row["decision"] == "review"]
    assert len(review) >= 2
    database = tmp_path / "w.duckdb"
    for order in (review, review[::-1]):
        counts = {number: 1000 - place for place, number in enumerate(order)}
        pq.write_table(streams_of(generated, counts), tmp_path / "streams-1.parquet")
        assert build(tables, database, "--streams", tmp_path / "streams-*.parquet") == 0
        queue = ask(database, "SELECT track_id, streams_at_stake FROM review_queue ORDER BY queue_position")
        ids = [generated.tables["track_labels"][number]["track_id"] for number in order]
        assert queue == [(track_id, 1000 - place) for place, track_id in enumerate(ids)]
    assert f"{len(review)} rows of streams" in capsys.readouterr().out
    build(tables, database)
    assert ask(database, "SELECT DISTINCT streams_at_stake FROM review_queue") == [(None,)]


def test_months_may_be_dates(tables, tmp_path):
    streams = streams_of(generate_run("run-1"), {0: 5})
    dates = pa.array([datetime.date(2026, 1, 1)], pa.date32())
    pq.write_table(streams.set_column(1, "month", dates), tmp_path / "s.parquet")
    build(tables, tmp_path / "w.duckdb", "--streams", tmp_path / "s.parquet")
    assert ask(tmp_path / "w.duckdb", "SELECT month, streams FROM streams") == [("2026-01", 5)]


def test_track_search_is_exported_with_its_declared_schema(tables, tmp_path):
    build(tables, tmp_path / "w.duckdb", "--search_output", tmp_path / "search")
    exported = pq.read_table(tmp_path / "search" / "track_search.parquet")
    assert exported.schema.equals(TRACK_SEARCH)
    rows = ask(tmp_path / "w.duckdb", "FROM track_search ORDER BY track_id")
    assert [tuple(row.values()) for row in exported.to_pylist()] == rows
    assert len(rows) == 12
    assert [path.name for path in (tmp_path / "search").iterdir()] == ["track_search.parquet"]


def test_an_older_file_without_a_newer_nullable_column_is_read(tables, tmp_path, monkeypatch):
    newer = TABLES["track_labels"].append(pa.field("mood", pa.string(), True, {"description": "Not there yet."}))
    monkeypatch.setitem(TABLES, "track_labels", newer)
    build(tables, tmp_path / "w.duckdb")
    assert ask(tmp_path / "w.duckdb", "SELECT DISTINCT mood FROM current_labels") == [(None,)]


@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGKILL, "warehouse.refuse_mixed_models"), (signal.SIGKILL, "warehouse.Warehouse._replace"),
     (signal.SIGTERM, "warehouse.refuse_mixed_models")],
)  # fmt: skip
def test_a_build_that_is_stopped_leaves_the_old_file(tables, tmp_path, number, moment):
    database = tmp_path / "w.duckdb"
    build(tables, database)
    before = everything(database)
    publish(tables, generate_run("run-2", run_date=NEXT_DATE))
    program = (
        "import os, time; from transforms import warehouse; from pipelines.build_warehouse import run\n"
        f"{moment} = lambda *a: (os.kill(os.getpid(), {int(number)}), time.sleep(60))\n"
        f"run(['--tables', {str(tables)!r}, '--database', {str(database)!r}])"
    )
    stopped = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, check=False)
    assert stopped.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 128 + number)
    assert everything(database) == before
    assert (tmp_path / ".w.duckdb.building").exists() == (number == signal.SIGKILL)
    assert build(tables, database) == 0
    assert ask(database, "SELECT count(*) FROM published_runs") == [(2,)]
    assert not (tmp_path / ".w.duckdb.building").exists()


def test_a_reader_keeps_its_rows_until_it_opens_the_file_anew(tables, tmp_path):
    database = tmp_path / "w.duckdb"
    build(tables, database)
    program = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True)\n"
        "for line in sys.stdin: print(c.execute('SELECT count(*) FROM track_labels').fetchone()[0], flush=True)"
    )
    arguments = [sys.executable, "-c", program, str(database)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin and reader.stdout
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "12\n"
        publish(tables, generate_run("run-2", run_date=NEXT_DATE))
        assert build(tables, database) == 0
        assert ask(database, "SELECT count(*) FROM track_labels") == [(24,)]
        reader.stdin.write("\n")
        reader.stdin.close()
        assert reader.stdout.readline() == "12\n"


def test_the_log_of_a_killed_writer_is_not_played_into_the_new_file(tables, tmp_path):
    database = tmp_path / "w.duckdb"
    build(tables, database)
    program = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('DELETE FROM track_labels'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", program, str(database)], check=False)
    assert (tmp_path / "w.duckdb.wal").exists()
    build(tables, database)
    assert ask(database, "SELECT count(*) FROM track_labels") == [(12,)]


def test_a_link_goes_on_pointing_to_the_file(tables, tmp_path):
    build(tables, tmp_path / "real.duckdb")
    (tmp_path / "link.duckdb").symlink_to(tmp_path / "real.duckdb")
    publish(tables, generate_run("run-2", run_date=NEXT_DATE))
    build(tables, tmp_path / "link.duckdb")
    assert (tmp_path / "link.duckdb").is_symlink()
    assert ask(tmp_path / "real.duckdb", "SELECT count(*) FROM published_runs") == [(2,)]
