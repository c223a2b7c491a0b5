"""What tracks are told of others with their audio or on their release, carried and new ones alike."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from tests.transforms.generated_tables import runner_options
from transforms.carried_rows import read_buckets, spill
from transforms.records import key_hash
from transforms.rows_by_key import KEYED_ROWS, ROWS, SPILLED, RowsByKey, bucket_of_key, first_tracks, release_counts

BUCKETS = 3
#: Key, track, category.
CARRIED = [("x", "b", "music"), ("x", "d", "functional"), ("y", "e", "functional"), ("z", "f", "speech")]
FRESH = [("x", "a", "functional"), ("x", "c", "speech"), ("w", "g", "functional"), ("y", "h", "music")]
ANSWERS = {
    first_tracks: {"b": ("a",), "c": ("a",), "d": ("a",), "h": ("e",)},
    # Music, functional, speech.
    release_counts: {"a": (1, 2, 1), "d": (1, 2, 1), "e": (1, 1, 0), "g": (0, 1, 0)},
}


def spilled(folder, rows) -> str:
    columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    buckets = np.array([bucket_of_key(key, BUCKETS) for key, *_ in rows])
    return spill(str(folder), pa.Table.from_arrays(columns, schema=KEYED_ROWS), buckets, BUCKETS)


@pytest.mark.parametrize("question", ANSWERS)
def test_carried_and_new_rows_know_of_one_another(question, tmp_path):
    wanted = ANSWERS[question]
    new = {track_id for _, track_id, _ in FRESH}

    def by_home(paths):
        for path in paths:
            for bucket in range(BUCKETS):
                for row in read_buckets([path], [bucket]).to_pylist():
                    track_id = row.pop("track_id")
                    assert key_hash(track_id) % BUCKETS == bucket
                    yield track_id, tuple(row.values())

    with beam.Pipeline(FnApiRunner(), options=runner_options()) as pipeline:
        paths = [spilled(tmp_path, CARRIED[:2]), spilled(tmp_path, CARRIED[2:])]
        inputs = {
            SPILLED: pipeline | "Carried" >> beam.Create(paths),
            ROWS: pipeline | "New" >> beam.Create(FRESH),
        }
        answered = inputs | RowsByKey(question, str(tmp_path), BUCKETS)
        of_carried = answered[SPILLED] | beam.combiners.ToList() | beam.FlatMap(by_home)
        assert_that(answered[ROWS], equal_to([item for item in wanted.items() if item[0] in new]), label="new")
        assert_that(of_carried, equal_to([item for item in wanted.items() if item[0] not in new]), label="carried")


@pytest.mark.parametrize("question", ANSWERS)
def test_no_rows_have_no_answers(question):
    nothing = KEYED_ROWS.empty_table().append_column("spilled", pa.array([], pa.bool_()))
    assert question(nothing).num_rows == 0
