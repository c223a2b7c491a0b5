"""Rows that do not fit their table's schema stop the run, and the error says where."""

from __future__ import annotations

import datetime
import math

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from tests.transforms.generated_tables import generate_run
from transforms.row_packs import TableValueError, encode_row
from transforms.write_tables import WriteTable, shard_count

RUN = generate_run("run-a", 6)

WRONG_VALUES = [
    ("track_labels", "track_id", None, "null"),
    ("track_labels", "track_id", 17, "17 of type int"),
    ("track_labels", "title", "\ud800", "Unicode"),
    ("track_labels", "confidence", 1, "1 of type int"),
    ("track_labels", "confidence", "0.5", "'0.5' of type str"),
    ("track_labels", "confidence", np.float32(0.5), "float32"),
    ("track_labels", "confidence", math.nan, "nan"),
    ("track_labels", "duration_s", math.inf, "inf"),
    ("track_labels", "flags", None, "null"),
    ("track_labels", "flags", "truncated", "'truncated' of type str"),
    ("track_labels", "flags", ["truncated", None], "None of type NoneType"),
    ("track_labels", "run_date", "2026-01-31", "'2026-01-31' of type str"),
    ("track_labels", "run_date", datetime.datetime(2026, 1, 31), "datetime"),
    ("royalty_treatments", "eligible", 1, "1 of type int"),
    ("track_embeddings", "embedding", None, "null"),
    ("track_embeddings", "embedding", np.zeros(8), "float64"),
    ("track_embeddings", "embedding", np.zeros((2, 4), np.float32), "(2, 4)"),
    ("track_embeddings", "embedding", [0.5, 1], "1 of type int"),
    ("track_embeddings", "embedding", [0.5, 1e300], "inf"),
    ("track_embeddings", "embedding", np.array([0.5, np.nan], np.float32), "nan"),
]


@pytest.mark.parametrize(("table", "column", "value", "shown"), WRONG_VALUES)
def test_a_wrong_value_names_table_column_value_and_track(table, column, value, shown):
    row = RUN.tables[table][0] | {column: value}
    with pytest.raises(TableValueError) as caught:
        encode_row(table, row)
    message = str(caught.value)
    assert f"table {table}, column {column}:" in message
    assert shown in message
    assert repr(row["track_id"]) in message
    assert len(message) <= 1000


def test_a_missing_and_an_unknown_column_are_named():
    row = dict(RUN.tables["track_segments"][0])
    row["begin_s"] = row.pop("start_s")
    with pytest.raises(TableValueError, match=r"table track_segments.*\['start_s'\].*\['begin_s'\]"):
        encode_row("track_segments", row)


def test_a_wrong_row_fails_the_pipeline_and_leaves_no_file(tmp_path):
    rows = [*RUN.tables["track_labels"][1:], RUN.tables["track_labels"][0] | {"category": None}]
    pipeline = beam.Pipeline(FnApiRunner())
    _ = pipeline | beam.Create(rows, reshuffle=False) | WriteTable("track_labels", str(tmp_path), 2)
    with pytest.raises(Exception, match="table track_labels, column category: null"):
        pipeline.run().wait_until_finish()
    assert list(tmp_path.rglob("*.parquet")) == []


@pytest.mark.parametrize(("rows", "rows_per_file"), [(5, 0), (5, -1), (-1, 5)])
def test_shard_count_refuses_nonsense(rows, rows_per_file):
    with pytest.raises(ValueError, match=str(min(rows, rows_per_file))):
        shard_count(rows, rows_per_file)


def test_an_unknown_table_is_refused():
    with pytest.raises(ValueError, match="track_lables"):
        WriteTable("track_lables", "staging", 1)
