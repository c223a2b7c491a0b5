"""Files of the tables: what is in them, and that they depend on the rows alone."""

from __future__ import annotations

import datetime
import hashlib
import pathlib
import random

import apache_beam as beam
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from tests.transforms.generated_tables import generate_run, runner_options, sorted_rows, write_with_beam
from transforms.reconcile import read_run_summary
from transforms.records import NO_ROWS
from transforms.row_packs import EncodedRow, encode_row, pack_rows, record_batch, unpack_rows
from transforms.table_schemas import SORT_KEYS, TABLES
from transforms.write_tables import (
    WriteTable,
    arrow_table,
    parquet_bytes,
    parquet_file,
    shard_count,
    sorted_table,
    table_bytes,
)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """Every file below a folder, by its path, temporary ones left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".temp" not in path.parts
    }


def assert_schema(file: pathlib.Path, schema: pa.Schema) -> None:
    found = pq.read_schema(file)
    assert found.equals(schema), file  # the item of a list is called "element" in Parquet, which this looks past
    assert [field.metadata for field in found] == [field.metadata for field in schema], file
    assert [field.nullable for field in found] == [field.nullable for field in schema], file


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("staging")
    write_with_beam(generate_run("run-a", 48), str(folder))
    return folder


def test_every_table_holds_exactly_its_rows(written):
    run = generate_run("run-a", 48)
    for table, rows in run.tables.items():
        files = sorted((written / table).glob("*.parquet"))
        assert len(files) == 3
        found = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
        assert sorted_rows(found) == sorted_rows(rows), table


def test_files_have_the_declared_schema_with_its_descriptions(written):
    for table, schema in TABLES.items():
        for file in (written / table).glob("*.parquet"):
            assert_schema(file, schema)


def test_names_hold_shard_and_digest_and_match_the_summary(written):
    summary = read_run_summary(str(written))
    assert len(summary.files) == 3 * len(TABLES)
    for file in summary.files:
        data = (written / file.path).read_bytes()
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert file.rows == pq.ParquetFile(written / file.path).metadata.num_rows
        stem = file.name.removesuffix(".parquet")
        assert stem[:10] in {"part-00000", "part-00001", "part-00002"} and stem[10:] == f"-of-00003-{file.sha256[:8]}"


def test_rows_of_one_track_share_a_shard_in_every_table(written):
    shard_of: dict[str, set[str]] = {}
    for table in TABLES:
        for file in (written / table).glob("*.parquet"):
            for track in pq.ParquetFile(file).read(["track_id"])["track_id"].to_pylist():
                shard_of.setdefault(track, set()).add(file.name[:10])
    assert len(shard_of.pop(None)) > 1  # rows without a track_id spread by their catalog_row
    assert all(len(shards) == 1 for shards in shard_of.values())


def test_rows_are_sorted_nulls_first(written):
    for table, keys in SORT_KEYS.items():
        for file in (written / table).glob("*.parquet"):
            found = pq.ParquetFile(file).read(list(keys)).to_pylist()
            order = [tuple((row[key] is not None, row[key]) for key in keys) for row in found]
            assert order == sorted(order), table


def test_another_order_and_two_workers_do_not_change_a_byte(written, tmp_path):
    write_with_beam(generate_run("run-a", 48), str(tmp_path), options=runner_options(2, "multi_threading"), seed=7)
    assert contents(tmp_path) == contents(written)


def test_rows_that_are_equal_in_the_sort_keys_have_one_order():
    run = generate_run("run-a", 6)
    rows = [
        row | {"flags": flags, "title": title}
        for row in run.tables["track_labels"][:1]
        for flags in ([], ["b"], ["a", "b"])
        for title in (None, "x", "y")
    ]
    encoded = [encode_row("track_labels", row) for row in rows]
    files = {parquet_bytes("track_labels", random.Random(seed).sample(encoded, len(encoded))) for seed in range(5)}
    assert len(files) == 1


@pytest.mark.parametrize("table", TABLES)
def test_packs_of_any_size_in_any_order_make_the_same_file(table):
    encoded = [encode_row(table, row) for row in generate_run("run-a", 120).tables[table]]
    encoded += encoded[:5]  # rows that are equal altogether
    expected = parquet_bytes(table, encoded)
    for seed in range(5):
        draw = random.Random(seed)
        waiting, batches = draw.sample(encoded, len(encoded)), []
        while waiting:
            pack, waiting = waiting[: (size := draw.choice([1, 8, 70]))], waiting[size:]
            batches.append(unpack_rows(table, pack_rows(table, pack)))
        data = sorted_table(table, batches)
        assert parquet_file(table, data) == expected
        # What row groups are cut by: no bitmap that Arrow left behind on one way and not on the other.
        assert table_bytes(data) == table_bytes(arrow_table(table, encoded)) == sizes_alone(table, encoded)


def sizes_alone(table: str, rows: list[EncodedRow]) -> int:
    """``nbytes`` of rows that were put into Arrow's format once and nothing else."""
    return int(record_batch(table, rows).nbytes)


