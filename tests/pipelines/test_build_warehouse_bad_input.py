"""What the warehouse command refuses, each with one sentence, status 2 and the old file as it was."""

import fcntl
import json
import pathlib
import shutil
import subprocess
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.build_warehouse import run
from tests.pipelines.refusals import refusal
from tests.transforms.generated_tables import generate_run
from tests.transforms.published_tables import ask, publish
from transforms.table_schemas import TABLES

PARTITION = "run_date=2026-01-31"


@pytest.fixture
def refused(tables, tmp_path, capsys):
    """Build, expect a refusal, and give its sentence."""

    def refuse(*flags, tables=tables, database=tmp_path / "w.duckdb") -> str:
        argv = ["--tables", tables, "--database", database, *flags]
        message = refusal(capsys, run, *argv)
        assert message.endswith(".")
        assert not list(tmp_path.rglob(".*.building"))
        return message

    return refuse


def data_file(tables: pathlib.Path, table: str = "track_labels") -> pathlib.Path:
    return next((tables / table / PARTITION).glob("*.parquet"))


def test_a_folder_that_is_missing_remote_a_file_or_none_of_earmarks(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("no tables here")
    (tmp_path / "other" / "runs").mkdir(parents=True)
    assert "is not there" in refused(tables=tmp_path / "nowhere")
    assert "is no folder" in refused(tables=tmp_path / "notes.txt")
    assert "holds no published run" in refused(tables=tmp_path / "other")
    assert "must be on a local disk" in refused(tables="gs://bucket/out")
    assert not (tmp_path / "w.duckdb").exists()


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [("{", "is no manifest"), ("[]", "is no manifest"), ('{"run_id": "x"}', "is no manifest"),
     ('{"manifest_version": 99}', "has the version 99")],
)  # fmt: skip
def test_a_manifest_that_is_not_earmarks(refused, tables, manifest, complaint):
    (tables / "runs" / "run-1" / "manifest.json").write_text(manifest)
    assert complaint in refused()


def test_a_manifest_that_leads_out_of_its_partition(refused, tables):
    path = tables / "runs" / "run-1" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][0]["path"] = "../../etc/secret.parquet"
    path.write_text(json.dumps(manifest))
    assert "outside its partition" in refused()


def test_a_partition_that_is_half_there(refused, tables):
    data_file(tables).unlink()
    assert "is not there" in refused()


def test_a_file_that_was_cut_off(refused, tables):
    path = data_file(tables)
    path.write_bytes(path.read_bytes()[:-9])
    assert "in the place of" in refused()


def test_a_file_that_was_changed_in_place(refused, tables):
    path = data_file(tables, "track_embeddings")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "has changed" in refused()


def test_a_file_that_no_run_wrote(refused, tables):
    shutil.copy(data_file(tables), data_file(tables).with_name("part-of-mine.parquet"))
    assert "part-of-mine.parquet is not of this run" in refused()


def test_a_partition_that_no_run_claims(refused, tables):
    shutil.copytree(tables / "track_labels" / PARTITION, tables / "track_labels" / "run_date=2026-02-01")
    assert "run_date=2026-02-01 belongs to no published run" in refused()


def test_a_run_that_is_being_replaced(refused, tables):
    (tables / "runs" / "run-1" / "REPLACED_BY").write_text("run-2\n")
    assert "belongs to no published run: one is at work" in refused()


def test_a_refusal_leaves_the_old_file(refused, tables, tmp_path):
    assert run(["--tables", str(tables), "--database", str(tmp_path / "w.duckdb")]) == 0
    before = ask(tmp_path / "w.duckdb", "FROM current_labels ORDER BY track_id")
    data_file(tables, "track_segments").write_bytes(b"PAR1")
    refused()
    assert ask(tmp_path / "w.duckdb", "FROM current_labels ORDER BY track_id") == before


def test_a_column_of_another_type(refused, monkeypatch):
    changed = pa.schema([f.with_type(pa.float32()) if f.name == "confidence" else f for f in TABLES["track_labels"]])
    monkeypatch.setitem(TABLES, "track_labels", changed)
    assert "the column confidence is of type double in the place of float" in refused()


def test_a_partition_of_two_models(refused, tmp_path):
    mixed = generate_run("run-mixed")
    mixed.tables["track_embeddings"][3] |= {"model_version": "m0"}
    publish(tmp_path / "mixed", mixed)
    assert "mixes the models m0, m1" in refused(tables=tmp_path / "mixed")


def test_embeddings_of_two_lengths(refused, tmp_path):
    uneven = generate_run("run-uneven")
    uneven.tables["track_embeddings"][3]["embedding"] = [1.0]
    publish(tmp_path / "uneven", uneven)
    assert "embeddings of m1 have 1 and 8 numbers" in refused(tables=tmp_path / "uneven")


