"""Rows on their way to a table's files: what a shuffle is handed is a few packs, and out of them come the same rows."""

from __future__ import annotations

import itertools
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.coders import FastPrimitivesCoder
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from tests.transforms.generated_tables import generate_run
from transforms.records import key_hash
from transforms.row_packs import PackRows, encode_row, pack_rows, record_batch, unpack_rows
from transforms.table_schemas import TABLES

RUN = generate_run("run-a", 2_400)


def bundle_of(table: str, rows: list[dict[str, Any]], shards: int) -> list[tuple[tuple[int, int], Any]]:
    """What rows of one bundle become."""
    pack = PackRows(table)
    pack.start_bundle()
    sent = list(itertools.chain.from_iterable(pack.process(row, shards) for row in rows))
    return sent + [at_end.value for at_end in pack.finish_bundle()]


def rows_of(table: str, sent: list[tuple[tuple[int, int], Any]]) -> list[dict[str, Any]]:
    batches = [unpack_rows(table, item) if isinstance(item, bytes) else record_batch(table, [item]) for _, item in sent]
    return pa.Table.from_batches(batches, schema=TABLES[table]).to_pylist()


def in_one_order(table: str, rows: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(encode_row(table, row)) for row in rows)


@pytest.mark.parametrize("table", TABLES)
def test_out_of_a_pack_come_the_rows_that_went_in(table):
    encoded = [encode_row(table, row) for row in RUN.tables[table][:300]]
    batch = unpack_rows(table, pack_rows(table, encoded))
    assert batch.schema.equals(TABLES[table], check_metadata=True)
    assert batch.equals(record_batch(table, encoded))


@pytest.mark.parametrize("table", ["track_labels", "track_segments", "track_embeddings", "audio_versions"])
def test_a_shuffle_is_handed_a_few_packs_instead_of_every_row(table):
    rows = RUN.tables[table]
    sent = bundle_of(table, rows, 1)
    assert all(isinstance(item, bytes) for _, item in sent)
    assert len(sent) <= 1 + len(rows) // 1_000
    coder = FastPrimitivesCoder()
    one_by_one = sum(len(coder.encode(encode_row(table, row))) for row in rows)
    assert sum(len(item) for _, item in sent) < 0.75 * one_by_one
    assert in_one_order(table, rows_of(table, sent)) == in_one_order(table, rows)


def test_with_many_files_a_bundle_keeps_no_more_rows_and_sends_each_where_it_belongs():
    rows, shards = RUN.tables["audio_versions"], 50
    pack = PackRows("audio_versions")
    pack.start_bundle()
    sent, waiting, most_waiting = [], 0, 0
    for row in rows:
        left = list(pack.process(row, shards))
        sent += left
        waiting += 1 - len(rows_of("audio_versions", left))
        most_waiting = max(most_waiting, waiting)
    assert most_waiting < 1_000
    sent += [at_end.value for at_end in pack.finish_bundle()]
    for shard, item in sent:
        for row in rows_of("audio_versions", [(shard, item)]):
            assert shard == (key_hash(row["track_id"]) % shards, shards)
    assert in_one_order("audio_versions", rows_of("audio_versions", sent)) == in_one_order("audio_versions", rows)


def test_a_few_rows_travel_one_by_one():
    rows = RUN.tables["track_labels"][:5]
    assert [item for _, item in bundle_of("track_labels", rows, 1)] == [encode_row("track_labels", row) for row in rows]


def test_every_bundle_of_a_worker_sends_its_own_rows():
    rows = RUN.tables["audio_versions"][:200]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create(rows)  # with a reshuffle: bundles as they come
            | beam.ParDo(PackRows("audio_versions"), 3)
            | beam.combiners.ToList()
            | beam.Map(lambda sent: assert_same(rows_of("audio_versions", sent), rows))
        )


def assert_same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert in_one_order("audio_versions", found) == in_one_order("audio_versions", expected)
