"""Rows that travel in files: they count, sort and are written as rows that travel one by one."""

import random

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from tests.transforms.generated_tables import generate_run, runner_options
from transforms.carried_rows import CarriedRowsWriter, add_to_cell, cells_of, count_cells, read_buckets, spill
from transforms.records import RowTally, key_hash
from transforms.row_packs import encode_row
from transforms.table_schemas import SORT_KEYS, TABLES
from transforms.write_tables import WriteTable, arrow_table

RUN = generate_run("carried", 60)
TABLES_CARRIED = [table for table in TABLES if table != "dead_letters"]


def hashes_of(rows: pa.Table) -> np.ndarray:
    return np.array([key_hash(track_id) for track_id in rows["track_id"].to_pylist()], np.uint64)


def as_arrow(table: str, rows: list[dict]) -> pa.Table:
    return arrow_table(table, [encode_row(table, row) for row in rows])


@pytest.mark.parametrize("table", TABLES_CARRIED)
def test_rows_count_as_they_would_one_by_one(table):
    rows = RUN.tables[table]
    one_by_one: dict = {}
    for row in rows:
        for cell in cells_of(table, row):
            add_to_cell(one_by_one, cell, RowTally.of_place(row["track_id"]))
    together = as_arrow(table, rows)
    assert count_cells(table, together, hashes_of(together)) == one_by_one
    assert count_cells(table, together.slice(0, 0), np.array([], np.uint64)) == {}


@pytest.mark.parametrize("table", TABLES_CARRIED)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_file_of_carried_and_new_rows_is_that_of_new_rows_alone(table, share, tmp_path):
    rng = random.Random(table)
    rows = RUN.tables[table]
    ids = sorted({row["track_id"] for row in rows})
    kept = set(rng.sample(ids, round(share * len(ids))))
    fresh = [row for row in rows if row["track_id"] not in kept]
    carried = as_arrow(table, [row for row in rows if row["track_id"] in kept])
    # In small parts, that new rows fall between, before and behind.
    parts = [(part, hashes_of(part)) for first in range(0, carried.num_rows, 7) for part in [carried.slice(first, 7)]]
    writer = CarriedRowsWriter(str(tmp_path), table, 0, {"run_id": "carried"})
    with writer:
        for part, hashes in parts:
            writer.add(part.drop_columns(["run_id"]), hashes)
    lot = writer.carried()
    assert lot.rows == carried.num_rows
    with beam.Pipeline(FnApiRunner(), options=runner_options()) as pipeline:
        _ = pipeline | beam.Create([*fresh, lot], reshuffle=False) | WriteTable(table, str(tmp_path), 1)
    (path,) = (tmp_path / table).glob("*.parquet")
    found = pq.read_table(path, partitioning=None)
    assert found.schema.equals(TABLES[table], check_metadata=True)
    assert found.to_pylist() == as_arrow(table, rows).to_pylist()
    keys = [tuple(row[key] for key in SORT_KEYS[table]) for row in found.to_pylist()]
    assert keys == sorted(keys)


def test_a_bucket_of_every_file_is_read(tmp_path):
    numbers = pa.table({"number": list(range(20)), "text": [f"t{number}" for number in range(20)]})
    paths = [spill(str(tmp_path), numbers.slice(first, 10), np.arange(first, first + 10) % 4, 4) for first in (0, 10)]
    assert len(set(paths)) == 2
    for buckets in ([0], [1, 3], [2], range(4)):
        found = read_buckets(paths, buckets)
        assert sorted(found["number"].to_pylist()) == [n for n in range(20) if n % 4 in buckets]
        assert found["text"].to_pylist() == [f"t{number}" for number in found["number"].to_pylist()]


def test_buckets_without_rows_keep_the_schema(tmp_path):
    empty = TABLES["track_embeddings"].empty_table()
    path = spill(str(tmp_path), empty, np.array([], np.int64), 3)
    for bucket in range(3):
        assert read_buckets([path], [bucket]).schema.equals(empty.schema)