def test_the_writer_of_files_has_no_side_input():
    """Beam keeps the last element of a DoFn with one until the job ends: all rows of a file, of every table."""
    pipeline = beam.Pipeline(FnApiRunner())
    shards = beam.pvalue.AsSingleton(pipeline | beam.Create([2]))
    _ = pipeline | "Rows" >> beam.Create([]) | WriteTable("track_labels", "staging", shards)
    transforms = pipeline.to_runner_api().components.transforms.values()
    (writer,) = (step for step in transforms if step.unique_name.endswith("WriteShard"))
    assert len(writer.inputs) == 1


def test_a_run_without_rows_adds_up_and_is_written_with_its_schemas(tmp_path):
    write_with_beam(generate_run("run-empty", 0), str(tmp_path), shards=2)
    summary = read_run_summary(str(tmp_path))
    assert summary.reconciliation_errors() == []
    assert (summary.read, summary.label_rows, summary.lineages) == (NO_ROWS, 0, {})
    for table, schema in TABLES.items():
        files = sorted((tmp_path / table).glob("*.parquet"))
        assert len(files) == 2
        assert all(pq.ParquetFile(file).metadata.num_rows == 0 for file in files)
        for file in files:
            assert_schema(file, schema)


def test_large_tables_have_several_row_groups():
    rng = np.random.default_rng(0)
    template = generate_run("run-a", 1).tables["track_embeddings"][0]
    rows = [
        encode_row("track_embeddings", template | {"track_id": f"{i:05d}", "embedding": rng.random(2048, np.float32)})
        for i in range(9_000)
    ]
    metadata = pq.ParquetFile(pa.BufferReader(parquet_bytes("track_embeddings", rows))).metadata
    assert metadata.num_rows == 9_000
    assert 2 <= metadata.num_row_groups <= 3
    assert metadata.row_group(0).total_byte_size < 80 * 2**20


@pytest.fixture(scope="module")
def partitions(tmp_path_factory) -> pathlib.Path:
    """``track_labels`` and ``track_embeddings`` of two dates, as they are published."""
    output = tmp_path_factory.mktemp("output")
    for day in (30, 31):
        date = datetime.date(2026, 1, day)
        run = generate_run(f"run-{day}", 10, run_date=date)
        for table in ("track_labels", "track_embeddings"):
            folder = output / table / f"run_date={date}"
            folder.mkdir(parents=True)
            data = parquet_bytes(table, [encode_row(table, row) for row in run.tables[table]])
            (folder / "part-00000.parquet").write_bytes(data)
            (folder / "_SUCCESS").write_text("{}")
    return output


@pytest.mark.parametrize("hive_partitioning", ["", ", hive_partitioning=true", ", hive_partitioning=false"])
def test_duckdb_reads_partitions_with_and_without_hive(partitions, hive_partitioning):
    source = f"read_parquet('{partitions}/track_labels/run_date=*/*.parquet'{hive_partitioning})"
    found = duckdb.sql(f"SELECT run_date, count(*), any_value(run_id) FROM {source} GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [(datetime.date(2026, 1, 30), 10, "run-30"), (datetime.date(2026, 1, 31), 10, "run-31")]
    assert duckdb.sql(f"SELECT run_id FROM {source} WHERE run_date = '2026-01-31'").fetchall() == [("run-31",)] * 10
    vectors = f"read_parquet('{partitions}/track_embeddings/run_date=*/*.parquet'{hive_partitioning})"
    assert duckdb.sql(f"SELECT DISTINCT len(embedding) FROM {vectors}").fetchall() == [(8,)]


@pytest.mark.parametrize(
    "partitioning",
    [None, ds.partitioning(pa.schema([("run_date", pa.date32())]), flavor="hive")],
    ids=["plain", "hive"],
)
def test_pyarrow_dataset_reads_partitions_with_and_without_hive(partitions, partitioning):
    dataset = ds.dataset(partitions / "track_labels", format="parquet", partitioning=partitioning)
    assert dataset.schema.field("run_date").type == pa.date32()
    found = dataset.to_table(filter=ds.field("run_date") == datetime.date(2026, 1, 31))
    assert found["run_id"].to_pylist() == ["run-31"] * 10


def test_shard_count_rounds_up_and_is_at_least_one():
    assert [shard_count(rows, 10) for rows in (0, 1, 10, 11, 25)] == [1, 1, 1, 2, 3]
