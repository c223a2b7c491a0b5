"""The checksum of a table's rows: blind to order and to how they are shared out, and to nothing else."""

import copy

import pyarrow as pa
import pytest

from tests.transforms.generated_tables import generate_run
from transforms.table_checksums import Checksum, checksum_of
from transforms.table_schemas import TABLES


def rows_of(table):
    rows = generate_run("2026-01-31-a", 20).tables[table]
    return [{k: v.tolist() if hasattr(v, "tolist") else v for k, v in row.items()} for row in rows]


def checksum(table, rows, schema=None):
    schema = schema or TABLES[table]
    return checksum_of(schema, [pa.RecordBatch.from_pylist(rows, schema=schema)])


@pytest.mark.parametrize("table", [table for table in TABLES if rows_of(table)])
def test_order_and_parts_do_not_matter(table):
    rows = rows_of(table)
    whole = checksum(table, rows)
    assert whole.rows == len(rows)
    assert checksum(table, rows[::-1]) == whole
    assert checksum(table, rows[:3]) + checksum(table, rows[3:]) == whole


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [("track_labels", "title", "Ruin"), ("track_labels", "title", None), ("track_labels", "title", ""),
     ("track_labels", "confidence", 0.123456789), ("track_labels", "flags", ["mixed_content"]),
     ("track_embeddings", "embedding", [0.0] * 8), ("royalty_treatments", "eligible", False),
     ("dead_letters", "track_id", "!")],
)  # fmt: skip
def test_any_column_of_any_row_counts(table, column, value):
    rows = rows_of(table)
    changed = copy.deepcopy(rows)
    for row in changed:
        if row[column] != value:
            row[column] = value
            break
    assert changed != rows
    assert checksum(table, changed) != checksum(table, rows)


def test_a_row_that_stands_twice_in_the_place_of_another_counts():
    rows = rows_of("track_labels")
    assert checksum("track_labels", [rows[0], rows[0]]) != checksum("track_labels", rows[:2])
    assert checksum("track_labels", []) == Checksum()


def test_a_number_that_is_none_is_like_null_and_breaks_nothing():
    schema = pa.schema([pa.field("x", pa.float64()), pa.field("y", pa.list_(pa.float32()))])
    odd = [{"x": float("nan"), "y": [float("inf"), 1.0]}, {"x": 1e300, "y": None}]
    assert checksum("", odd, schema).rows == 2
    assert checksum("", [{"x": None, "y": []}], schema) == checksum("", [{"x": float("nan"), "y": None}], schema)