def test_a_database_that_is_a_folder_or_in_no_folder(refused, tmp_path):
    assert "is a folder" in refused(database=tmp_path)
    (tmp_path / "file").touch()
    assert "cannot be written" in refused(database=tmp_path / "file" / "w.duckdb")


def test_a_database_that_is_something_else(refused, tmp_path):
    (tmp_path / "thesis.docx").write_text("a year of work")
    assert "is left alone" in refused(database=tmp_path / "thesis.docx")
    assert (tmp_path / "thesis.docx").read_text() == "a year of work"
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    assert "without Earmark's tables" in refused(database=tmp_path / "empty.duckdb")


def test_a_warehouse_with_somebodys_own_table(refused, tables, tmp_path):
    run(["--tables", str(tables), "--database", str(tmp_path / "w.duckdb")])
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute('CREATE TABLE "my work" AS SELECT 1 AS one')
    assert "holds 'my work', which is not Earmark's" in refused()
    assert ask(tmp_path / "w.duckdb", 'FROM "my work"') == [(1,)]


def test_a_database_that_another_process_writes(refused, tables, tmp_path):
    run(["--tables", str(tables), "--database", str(tmp_path / "w.duckdb")])
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    arguments = [sys.executable, "-c", program, str(tmp_path / "w.duckdb")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin and writer.stdout
        writer.stdout.readline()
        assert "another process has it open for writing" in refused()
        writer.stdin.close()


def test_two_builds_at_once(refused, tmp_path):
    with (tmp_path / ".w.duckdb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another build_warehouse is at work" in refused()


GOOD = {"track_id": ["a"], "month": ["2026-01"], "licensor": ["L"], "streams": [1]}


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [({"streams": None}, "lacks the column streams"), ({"streams": ["1"]}, "must be an integer"),
     ({"streams": [-1]}, "track 'a' has -1 streams"), ({"track_id": [""]}, "rows without a value"),
     ({"streams": pa.array([None], pa.int64())}, "rows without a value"),
     ({"streams": pa.array([2**63], pa.uint64())}, "the column streams holds"),
     ({"month": ["January"]}, "'January' is no month"), ({"month": ["2026-13"]}, "'2026-13' is no month"),
     ({"month": [202601]}, "must be text (YYYY-MM) or a date"), ({"track_id": [7]}, "must be text")],
)  # fmt: skip
def test_streams_that_cannot_be_counted(refused, tmp_path, columns, complaint):
    wanted = {name: column for name, column in (GOOD | columns).items() if column is not None}
    pq.write_table(pa.table(wanted), tmp_path / "streams.parquet")
    assert complaint in refused("--streams", tmp_path / "streams.parquet")


def test_streams_that_add_up_to_more_than_there_can_be(refused, tmp_path):
    two = {name: values * 2 for name, values in GOOD.items()} | {"streams": [2**62, 2**62]}
    pq.write_table(pa.table(two), tmp_path / "streams.parquet")
    assert f"add up to {2**63} streams" in refused("--streams", tmp_path / "streams.parquet")


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_streams_whose_pages_are_damaged(refused, tmp_path, compression):
    many = {"track_id": [f"t{i}" for i in range(5000)]} | {name: GOOD[name] * 5000 for name in list(GOOD)[1:]}
    path = tmp_path / "streams.parquet"
    pq.write_table(pa.table(many), path, compression=compression, write_page_checksum=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000] + b"?" * 500 + whole[1500:])
    assert "streams.parquet: cannot be read to its end" in refused("--streams", path)


def test_streams_that_are_no_files(refused, tmp_path):
    assert "matches no file" in refused("--streams", tmp_path / "*.parquet")
    (tmp_path / "streams.parquet").write_text("track_id,month\n")
    assert "is no Parquet file" in refused("--streams", tmp_path / "streams.parquet")


def test_a_search_output_that_is_a_file(refused, tmp_path):
    (tmp_path / "file").touch()
    assert "is a file" in refused("--search_output", tmp_path / "file")


def test_an_index_that_cannot_be_written(refused, tmp_path, monkeypatch):
    assert "is a folder" in refused("--ann_index", tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "needs voyager; run pip install" in refused("--ann_index", tmp_path / "tracks.voy")


def test_a_path_where_a_run_writes(refused, tables):
    before = set(tables.rglob("*"))
    partition = tables / "track_labels" / PARTITION
    assert f"--database {partition / 'w.duckdb'}: is in track_labels of" in refused(database=partition / "w.duckdb")
    for flag, place in (("--search_output", tables / "runs"), ("--search_output", partition)):
        assert f"{flag} {place}: is in {place.relative_to(tables).parts[0]} of" in refused(flag, place)
    assert set(tables.rglob("*")) == before
